//! An issue's document, taken apart in one walk: its members, and those of its fields, unread.

use std::{borrow::Cow, fmt};

use domain::RawJson;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::missing;
use crate::{
    Error, lenient,
    lenient::{Members, Name, Object},
    wire,
};

/// Lists among the fields that become rows of their own. They may be cut short here.
const ROWS_OF_THEIR_OWN: [&str; 2] = ["comment", "worklog"];

/// An issue as it was told.
#[derive(Debug)]
pub(crate) struct Document<'a>(Vec<(Cow<'a, str>, Part<'a>)>);

/// The value of a member.
#[derive(Debug)]
enum Part<'a> {
    Whole(&'a RawValue),
    Fields(Members<'a>),
}

impl<'a> Document<'a> {
    pub(crate) fn id(&self) -> Result<i64, Error> {
        let id = self.get("id").and_then(lenient::numbered);
        id.ok_or_else(|| Error::malformed("an issue without an id"))
    }

    pub(super) fn key(&self) -> Option<String> {
        self.get("key").and_then(lenient::spelled)
    }

    pub(super) fn fields(&self) -> Result<&Members<'a>, Error> {
        let fields = self.0.iter().rev().find_map(|(_, part)| match part {
            Part::Fields(fields) => Some(fields),
            Part::Whole(_) => None,
        });
        fields.ok_or_else(|| self.id().map_or_else(|error| error, |id| missing(id, "fields")))
    }

    pub(super) fn changelog(&self) -> Option<wire::Changelog<'a>> {
        self.get("changelog").and_then(lenient::shaped)
    }

    /// The document without what is told elsewhere in a snapshot; every other value stays as it was written.
    pub(super) fn raw(&self) -> Result<RawJson, Error> {
        RawJson::of(&Kept(self)).map_err(|error| Error::unreadable("our own text", &error))
    }

    /// Of two members with one name the last counts.
    fn get(&self, wanted: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find_map(|(name, part)| match part {
            Part::Whole(value) if name == wanted => Some(*value),
            _ => None,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Document<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Document<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an issue")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    if name != "fields" {
                        members.push((name, Part::Whole(map.next_value()?)));
                    } else if let Object(Some(fields)) = map.next_value()? {
                        members.push((name, Part::Fields(fields)));
                    }
                }
                Ok(Document(members))
            }
        }

        from.deserialize_map(Visitor)
    }
}

/// What is kept of a document.
struct Kept<'d, 'a>(&'d Document<'a>);

impl Serialize for Kept<'_, '_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let kept = self.0.0.iter().filter(|(name, _)| name != "changelog");
        out.collect_map(kept.map(|(name, part)| (name, part)))
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(value) => value.serialize(out),
            Self::Fields(fields) => {
                let kept = fields.0.iter().filter(|(name, _)| !ROWS_OF_THEIR_OWN.contains(&name.as_ref()));
                out.collect_map(kept.map(|(name, value)| (name, value)))
            }
        }
    }
}
