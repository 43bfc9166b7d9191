//! The description of all routes in OpenAPI 3.1: generated from the handlers, served, and committed as `docs/openapi.json`.

mod bodies;
mod words;

use serde_json::{Value, json};

use crate::rest;

/// The description. It says of every operation which scope it needs and how it refuses.
pub fn document() -> Value {
    let described = rest::described();
    let mut document = serde_json::to_value(&described).expect("a description is made of maps with texts as keys");
    document["info"] = json!({
        "title": "jirafleet",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "A mirror of Jira Cloud sites: read from it, write through it.",
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    });
    document["components"]["securitySchemes"] = json!({
        "key": { "type": "http", "scheme": "bearer", "description": "A key made by `jirafleet apikey create`, or a token made from one or by an issuer that is trusted." },
    });
    document["components"]["responses"] = json!({
        "Problem": {
            "description": "Refused: a problem document (RFC 9457).",
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Document" } } },
        },
    });
    let operations = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in operations.filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut()) {
        words::say(operation);
        operation["responses"]["default"] = json!({ "$ref": "#/components/responses/Problem" });
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.values_mut().for_each(say_null_once);
        bodies::say(schemas);
    }
    forget_unused(&mut document);
    document
}

/// Any JSON may be null already: "that, or null" would be said of one value twice.
fn say_null_once(schema: &mut Value) {
    if let Some([one, other]) = schema.get("oneOf").and_then(Value::as_array).map(Vec::as_slice)
        && let (Some(any), Some(_)) = (any_json(one).or(any_json(other)), null(one).or(null(other)))
    {
        *schema = any.clone();
        return;
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(say_null_once),
        Value::Array(members) => members.iter_mut().for_each(say_null_once),
        _ => {}
    }
}

fn any_json(schema: &Value) -> Option<&Value> {
    schema.get("$ref").filter(|target| *target == "#/components/schemas/RawJson").map(|_| schema)
}

fn null(schema: &Value) -> Option<&Value> {
    schema.get("type").filter(|kind| *kind == "null")
}

/// Forgets schemas to which nothing leads.
fn forget_unused(document: &mut Value) {
    loop {
        let text = document.to_string();
        let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
        let before = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
        if schemas.len() == before {
            return;
        }
    }
}
