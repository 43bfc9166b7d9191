//! What a site sorts its issues by.

use domain::{Status, StatusCategory};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{missing, read};
use crate::{Error, lenient, wire};

/// A status wherever one is named, with its category as an object.
pub(crate) fn status(wire: wire::Status) -> Option<Status> {
    let category = wire.status_category.map_or(StatusCategory::Undefined, |category| match category {
        wire::Reference { id: Some(id), .. } => StatusCategory::from_id(id),
        wire::Reference { key, .. } => StatusCategory::from_name(&key.unwrap_or_default()),
    });
    Some(Status { id: wire.id?, name: wire.name.unwrap_or_default(), category })
}

/// A status as the administrators' listing names it: its category is one of three words.
pub(crate) fn listed_status(raw: &RawValue) -> Result<Status, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Listed {
        #[serde(default, deserialize_with = "lenient::id")]
        id: Option<i64>,
        #[serde(default, deserialize_with = "lenient::text")]
        name: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        status_category: Option<String>,
    }
    let listed: Listed = read(raw.get(), "a status")?;
    let id = listed.id.ok_or_else(|| Error::malformed("a status without an id"))?;
    let name = listed.name.ok_or_else(|| missing(id, "name of a status"))?;
    let category = match listed.status_category.as_deref() {
        Some("TODO") => StatusCategory::New,
        Some("IN_PROGRESS") => StatusCategory::Indeterminate,
        Some("DONE") => StatusCategory::Done,
        _ => StatusCategory::Undefined,
    };
    Ok(Status { id, name, category })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn a_category_is_read_in_both_forms() {
        let listed =
            listed_status(&raw(r#"{"id":"7","name":"Doing","statusCategory":"IN_PROGRESS"}"#)).expect("a status");
        let named = r#"{"id":7,"name":"Doing","statusCategory":{"id":4,"key":"in-flight"}}"#;
        assert_eq!(status(serde_json::from_str(named).expect("lenient")), Some(listed));
        assert!(listed_status(&raw(r#"{"name":"Doing"}"#)).is_err());
    }
}
