//! An issue's document, taken apart once: its members, and those of its fields, unread.

use domain::RawJson;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{missing, read_object};
use crate::{Error, lenient, lenient::Members, wire};

/// Lists among the fields that become rows of their own. They may be cut short here.
const ROWS_OF_THEIR_OWN: [&str; 2] = ["comment", "worklog"];

pub(super) struct Document<'a> {
    pub(super) id: i64,
    members: Members<'a>,
    pub(super) text_of_fields: &'a RawValue,
    pub(super) fields: Members<'a>,
}

impl<'a> Document<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Error> {
        let members: Members<'a> = read_object(text, "an issue")?;
        let id = members.get("id").and_then(lenient::numbered);
        let id = id.ok_or_else(|| Error::malformed("an issue without an id"))?;
        let text_of_fields = members.get("fields").ok_or_else(|| missing(id, "fields"))?;
        let fields = read_object(text_of_fields.get(), "an issue's fields")?;
        Ok(Self { id, members, text_of_fields, fields })
    }

    pub(super) fn key(&self) -> Option<String> {
        self.members.get("key").and_then(lenient::spelled)
    }

    pub(super) fn changelog(&self) -> Option<wire::Changelog<'a>> {
        self.members.get("changelog").and_then(lenient::shaped)
    }

    /// The document without what is told elsewhere in a snapshot; every other value stays as it was written.
    pub(super) fn raw(&self) -> Result<RawJson, Error> {
        RawJson::of(&Kept(self)).map_err(|error| Error::unreadable("our own text", &error))
    }
}

/// What is kept of a document.
struct Kept<'d, 'a>(&'d Document<'a>);

impl Serialize for Kept<'_, '_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.members.0.iter().filter(|(name, _)| name != "changelog").map(|(name, value)| {
            let fields = (name == "fields").then_some(&self.0.fields);
            (name, fields.map_or(Value::Whole(value), Value::Fields))
        }))
    }
}

enum Value<'d, 'a> {
    Whole(&'a RawValue),
    Fields(&'d Members<'a>),
}

impl Serialize for Value<'_, '_> {
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
