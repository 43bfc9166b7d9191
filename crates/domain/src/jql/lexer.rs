//! Splits JQL into words, quoted texts and signs, and knows where each stands.

use super::{JqlError, Query};

/// A piece of a query, and the character where it begins.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word(String),
    Quoted(String),
    Sign(&'static str),
    End,
}

/// Longer ones first, so that `<=` is not read as `<`.
const SIGNS: [&str; 16] = ["!=", "!~", "<=", ">=", "&&", "||", "=", "<", ">", "~", "!", "&", "|", "(", ")", ","];

impl TokenKind {
    /// Whether it is this word, in capitals or not.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own.eq_ignore_ascii_case(word))
    }

    /// As an error calls it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Word(text) | Self::Quoted(text) => format!("`{}`", short(text)),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Errors quote no more than this of a query.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(40) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}..", &text[..end]),
    }
}

/// The last token is the end.
pub(super) fn split(text: &str) -> Result<Vec<Token>, JqlError> {
    let letters: Vec<char> = text.chars().take(Query::LONGEST + 1).collect();
    if letters.len() > Query::LONGEST {
        return Err(JqlError::new(Query::LONGEST, format!("a query has at most {} characters", Query::LONGEST)));
    }
    if let Some(at) = letters.iter().position(|letter| *letter == '\0') {
        return Err(JqlError::new(at + 1, "a query has no NUL"));
    }
    let mut lexer = Lexer { letters, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token()?;
        let ended = token.kind == TokenKind::End;
        tokens.push(token);
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer {
    letters: Vec<char>,
    at: usize,
}

impl Lexer {
    fn token(&mut self) -> Result<Token, JqlError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let at = self.at + 1;
        let kind = match self.peek() {
            None => TokenKind::End,
            Some(quote @ ('"' | '\'')) => TokenKind::Quoted(self.quoted(quote)?),
            Some(_) => match self.sign() {
                Some(sign) => TokenKind::Sign(sign),
                None => TokenKind::Word(self.word()?),
            },
        };
        Ok(Token { at, kind })
    }

    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn sign(&mut self) -> Option<&'static str> {
        let rest = &self.letters[self.at..];
        let begins = |sign: &&str| sign.chars().enumerate().all(|(n, letter)| rest.get(n) == Some(&letter));
        let sign = SIGNS.into_iter().find(begins)?;
        self.at += sign.len();
        Some(sign)
    }

    fn quoted(&mut self, quote: char) -> Result<String, JqlError> {
        let began = self.at + 1;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(JqlError::new(began, "a quoted text has no end: close it with the same quote")),
                Some('\\') => text.push(self.escaped()?),
                Some(letter) => {
                    self.at += 1;
                    if letter == quote {
                        return Ok(text);
                    }
                    text.push(letter);
                }
            }
        }
    }

    fn word(&mut self) -> Result<String, JqlError> {
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            match letter {
                '\\' => text.push(self.escaped()?),
                letter if letter.is_whitespace() || "\"'=!<>~(),&|".contains(letter) => break,
                letter => {
                    self.at += 1;
                    text.push(letter);
                }
            }
        }
        Ok(text)
    }

    fn escaped(&mut self) -> Result<char, JqlError> {
        let at = self.at + 1;
        self.at += 2;
        match self.letters.get(self.at - 1) {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('u') => self.code(at),
            Some(letter) if !letter.is_alphanumeric() => Ok(*letter),
            _ => {
                Err(JqlError::new(at, "a backslash is written `\\\\`; known escapes are \\\" \\' \\n \\t \\r \\u0041"))
            }
        }
    }

    fn code(&mut self, at: usize) -> Result<char, JqlError> {
        let digits: String = self.letters[self.at..].iter().take(4).collect();
        self.at += digits.chars().count();
        let code = if digits.len() == 4 { u32::from_str_radix(&digits, 16).ok() } else { None };
        let letter = code.and_then(char::from_u32).filter(|letter| *letter != '\0');
        letter.ok_or_else(|| JqlError::new(at, "`\\u` takes the four hexadecimal digits of a character"))
    }
}
