//! A walk over JSON that is known to be valid: no value is built, and what is not wanted is stepped over.
//!
//! Every issue is read several times for single parts of it; with serde each level of nesting costs another scan.

use std::borrow::Cow;

use memchr::memchr2;

/// A place in a valid document, at the beginning of a value. Were the document not valid, less would be found in it, and
/// nothing worse.
pub(crate) struct Walk<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Walk<'t> {
    pub(crate) fn over(text: &'t str) -> Self {
        let mut walk = Self { text, at: 0 };
        walk.blanks();
        walk
    }

    /// The byte here, which tells what kind of value it is.
    pub(crate) fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes through the object here: `member` is told each name and has to step over the value.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, Quoted<'t>)) {
        self.mark();
        while self.next() == Some(b'"') {
            let name = self.string();
            self.blanks();
            self.mark();
            member(self, name);
            self.comma();
        }
        self.at += 1;
    }

    /// Goes through the list here: `item` has to step over each value.
    pub(crate) fn list(&mut self, mut item: impl FnMut(&mut Self)) {
        self.mark();
        while self.next().is_some_and(|byte| byte != b']') {
            item(self);
            self.comma();
        }
        self.at += 1;
    }

    /// Steps over a value; gives it as it is written.
    pub(crate) fn skip(&mut self) -> &'t str {
        match self.next() {
            Some(b'{' | b'[') => self.nested(),
            Some(b'"') => self.string().written,
            _ => self.word(),
        }
    }

    /// Steps over a value; gives it if it is a text.
    pub(crate) fn text(&mut self) -> Option<Quoted<'t>> {
        if self.next() == Some(b'"') {
            return Some(self.string());
        }
        self.skip();
        None
    }

    fn blanks(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Steps over one byte and the blanks behind it.
    fn mark(&mut self) {
        self.at += 1;
        self.blanks();
    }

    fn comma(&mut self) {
        self.blanks();
        if self.next() == Some(b',') {
            self.mark();
        }
    }

    fn string(&mut self) -> Quoted<'t> {
        let (rest, start) = (&self.text.as_bytes()[self.at + 1..], self.at);
        let (mut length, mut escaped) = (0, false);
        while let Some(found) = memchr2(b'"', b'\\', &rest[length..]) {
            length += found + 1;
            if rest[length - 1] == b'"' {
                break;
            }
            (length, escaped) = ((length + 1).min(rest.len()), true);
        }
        self.at += 1 + length;
        Quoted { written: &self.text[start..self.at], escaped }
    }

    /// A number, a truth value or null.
    fn word(&mut self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(rest.len()).max(1);
        self.at += end.min(rest.len());
        rest.get(..end).unwrap_or(rest)
    }

    /// An object or list, as it is written.
    fn nested(&mut self) -> &'t str {
        let (start, mut open) = (self.at, 0_usize);
        while let Some(byte) = self.next() {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                break;
            }
        }
        &self.text[start..self.at]
    }
}

/// A text with its quotes.
#[derive(Clone, Copy)]
pub(crate) struct Quoted<'t> {
    /// As it is written.
    pub(crate) written: &'t str,
    /// Whether there are escapes in it.
    pub(crate) escaped: bool,
}

impl<'t> Quoted<'t> {
    /// What it means; itself where it means nothing, as half of a surrogate pair does.
    pub(crate) fn plain(self) -> Cow<'t, str> {
        if self.escaped {
            return serde_json::from_str(self.written).map_or(Cow::Borrowed(self.written), Cow::Owned);
        }
        Cow::Borrowed(self.written.trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_stepped_over_as_they_are_written() {
        let mut walk = Walk::over(r#" { "a\"b" : [ 1 , "]" ] , "c":null , "d" : "e" } "#);
        let mut seen = Vec::new();
        walk.object(|walk, name| match name.written {
            r#""d""# => seen.push((name.plain(), walk.text().map_or("", |text| text.written))),
            _ => seen.push((name.plain(), walk.skip())),
        });
        assert_eq!(seen, [("a\"b".into(), r#"[ 1 , "]" ]"#), ("c".into(), "null"), ("d".into(), r#""e""#)]);
        let mut items = Vec::new();
        Walk::over("[1,{},[ ]]").list(|walk| items.push(walk.skip()));
        assert_eq!(items, ["1", "{}", "[ ]"]);
    }

    #[test]
    fn what_is_no_json_ends_the_walk() {
        let whole = r#"{"a":[1,{"b":"\u00e9"}],"c":null}"#;
        for end in 0..whole.len() {
            let mut walk = Walk::over(&whole[..end]);
            walk.object(|walk, _| {
                walk.skip();
            });
            Walk::over(&whole[end..]).list(|walk| {
                walk.skip();
            });
        }
    }
}
