//! The one form of a JSON document that says the same: members sorted by name, no blanks, numbers and texts normalised.
//!
//! One walk over a text that is known to be valid JSON; the store asks for it once per issue that it reads.

use std::{borrow::Cow, ops::Range};

/// How deep documents are told apart by meaning: far deeper than Jira's, and far from where a stack ends.
const DEPTH: usize = 128;

/// Appends the canonical form of one document. A name that is told twice counts as it was told last, and what nests more
/// than 128 deep is taken as it is written.
pub(crate) fn canonical(text: &str, out: &mut String) {
    let mut walk = Walk { text, at: 0 };
    walk.blanks();
    walk.value(DEPTH, out);
}

/// Appends a text as JSON.
pub(crate) fn push_string(plain: &str, out: &mut String) {
    out.push_str(&serde_json::Value::String(plain.to_owned()).to_string());
}

/// A place in a valid document. Were it not valid, what is written would be less than a canonical form, and no more.
struct Walk<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Walk<'t> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
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

    fn value(&mut self, depth: usize, out: &mut String) {
        match self.next() {
            Some(b'{' | b'[') if depth == 0 => out.push_str(self.nested()),
            Some(b'{') => self.object(depth - 1, out),
            Some(b'[') => self.array(depth - 1, out),
            Some(b'"') => string(self.string(), out),
            Some(b'-' | b'0'..=b'9') => number(self.word(), out),
            _ => out.push_str(self.word()),
        }
    }

    fn object(&mut self, depth: usize, out: &mut String) {
        let start = out.len();
        let mut members: Vec<(Cow<'t, str>, Range<usize>)> = Vec::new();
        self.mark();
        while self.next() == Some(b'"') {
            let (name, from) = (self.string(), out.len());
            string(name, out);
            out.push(':');
            self.blanks();
            self.mark();
            self.value(depth, out);
            members.push((plain(name), from..out.len()));
            self.blanks();
            if self.next() == Some(b',') {
                self.mark();
            }
        }
        self.at += 1;
        // Stable, so that of two with one name the later stays behind the earlier.
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        let told = out.split_off(start);
        out.push('{');
        for (n, (name, member)) in members.iter().enumerate() {
            if members.get(n + 1).is_some_and(|(next, _)| next == name) {
                continue;
            }
            if out.len() > start + 1 {
                out.push(',');
            }
            out.push_str(&told[member.start - start..member.end - start]);
        }
        out.push('}');
    }

    fn array(&mut self, depth: usize, out: &mut String) {
        out.push('[');
        self.mark();
        while self.next().is_some_and(|byte| byte != b']') {
            self.value(depth, out);
            self.blanks();
            if self.next() == Some(b',') {
                out.push(',');
                self.mark();
            }
        }
        out.push(']');
        self.at += 1;
    }

    /// A text with its quotes, as it is written.
    fn string(&mut self) -> &'t str {
        let (rest, start) = (&self.text.as_bytes()[self.at + 1..], self.at);
        let mut length = 0;
        while let Some(found) = rest[length..].iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            length += found + 1;
            if rest[length - 1] == b'"' {
                break;
            }
            length = (length + 1).min(rest.len());
        }
        self.at += 1 + length;
        &self.text[start..self.at]
    }

    /// A number, a truth value or null.
    fn word(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
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

/// What a quoted text means; itself where it means nothing, as half of a surrogate pair does.
fn plain(quoted: &str) -> Cow<'_, str> {
    if quoted.contains('\\') {
        return serde_json::from_str(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned);
    }
    Cow::Borrowed(quoted.trim_matches('"'))
}

fn string(quoted: &str, out: &mut String) {
    match plain(quoted) {
        Cow::Owned(plain) => push_string(&plain, out),
        Cow::Borrowed(_) => out.push_str(quoted),
    }
}

/// Sign, digits without zeros at either end, and the power of ten of the last digit: `1.50e3` is `15e2`.
fn number(text: &str, out: &mut String) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_start_matches('0').trim_end_matches('0');
    if trimmed.is_empty() {
        out.push('0');
        return;
    }
    let dropped = digits.trim_start_matches('0').len() - trimmed.len();
    let shift = i128::try_from(dropped).unwrap_or(0) - i128::try_from(fraction.len()).unwrap_or(0);
    let power = exponent.parse::<i128>().unwrap_or(0) + shift;
    if negative {
        out.push('-');
    }
    out.push_str(trimmed);
    if power != 0 {
        out.push_str(&format!("e{power}"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn form(text: &str) -> String {
        let mut out = String::new();
        canonical(text, &mut out);
        out
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            // Others are written in a notation of our own, which serde_json takes for floats.
            (0_i64..10).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_form_says_the_same_and_is_its_own_form(document in documents()) {
            let (short, long) = (document.to_string(), serde_json::to_string_pretty(&document)?);
            prop_assert_eq!(form(&short), form(&long));
            prop_assert_eq!(form(&form(&short)), form(&short));
            prop_assert_eq!(serde_json::from_str::<Value>(&form(&short))?, document);
        }
    }

    #[test]
    fn members_are_sorted_and_the_last_of_a_name_counts() {
        assert_eq!(form(r#" { "b" : 1 , "a" : [ ] , "\u0062" : { } } "#), r#"{"a":[],"b":{}}"#);
        assert_eq!(form("[ 1 , \"a\\/b\" , true , null , -0.50 ]"), r#"[1,"a/b",true,null,-5e-1]"#);
        assert_eq!(form(r#"["\ud800","\\\""]"#), r#"["\ud800","\\\""]"#);
    }

    #[test]
    fn what_is_too_deep_stays_as_it_is_written() {
        let deep = format!("{}[ \"]\" ,{{ }}]{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
        assert_eq!(form(&deep), deep);
    }
}
