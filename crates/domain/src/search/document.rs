//! An issue's texts as PostgreSQL takes them: its words, its raw document, and its custom fields.

use std::borrow::Cow;

use super::words;
use crate::{
    RawJson,
    jsonb::{Member, in_order},
    plain_text,
    walk::Walk,
};

/// Characters of a description that are searched. The rest of a long one is mostly logs.
const SEARCHED: usize = 2_000;

/// Bytes of a custom field's value that can be searched; longer ones are documents, of which is only known that they are
/// there.
const LONGEST_VALUE: usize = 1_000;

/// Marks the words of summaries.
const MARK: &str = "=";

/// An issue's words in PostgreSQL's notation of a `tsvector`, without positions: those of the summary are marked with `=`,
/// those of the first part of the description are not. A word in both places stands there twice. They come in the order in
/// which PostgreSQL sorts them, byte by byte, which spares it the sorting.
pub fn search_document(summary: &str, description: Option<&RawJson>) -> String {
    let description = description.map(plain_text).unwrap_or_default();
    let marked = distinct(words(summary));
    let description = first(&description, SEARCHED);
    let others = distinct(words(description));
    let (before, behind) = others.split_at(others.partition_point(|word| word.as_ref() < MARK));
    let mut document = String::with_capacity(summary.len() + description.len() + 4 * (marked.len() + others.len()));
    for (mark, words) in [("", before), (MARK, &marked), ("", behind)] {
        for word in words {
            if !document.is_empty() {
                document.push(' ');
            }
            document.push('\'');
            document.push_str(mark);
            document.push_str(word);
            document.push('\'');
        }
    }
    document
}

fn distinct<'t>(words: impl Iterator<Item = Cow<'t, str>>) -> Vec<Cow<'t, str>> {
    let mut words: Vec<Cow<'t, str>> = words.collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn first(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

/// An issue's raw document as it is stored. Both are made in one walk, since every issue needs them.
pub struct StoredDocument {
    /// The same document, with its own members and those of `fields` in the order of PostgreSQL's `jsonb`, which then takes a
    /// fifth less time to read it (PostgreSQL 15, real issues of 12 kB: 203 and 158 us; 150 if all objects in it were in order).
    pub raw: String,
    /// The custom fields that have a value, as JSON. A value too long to be searched is `null`.
    pub custom: Option<String>,
}

impl StoredDocument {
    /// Of a raw document.
    pub fn of(raw: &str) -> Self {
        let mut walk = Walk::over(raw);
        if walk.next() != Some(b'{') {
            return Self { raw: raw.to_owned(), custom: None };
        }
        let (mut members, mut custom) = (Vec::new(), Vec::new());
        walk.object(|walk, name| {
            let is_fields = name.written == r#""fields""# && walk.next() == Some(b'{');
            let value = if is_fields { fields(walk, &mut custom).into() } else { walk.skip().into() };
            members.push((name, value));
        });
        Self { raw: in_order(members), custom: custom_fields(custom) }
    }
}

/// Puts the fields here in order, and those that are custom aside. Jira's ids need no escapes; what does is none.
fn fields<'t>(walk: &mut Walk<'t>, custom: &mut Vec<Member<'t>>) -> String {
    let mut fields: Vec<Member<'t>> = Vec::new();
    walk.object(|walk, id| {
        let value = walk.skip();
        if !id.escaped && id.written.starts_with("\"customfield_") {
            custom.push((id, value.into()));
        }
        fields.push((id, value.into()));
    });
    in_order(fields)
}

fn custom_fields(mut custom: Vec<Member<'_>>) -> Option<String> {
    // Stable, so that of two with one id the later stays behind the earlier.
    custom.sort_by_key(|(id, _)| id.written);
    let mut kept: Vec<Member<'_>> = Vec::new();
    for (n, (id, value)) in custom.iter().enumerate() {
        let is_overtaken = custom.get(n + 1).is_some_and(|(next, _)| next.written == id.written);
        if value != "null" && !is_overtaken {
            kept.push((*id, if value.len() > LONGEST_VALUE { "null".into() } else { value.clone() }));
        }
    }
    (!kept.is_empty()).then(|| in_order(kept))
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
        assert_eq!(search_document("2 b 2", Some(&json("\"c 3 c\""))), "'3' '=2' '=b' 'c'");
        assert_eq!(search_document("\u{1F980}", None), "");
        assert_eq!(search_document("a \\' \0 b", None), "'=a' '=b'");
    }

    #[test]
    fn a_long_description_takes_no_more_room_than_what_is_searched_of_it() {
        let document = search_document("", Some(&json(&format!("\"{}\"", "a ".repeat(100_000)))));
        assert_eq!(document, "'a'");
        assert!(document.capacity() < 2 * SEARCHED, "{} bytes", document.capacity());
    }

    #[test]
    fn custom_fields_with_a_value_are_kept() {
        let long = "x".repeat(LONGEST_VALUE);
        let raw = format!(
            r#"{{"id":"1","fields":{{"summary":"a","customfield_2":null,"customfield_1":{{"value":"Blue"}},
                "customfield_3":"{long}","customfield_4":9007199254740993,"customfield_5":1,"customfield_5":null}}}}"#
        );
        let expected = r#"{"customfield_1":{"value":"Blue"},"customfield_3":null,"customfield_4":9007199254740993}"#;
        assert_eq!(StoredDocument::of(&raw).custom.as_deref(), Some(expected));
        assert_eq!(StoredDocument::of(r#"{"id":"1","fields":{"summary":"a"}}"#).custom, None);
        assert_eq!(StoredDocument::of("{}").custom, None);
    }

    #[test]
    fn a_document_and_its_fields_are_put_in_order() {
        let raw =
            r#"{ "key" : "A-1", "id" : "1", "fields" : { "summary" : "a", "labels" : [ "b" ], "x" : {"b":1,"a":2} } }"#;
        let expected = r#"{"id":"1","key":"A-1","fields":{"x":{"b":1,"a":2},"labels":[ "b" ],"summary":"a"}}"#;
        assert_eq!(StoredDocument::of(raw).raw, expected);
        for other in ["[]", "null", r#"{"fields":null}"#, r#"{"fields":[{"customfield_1":1}]}"#] {
            assert_eq!(StoredDocument::of(other).raw, other);
            assert_eq!(StoredDocument::of(other).custom, None);
        }
    }
}
