//! JSON kept as the text it came in, so that no number loses a digit on its way through us.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::SchemaType},
};

use crate::canonical;

/// A JSON document, unread. Two are equal when they say the same: members in any order, numbers compared digit by digit.
#[derive(Clone)]
pub struct RawJson(Arc<RawValue>);

impl RawJson {
    /// Takes a text that must be one JSON document.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self::from)
    }

    /// The document of any value that can be written as JSON.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self::from)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads it.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// Appends the document in its one canonical form: members sorted, no blanks, numbers and texts normalised. What nests
    /// more than 128 deep is taken as it is written.
    pub fn canonical(&self, out: &mut String) {
        canonical::canonical(self.as_str(), out);
    }
}

/// In descriptions of our interfaces it is any JSON.
impl PartialSchema for RawJson {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).build().into()
    }
}

impl ToSchema for RawJson {}

impl From<Box<RawValue>> for RawJson {
    fn from(raw: Box<RawValue>) -> Self {
        Self(Arc::from(raw))
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        if self.as_str() == other.as_str() {
            return true;
        }
        let (mut ours, mut theirs) = (String::new(), String::new());
        self.canonical(&mut ours);
        other.canonical(&mut theirs);
        ours == theirs
    }
}

/// Bodies never reach a log: only the length is told.
impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.as_str().len())
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(out)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(from).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawJson {
        RawJson::parse(text.to_owned()).expect("valid JSON")
    }

    #[test]
    fn order_blanks_and_notation_do_not_matter() {
        assert_eq!(raw(r#"{"a":1, "b":[1.50e3,"\u00e9"]}"#), raw(r#"{"b":[1500,"é"],"a":1.0}"#));
        assert_eq!(raw("-0.0"), raw("0"));
        assert_eq!(raw("12.5"), raw("125e-1"));
    }

    #[test]
    fn every_digit_matters() {
        assert_ne!(raw("9007199254740993"), raw("9007199254740992"));
        assert_ne!(raw("0.1"), raw("0.1000000000000000055511151231257827"));
        assert_ne!(raw("1"), raw("-1"));
        assert_ne!(raw("1"), raw("\"1\""));
        assert_ne!(raw("10"), raw("1"));
        assert_ne!(raw("[1,2]"), raw("[2,1]"));
        assert_ne!(raw("null"), raw("{}"));
    }

    #[test]
    fn no_nesting_is_too_deep_for_the_stack() {
        let deep = |inner: &str| raw(&format!("{}{inner}{}", "[".repeat(20_000), "]".repeat(20_000)));
        assert_eq!(deep("1"), deep("1"));
        assert_ne!(deep("1"), deep("2"));
    }

    #[test]
    fn a_body_is_not_printed() {
        assert!(!format!("{:?}", raw(r#"{"secret":1}"#)).contains("secret"));
    }
}
