//! What JSON may say and PostgreSQL's `jsonb` and `text` cannot hold.

/// The same JSON with U+FFFD in place of what PostgreSQL cannot hold: NUL, and halves of surrogate pairs. `None` when there
/// is nothing to replace, which is nearly always.
pub fn storable_json(text: &str) -> Option<String> {
    if !is_suspicious(text) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        // An escape is a backslash and one more character, which in valid JSON is always ASCII.
        let (kept, length) = match (unit(escape), unit(escape.get(6..).unwrap_or_default())) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (&escape[..12], 12),
            (Some(0 | 0xD800..=0xDFFF), _) => ("\\ufffd", 6),
            (Some(_), _) => (&escape[..6], 6),
            (None, _) => (escape.get(..2).unwrap_or(escape), escape.len().min(2)),
        };
        out.push_str(kept);
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    (out != text).then_some(out)
}

/// Whether there is an escape of NUL or of either half of a surrogate pair. It is asked of every text, in one walk.
fn is_suspicious(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let escape = &rest[at..];
        if matches!(unit(escape), Some(0 | 0xD800..=0xDFFF)) {
            return true;
        }
        rest = escape.get(2..).unwrap_or_default();
    }
    false
}

/// The UTF-16 unit of an escape `\u1234` at the beginning of a text.
fn unit(escape: &str) -> Option<u16> {
    u16::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_cannot_hold_is_replaced() {
        let clean = |text: &str| storable_json(text).unwrap_or_else(|| text.to_owned());
        assert_eq!(clean(r#"["a\u0000b"]"#), r#"["a\ufffdb"]"#);
        assert_eq!(clean(r#"["\\u0000"]"#), r#"["\\u0000"]"#);
        assert_eq!(clean(r#"["\\\u0000é"]"#), r#"["\\\ufffdé"]"#);
        assert_eq!(clean(r#"["\ud83d\ude00"]"#), r#"["\ud83d\ude00"]"#);
        assert_eq!(
            clean(r#"["\uD83Dx","\ude00","\ud83d\u0041","\ud83d"]"#),
            r#"["\ufffdx","\ufffd","\ufffd\u0041","\ufffd"]"#
        );
        assert_eq!(clean(r#"["\u00e9\n"]"#), r#"["\u00e9\n"]"#);
    }
}
