//! What of an issue can be searched, as PostgreSQL takes it: its words, and its custom fields.

use super::words;
use crate::{RawJson, plain_text, walk::Walk};

/// Characters of a description that are searched. The rest of a long one is mostly logs.
const SEARCHED: usize = 2_000;

/// Bytes of a custom field's value that can be searched; longer ones are documents, of which is only known that they are
/// there.
const LONGEST_VALUE: usize = 1_000;

/// An issue's words in PostgreSQL's notation of a `tsvector`, without positions: those of the summary are marked with `=`,
/// those of the first part of the description are not. A word in both places stands there twice.
pub fn search_document(summary: &str, description: Option<&RawJson>) -> String {
    let marked = |mut word: String| {
        word.insert(0, '=');
        word
    };
    let mut lexemes: Vec<String> = words(summary).map(marked).collect();
    if let Some(description) = description {
        let text = plain_text(description);
        lexemes.extend(words(first(&text, SEARCHED)));
    }
    lexemes.sort_unstable();
    lexemes.dedup();
    let mut document = String::with_capacity(lexemes.len() * 10);
    for lexeme in lexemes {
        if !document.is_empty() {
            document.push(' ');
        }
        document.push('\'');
        document.push_str(&lexeme);
        document.push('\'');
    }
    document
}

fn first(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

/// The custom fields of an issue's raw document that have a value, as JSON. A value too long to be searched is `null`.
pub fn custom_fields(raw: &str) -> Option<String> {
    let mut custom = values(raw);
    // Stable, so that of two with one id the later stays behind the earlier.
    custom.sort_by_key(|(id, _)| *id);
    let mut document = String::from("{");
    for (n, (id, value)) in custom.iter().enumerate() {
        if *value == "null" || custom.get(n + 1).is_some_and(|(next, _)| next == id) {
            continue;
        }
        if document.len() > 1 {
            document.push(',');
        }
        document.push_str(id);
        document.push(':');
        document.push_str(if value.len() > LONGEST_VALUE { "null" } else { value });
    }
    document.push('}');
    (document.len() > 2).then_some(document)
}

/// Ids in their quotes, and values. Jira's ids need no escapes; what does is none.
fn values(raw: &str) -> Vec<(&str, &str)> {
    let (mut custom, mut walk) = (Vec::new(), Walk::over(raw));
    if walk.next() != Some(b'{') {
        return custom;
    }
    walk.object(|walk, name| {
        if name.written != r#""fields""# || walk.next() != Some(b'{') {
            walk.skip();
            return;
        }
        walk.object(|walk, id| {
            let value = walk.skip();
            if !id.escaped && id.written.starts_with("\"customfield_") {
                custom.push((id.written, value));
            }
        });
    });
    custom
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> RawJson {
        RawJson::parse(text.to_owned()).expect("valid JSON")
    }

    #[test]
    fn words_of_the_summary_are_marked() {
        let description = json(r#"{"type":"doc","version":1,"content":[{"type":"text","text":"log in, please"}]}"#);
        assert_eq!(search_document("Log out", Some(&description)), "'=log' '=out' 'in' 'log' 'please'");
        assert_eq!(search_document("\u{1F980}", None), "");
        assert_eq!(search_document("a \\' \0 b", None), "'=a' '=b'");
    }

    #[test]
    fn custom_fields_with_a_value_are_kept() {
        let long = "x".repeat(LONGEST_VALUE);
        let raw = format!(
            r#"{{"id":"1","fields":{{"summary":"a","customfield_2":null,"customfield_1":{{"value":"Blue"}},
                "customfield_3":"{long}","customfield_4":9007199254740993}}}}"#
        );
        let expected = r#"{"customfield_1":{"value":"Blue"},"customfield_3":null,"customfield_4":9007199254740993}"#;
        assert_eq!(custom_fields(&raw).as_deref(), Some(expected));
        assert_eq!(custom_fields(r#"{"id":"1","fields":{"summary":"a"}}"#), None);
        assert_eq!(custom_fields("{}"), None);
    }
}
