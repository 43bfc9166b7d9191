//! The one form of a JSON document that says the same: members sorted by name, no blanks, numbers and texts normalised.
//!
//! The store asks for it once per issue that it reads.

use std::{borrow::Cow, ops::Range};

use crate::walk::{Quoted, Walk};

/// How deep documents are told apart by meaning: far deeper than Jira's, and far from where a stack ends.
const DEPTH: usize = 128;

/// Appends the canonical form of one document. A name that is told twice counts as it was told last, and what nests more
/// than 128 deep is taken as it is written.
pub(crate) fn canonical(text: &str, out: &mut String) {
    canonical_part(text, whole, out);
}

/// The same, of those parts that the form lets through.
pub(crate) fn canonical_part(text: &str, form: Form, out: &mut String) {
    value(&mut Walk::over(text), DEPTH, form, out);
}

/// What becomes of an object's member, by its name. Of a list it is said what becomes of its objects' members.
pub(crate) type Form = fn(&str) -> Member;

/// What becomes of a member.
pub(crate) enum Member {
    /// It is taken with everything in it.
    Whole,
    /// It is taken, and what becomes of its own members is said by another form.
    Of(Form),
    /// It is left out.
    Without,
}

fn value(walk: &mut Walk<'_>, depth: usize, form: Form, out: &mut String) {
    match walk.next() {
        Some(b'{' | b'[') if depth == 0 => out.push_str(walk.skip()),
        Some(b'{') => object(walk, depth - 1, form, out),
        Some(b'[') => list(walk, depth - 1, form, out),
        Some(b'-' | b'0'..=b'9') => number(walk.skip(), out),
        Some(b'"') => {
            if let Some(text) = walk.text() {
                string(text, out);
            }
        }
        _ => out.push_str(walk.skip()),
    }
}

fn object(walk: &mut Walk<'_>, depth: usize, form: Form, out: &mut String) {
    let start = out.len();
    let mut members: Vec<(Cow<'_, str>, Range<usize>)> = Vec::new();
    walk.object(|walk, quoted| {
        let (name, from) = (quoted.plain(), out.len());
        let inner = match form(&name) {
            Member::Whole => whole,
            Member::Of(form) => form,
            Member::Without => {
                walk.skip();
                return;
            }
        };
        string(quoted, out);
        out.push(':');
        value(walk, depth, inner, out);
        members.push((name, from..out.len()));
    });
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

fn list(walk: &mut Walk<'_>, depth: usize, form: Form, out: &mut String) {
    out.push('[');
    let start = out.len();
    walk.list(|walk| {
        if out.len() > start {
            out.push(',');
        }
        value(walk, depth, form, out);
    });
    out.push(']');
}

fn whole(_: &str) -> Member {
    Member::Whole
}

fn string(quoted: Quoted<'_>, out: &mut String) {
    match quoted.plain() {
        Cow::Owned(plain) => out.push_str(&serde_json::Value::String(plain).to_string()),
        Cow::Borrowed(_) => out.push_str(quoted.written),
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
