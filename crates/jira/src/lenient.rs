//! Reading what may be missing, null, or of another type than last year. Only what cannot be done without is insisted on,
//! and that in `convert`.

use std::{borrow::Cow, fmt};

use chrono::{DateTime, Utc};
use domain::parse_jira_time;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

/// A number that may be written as a text: Jira does both.
pub(crate) fn id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(numbered(<&RawValue>::deserialize(from)?))
}

/// A number that may be written as a text.
pub(crate) fn numbered(raw: &RawValue) -> Option<i64> {
    let raw = raw.get();
    (raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw)).parse().ok()
}

/// A text; of numbers and truth values their spelling.
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(spelled(<&RawValue>::deserialize(from)?))
}

/// A truth value, perhaps written as a text.
pub(crate) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Ok(truth(<&RawValue>::deserialize(from)?))
}

/// A truth value in either of its forms.
pub(crate) fn truth(raw: &RawValue) -> Option<bool> {
    match raw.get() {
        "true" | "\"true\"" => Some(true),
        "false" | "\"false\"" => Some(false),
        _ => None,
    }
}

/// A time as a text, as epoch milliseconds, or (below 10^11) as epoch seconds.
pub(crate) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(timed(<&RawValue>::deserialize(from)?))
}

/// A time in any of its forms.
pub(crate) fn timed(raw: &RawValue) -> Option<DateTime<Utc>> {
    if let Some(number) = numbered(raw) {
        let milliseconds = if number.abs() < 100_000_000_000 { number.saturating_mul(1000) } else { number };
        return DateTime::from_timestamp_millis(milliseconds);
    }
    plain(raw.get()).and_then(|text| parse_jira_time(&text))
}

/// A part whose shape is known; `None` when it has another.
pub(crate) fn part<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_str(<&'de RawValue>::deserialize(from)?.get()).ok())
}

/// An object whose shape is known; `None` when it is something else. serde would read a list, member by member.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(shaped(<&'de RawValue>::deserialize(from)?))
}

/// An object whose shape is known; `None` when it is something else.
pub(crate) fn shaped<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    shaped_text(raw.get())
}

/// The same, of a text.
pub(crate) fn shaped_text<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    if text.starts_with('{') { serde_json::from_str(text).ok() } else { None }
}

/// A list of such objects, without what is something else; `None` when it is no list.
pub(crate) fn shaped_list<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<Vec<T>> {
    list(raw).map(|items| items.into_iter().filter_map(shaped).collect())
}

/// A list of texts, numbers and truth values as they are spelled; `None` when it is no list.
pub(crate) fn spelled_list(raw: &RawValue) -> Option<Vec<String>> {
    list(raw).map(|items| items.into_iter().filter_map(spelled).collect())
}

/// A value that is not null.
pub(crate) fn present(raw: &RawValue) -> Option<&RawValue> {
    (raw.get() != "null").then_some(raw)
}

fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    if raw.get().starts_with('[') { serde_json::from_str(raw.get()).ok() } else { None }
}

/// A text of a value; of numbers and truth values their spelling, of anything else nothing.
pub(crate) fn spelled(raw: &RawValue) -> Option<String> {
    match raw.get().as_bytes().first()? {
        b'"' => plain(raw.get()).map(Cow::into_owned),
        b'n' | b'{' | b'[' => None,
        _ => Some(raw.get().to_owned()),
    }
}

/// What a text of a document means, between its quotes; most have no escapes and are not copied.
fn plain(quoted: &str) -> Option<Cow<'_, str>> {
    let written = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if written.contains('\\') {
        return serde_json::from_str(quoted).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(written))
}

/// A member's name. It is only copied where it has escapes. Halves of surrogate pairs are replaced, which serde would refuse:
/// one odd name must not spoil a page of issues.
pub(crate) struct Name<'n>(pub(crate) Cow<'n, str>);

impl<'de: 'n, 'n> Deserialize<'de> for Name<'n> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Name(String::from_utf8_lossy(name)))
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(String::from_utf8_lossy(name).into_owned())))
            }
        }

        from.deserialize_bytes(Visitor)
    }
}

/// An object's members; of anything else nothing.
pub(crate) struct Object<'a>(pub(crate) Option<Members<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                members(map).map(|members| Object(Some(members)))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Object(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Object(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Object(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Object(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Object(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Object(None))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Object(None))
            }
        }

        from.deserialize_any(Visitor)
    }
}

/// The members of an object in the order they came, values unread. Names without escapes are not copied.
#[derive(Debug)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                members(map)
            }
        }

        from.deserialize_map(Visitor)
    }
}

