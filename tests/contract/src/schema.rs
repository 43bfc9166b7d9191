//! From a schema of OpenAPI 3.0 to one of JSON Schema, draft 7, that stands by itself.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

const COMPONENT: &str = "#/components/schemas/";

/// The schema with everything it refers to.
pub(crate) fn self_contained(schema: &Value, description: &Value) -> Value {
    let (mut found, mut open) = (Map::new(), BTreeSet::new());
    let mut whole = translated(schema, &mut open);
    while let Some(name) = open.pop_first() {
        let definition = translated(&description["components"]["schemas"][&name], &mut open);
        found.insert(name, definition);
        open.retain(|name| !found.contains_key(name));
    }
    if let Some(members) = whole.as_object_mut() {
        members.insert("definitions".to_owned(), Value::Object(found));
    }
    whole
}

/// Formats are left out: Jira's own times are not those of RFC 3339.
fn translated(schema: &Value, referred: &mut BTreeSet<String>) -> Value {
    match schema {
        Value::Object(members) => {
            let is_nullable = members.get("nullable") == Some(&Value::Bool(true));
            let plain =
                members.iter().filter(|(name, _)| !matches!(name.as_str(), "nullable" | "example" | "xml" | "format"));
            let translated = plain.map(|(name, value)| (name.clone(), member(name, value, referred))).collect();
            if is_nullable {
                json!({"anyOf": [Value::Object(translated), {"type": "null"}]})
            } else {
                Value::Object(translated)
            }
        }
        Value::Array(values) => values.iter().map(|value| translated(value, referred)).collect(),
        other => other.clone(),
    }
}

fn member(name: &str, value: &Value, referred: &mut BTreeSet<String>) -> Value {
    match (name, value.as_str()) {
        ("$ref", Some(target)) => {
            let target = target.trim_start_matches(COMPONENT);
            referred.insert(target.to_owned());
            Value::String(format!("#/definitions/{target}"))
        }
        // Its members are named as they please.
        ("properties", _) => {
            let properties = value.as_object().into_iter().flatten();
            properties.map(|(name, value)| (name.clone(), translated(value, referred))).collect::<Map<_, _>>().into()
        }
        // These are values and no schemas.
        ("default" | "enum", _) => value.clone(),
        _ => translated(value, referred),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_stands_by_itself() {
        let description = json!({"components": {"schemas": {
            "Issue": {"type": "object", "properties": {"parent": {"$ref": "#/components/schemas/Issue"}, "status": {"$ref": "#/components/schemas/Status"}}},
            "Status": {"type": "string", "nullable": true, "example": "Done"},
        }}});
        let whole = self_contained(&json!({"$ref": "#/components/schemas/Issue"}), &description);
        let validator = jsonschema::draft7::new(&whole).expect("a schema");
        assert!(validator.is_valid(&json!({"parent": {"status": null}, "status": "Done"})));
        assert!(!validator.is_valid(&json!({"parent": {"status": 1}})));
    }
}
