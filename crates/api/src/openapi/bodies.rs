//! What commands look like beyond what their types say: how long a text may be and what it is made of, and which members go
//! together. What these schemas take is never answered with a 400.

use domain::{CreateIssue, RichText};
use serde_json::{Map, Value, json};

/// One character at least, and no NUL.
const TEXT: &str = "^[^\\u0000]+$";
/// One line with something on it. U+0085 is white to us, and is not to the regular expressions of JSON Schema.
const LINE: &str = "^[^\\r\\n\\u0000]*[^\\s\\u0000\\u0085][^\\r\\n\\u0000]*$";
/// No white space.
const LABEL: &str = "^[^\\s\\u0000\\u0085]+$";

/// Says it of every command that is described.
pub(super) fn say(schemas: &mut Map<String, Value>) {
    let name = json!({"minLength": 1, "maxLength": 255, "pattern": TEXT});
    let labels = json!({"maxItems": 100, "items": {
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": LABEL, "example": "urgent",
    }});
    let summary = json!({"minLength": 1, "maxLength": 255, "pattern": LINE, "example": "Ring the bell"});
    let fields = json!({"maxProperties": 100, "propertyNames": {
        "type": "string", "pattern": "^[a-z][A-Za-z0-9_]*$", "not": {"enum": CreateIssue::OWN},
    }});
    more(schemas, "AccountId", &name);
    more(schemas, "Handle/oneOf/1", &name);
    for command in ["CreateIssue", "UpdateIssue"] {
        more(schemas, &format!("{command}/properties/labels"), &labels);
        more(schemas, &format!("{command}/properties/summary"), &summary);
    }
    for command in ["CreateIssue", "UpdateIssue", "TransitionIssue"] {
        more(schemas, &format!("{command}/properties/fields"), &fields);
    }
    let project = json!({"pattern": super::words::PROJECT, "example": "ACME"});
    more(schemas, "CreateIssue/properties/project", &project);
    let issue = json!({"pattern": super::words::ISSUE_KEY, "example": "ACME-7"});
    more(schemas, "CreateIssue/properties/parent", &issue);
    // What is left out stays: there is no value that would say so.
    for member in CHANGES {
        more(schemas, &format!("UpdateIssue/properties/{member}"), &json!({"default": null}));
    }
    more(schemas, "UpdateIssue", &json!({"anyOf": changes()}));
    for member in ["name", "suspended"] {
        more(schemas, &format!("ChangeTenant/properties/{member}"), &json!({"default": null}));
    }
    more(schemas, "ChangeTenant", &json!({"minProperties": 1}));
    more(schemas, "TransitionIssue/properties/transition", &json!({"pattern": "^[0-9]{1,20}$", "example": "31"}));
    more(schemas, "TransitionIssue", &json!({"anyOf": ways()}));
    more(schemas, "RichText", &text());
}

/// Fields of a change with a place of their own.
const CHANGES: [&str; 6] = ["summary", "description", "labels", "assignee", "priority", "due_on"];

/// A change has at least one.
fn changes() -> Vec<Value> {
    let other = json!({"required": ["fields"], "properties": {"fields": {"minProperties": 1}}});
    CHANGES.into_iter().map(|member| json!({"required": [member]})).chain([other]).collect()
}

/// A move says where to, or by which transition: `anyOf`, since no two fit (each wants the other one null), which linters do
/// not see.
fn ways() -> [Value; 2] {
    let way = |given: &str, other: &str| json!({"required": [given], "properties": {given: {"type": ["string", "integer"]}, other: {"type": "null"}}});
    [way("to", "transition"), way("transition", "to")]
}

/// A text is written in one of two ways.
fn text() -> Value {
    let way = |given: &str, other: &str, schema: Value| {
        json!({"type": "object", "additionalProperties": false, "required": [given],
            "properties": {given: schema, other: {"type": "null"}}})
    };
    let markdown = json!({"type": "string", "maxLength": RichText::LONGEST, "example": "It is **loud**.",
        "description": "In GitHub's flavour of Markdown."});
    let content = json!({"type": "array", "items": {"type": "object"}});
    let document = json!({"type": "object", "required": ["type", "version", "content"], "description": "An ADF document.",
        "properties": {"type": {"const": "doc"}, "version": {"const": 1}, "content": content}});
    json!({"anyOf": [way("markdown", "adf", markdown), way("adf", "markdown", document)],
        "type": null, "properties": null, "additionalProperties": null})
}

/// Adds members to the schema at a JSON pointer below a name; `null` takes one away.
fn more(schemas: &mut Map<String, Value>, pointer: &str, members: &Value) {
    let (name, rest) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
    let place = schemas.get_mut(name).and_then(|schema| schema.pointer_mut(rest)).and_then(Value::as_object_mut);
    let (Some(place), Some(members)) = (place, members.as_object()) else { return };
    for (name, value) in members {
        match value {
            Value::Null => _ = place.remove(name),
            value => _ = place.insert(name.clone(), value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_added_and_taken_away() {
        let mut schemas = json!({"A": {"properties": {"b": {"type": "string", "default": null}}}});
        let schemas = schemas.as_object_mut().expect("an object");
        more(schemas, "A/properties/b", &json!({"default": null, "minLength": 1}));
        assert_eq!(schemas["A"]["properties"]["b"], json!({"type": "string", "minLength": 1}));
        more(schemas, "A", &json!({"type": "object"}));
        assert_eq!(schemas["A"]["type"], "object");
    }
}
