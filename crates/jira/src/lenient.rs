//! Reading what may be missing, null, or of another type than last year. Only what cannot be done without is insisted on,
//! and that in `convert`.

use std::borrow::Cow;

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
    serde_json::from_str::<String>(raw.get()).ok().and_then(|text| parse_jira_time(&text))
}

/// A part whose shape is known; `None` when it has another.
pub(crate) fn part<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_str(<&'de RawValue>::deserialize(from)?.get()).ok())
}

/// An object whose shape is known; `None` when it is something else. serde would read a list, member by member.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(shaped(<&'de RawValue>::deserialize(from)?))
}

/// A list of such objects, without what is something else; `None` when it is no list.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    Ok(list(<&'de RawValue>::deserialize(from)?).map(|items| items.into_iter().filter_map(shaped).collect()))
}

/// A list of texts, numbers and truth values as they are spelled; `None` when it is no list.
pub(crate) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    Ok(list(<&RawValue>::deserialize(from)?).map(|items| items.into_iter().filter_map(spelled).collect()))
}

pub(crate) fn shaped<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok().filter(|_| raw.get().starts_with('{'))
}

fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// A text of a value; of numbers and truth values their spelling, of anything else nothing.
pub(crate) fn spelled(raw: &RawValue) -> Option<String> {
    match raw.get().as_bytes().first()? {
        b'"' => serde_json::from_str(raw.get()).ok(),
        b'n' | b'{' | b'[' => None,
        _ => Some(raw.get().to_owned()),
    }
}

/// The members of an object in the order they came, values unread. Names without escapes are not copied.
#[derive(Debug)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Name<'n>(#[serde(borrow)] Cow<'n, str>);
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Visitor)
    }
}

/// The object again, every value as it was.
impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'a> Members<'a> {
    /// The value of a member; nothing where it is null. Of two with one name the last counts.
    pub(crate) fn get(&self, wanted: &str) -> Option<&'a RawValue> {
        let value = self.0.iter().rev().find(|(name, _)| name == wanted)?.1;
        (value.get() != "null").then_some(value)
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
        #[serde(default, deserialize_with = "objects")]
        objects: Option<Vec<One>>,
        #[serde(default, deserialize_with = "texts")]
        texts: Option<Vec<String>>,
    }

    #[derive(Deserialize)]
    struct One {
        #[serde(default, deserialize_with = "id")]
        id: Option<i64>,
    }

    fn read(json: &str) -> All {
        serde_json::from_str(json).expect("lenient")
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
        let a = read(
            r#"{"time":"1790584137824","object":{"id":"7"},"objects":[{"id":1},null,["2"],{"id":3}],"texts":["a",7,null,{}]}"#,
        );
        assert_eq!(a.time, DateTime::from_timestamp_millis(1_790_584_137_824));
        assert_eq!(a.object.and_then(|one| one.id), Some(7));
        assert_eq!(a.objects.map(|all| all.iter().map(|one| one.id).collect()), Some(vec![Some(1), Some(3)]));
        assert_eq!(a.texts, Some(vec!["a".to_owned(), "7".to_owned()]));
    }

    #[test]
    fn odd_values_are_none() {
        let a = read(r#"{"id":{},"text":null,"flag":"yes","time":"soon","part":{"x":1},"object":["7"]}"#);
        assert!(a.object.is_none(), "a list is no object");
        assert!(a.id.is_none() && a.text.is_none() && a.flag.is_none() && a.time.is_none() && a.part.is_none());
    }

    #[test]
    fn objects_keep_every_digit() {
        let text = r#"{"b":1.10,"a":{"c" : 12345678901234567890},"é\n":null}"#;
        let members: Members<'_> = serde_json::from_str(text).expect("an object");
        assert_eq!(serde_json::to_string(&members).expect("JSON"), text);
        assert_eq!(serde_json::to_string(&Members(Vec::new())).expect("JSON"), "{}");
    }
}