fn members<'de, A: de::MapAccess<'de>>(mut map: A) -> Result<Members<'de>, A::Error> {
    let mut members = Vec::new();
    while let Some((Name(name), value)) = map.next_entry()? {
        members.push((name, value));
    }
    Ok(Members(members))
}

/// The object again, every value as it was.
impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct All {
        #[serde(default, deserialize_with = "id")]
        id: Option<i64>,
        #[serde(default, deserialize_with = "text")]
        text: Option<String>,
        #[serde(default, deserialize_with = "flag")]
        flag: Option<bool>,
        #[serde(default, deserialize_with = "time")]
        time: Option<DateTime<Utc>>,
        #[serde(default, deserialize_with = "part")]
        part: Option<Vec<String>>,
        #[serde(default, deserialize_with = "object")]
        object: Option<One>,
    }

    #[derive(Deserialize)]
    struct One {
        #[serde(default, deserialize_with = "id")]
        id: Option<i64>,
    }

    fn read(json: &str) -> All {
        serde_json::from_str(json).expect("lenient")
    }

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("JSON")
    }

    #[test]
    fn values_come_in_many_forms() {
        let a = read(r#"{"id":"7","text":5,"flag":"true","time":1790584137824,"part":["x"],"more":{}}"#);
        assert_eq!((a.id, a.text.as_deref(), a.flag), (Some(7), Some("5"), Some(true)));
        assert_eq!(a.time, DateTime::from_timestamp_millis(1_790_584_137_824));
        assert_eq!(a.part, Some(vec!["x".to_owned()]));
        let b = read(r#"{"id":7,"text":"x","flag":false,"time":1790584137}"#);
        assert_eq!((b.id, b.text.as_deref(), b.flag), (Some(7), Some("x"), Some(false)));
        assert_eq!(b.time, DateTime::from_timestamp_millis(1_790_584_137_000));
        let c = read(r#"{"time":"2026-02-03T10:11:12.345+0100"}"#);
        assert_eq!(c.time, DateTime::from_timestamp_millis(1_770_109_872_345));
    }

    #[test]
    fn lists_lose_only_what_is_odd() {
        let a = read(r#"{"time":"1790584137824","object":{"id":"7"}}"#);
        assert_eq!(a.time, DateTime::from_timestamp_millis(1_790_584_137_824));
        assert_eq!(a.object.and_then(|one| one.id), Some(7));
        let objects: Option<Vec<One>> = shaped_list(&raw(r#"[{"id":1},null,["2"],{"id":3}]"#));
        assert_eq!(objects.map(|all| all.iter().map(|one| one.id).collect()), Some(vec![Some(1), Some(3)]));
        assert_eq!(spelled_list(&raw(r#"["a",7,null,{}]"#)), Some(vec!["a".to_owned(), "7".to_owned()]));
    }

    #[test]
    fn odd_values_are_none() {
        let a = read(r#"{"id":{},"text":null,"flag":"yes","time":"soon","part":{"x":1},"object":["7"]}"#);
        assert!(a.object.is_none(), "a list is no object");
        assert!(a.id.is_none() && a.text.is_none() && a.flag.is_none() && a.time.is_none() && a.part.is_none());
    }

    #[test]
    fn texts_mean_what_their_escapes_say() {
        assert_eq!(spelled(&raw(r#""a\"\u00e9\n""#)).as_deref(), Some("a\"é\n"));
        assert_eq!(spelled(&raw(r#""é""#)).as_deref(), Some("é"));
        assert_eq!(spelled(&raw(r#""\ud800""#)), None, "half a character");
    }

    #[test]
    fn only_an_object_has_members() {
        let members = |json: &'static str| serde_json::from_str::<Object<'_>>(json).expect("any value").0;
        for other in ["[{}, 1]", "true", "-1", "1", "1.5", "\"a\"", "\"\\n\"", "null"] {
            assert!(members(other).is_none(), "{other}");
        }
        assert_eq!(members(r#"{"a":{"b":1}}"#).map(|all| all.0[0].1.get()), Some(r#"{"b":1}"#));
    }

    #[test]
    fn objects_keep_every_digit() {
        let text = r#"{"b":1.10,"a":{"c" : 12345678901234567890},"é\n":null}"#;
        let members: Members<'_> = serde_json::from_str(text).expect("an object");
        assert_eq!(serde_json::to_string(&members).expect("JSON"), text);
        assert_eq!(serde_json::to_string(&Members(Vec::new())).expect("JSON"), "{}");
    }
}
