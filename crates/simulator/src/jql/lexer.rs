//! Splits JQL into words, quoted strings and signs.

use super::Complaint;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
}

impl Token {
    /// The text of a word.
    pub(super) fn word(&self) -> Option<&str> {
        if let Self::Word(word) = self { Some(word) } else { None }
    }
}

/// Two-character signs come first, so that `<=` is not read as `<`.
const SIGNS: [&str; 11] = ["!=", "<=", ">=", "!~", "=", "<", ">", "~", "(", ")", ","];

pub(crate) fn split(text: &str) -> Result<Vec<Token>, Complaint> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            let (word, after) = quoted(text, rest, first)?;
            tokens.push(Token::Quoted(word));
            rest = after;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "\"'=!<>~(),".contains(c)).unwrap_or(rest.len());
            // A lone sign that starts no known operator is a word of its own, so that reading always advances.
            let end = end.max(first.len_utf8());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// The string up to the closing quote, with backslashes resolved, and what follows it.
fn quoted<'a>(text: &str, rest: &'a str, quote: char) -> Result<(String, &'a str), Complaint> {
    let (mut word, mut chars) = (String::new(), rest.char_indices().skip(1));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => word.extend(chars.next().map(|(_, c)| c)),
            _ if c == quote => return Ok((word, &rest[at + quote.len_utf8()..])),
            _ => word.push(c),
        }
    }
    let character = text.chars().count() - rest.chars().count() + 1;
    Err(format!(
        "Error in the JQL Query: The quoted string '{word}' has not been completed. (line 1, character {character})"
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn words_strings_and_signs_come_apart() {
        let tokens = split(r#"a>=-15m AND b in ("x \"y\"",'z')"#).unwrap();
        let word = |text: &str| Token::Word(text.into());
        let string = |text: &str| Token::Quoted(text.into());
        let expected = vec![
            word("a"),
            Token::Sign(">="),
            word("-15m"),
            word("AND"),
            word("b"),
            word("in"),
            Token::Sign("("),
            string("x \"y\""),
            Token::Sign(","),
            string("z"),
            Token::Sign(")"),
        ];
        assert_eq!(tokens, expected);
    }
}
