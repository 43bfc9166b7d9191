//! What the texts of parameters look like: handlers take them as texts, so that all faults are named at once, and their
//! types say no more than that.

use serde_json::{Map, Value, json};

const TIMES: [&str; 10] = [
    "from",
    "before",
    "created_from",
    "created_before",
    "updated_from",
    "updated_before",
    "resolved_from",
    "resolved_before",
    "done_from",
    "done_before",
];
const DAYS: [&str; 2] = ["due_from", "due_before"];
/// What `sort` may name.
const SORTS: &str =
    "^-?(updated|created|resolved|due|key|id|priority)(,-?(updated|created|resolved|due|key|id|priority))*$";

/// Says it of every parameter.
pub(super) fn say(operation: &mut Value) {
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(more) = parameter["name"].as_str().and_then(|name| look(name, parameter["in"] == "path")) else {
            continue;
        };
        let schema = &mut parameter["schema"];
        let place = if schema["type"] == "array" { &mut schema["items"] } else { schema };
        for (name, value) in more {
            place[name] = value;
        }
    }
}

fn look(name: &str, in_path: bool) -> Option<Map<String, Value>> {
    let looks = match name {
        "issue" => {
            json!({"pattern": "^([1-9][0-9]{0,17}|[A-Za-z][A-Za-z0-9_]{0,99}-[1-9][0-9]{0,17})$", "example": "ACME-7"})
        }
        "project" if in_path => {
            json!({"pattern": "^[A-Za-z][A-Za-z0-9_]{0,99}$", "example": "ACME"})
        }
        "category" => json!({"enum": ["new", "indeterminate", "done"]}),
        "sprint" => json!({"pattern": "^[1-9][0-9]{0,17}$"}),
        "field" => json!({"pattern": "^[^=]+=", "example": "customfield_10010=blue"}),
        "sort" => json!({"pattern": SORTS, "example": "-updated,key"}),
        "cursor" => json!({"pattern": "^[A-Za-z0-9_-]+$"}),
        "Idempotency-Key" => json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
        "If-Match" => json!({"example": "*"}),
        name if TIMES.contains(&name) => json!({"format": "date-time"}),
        name if DAYS.contains(&name) => json!({"format": "date"}),
        _ => return None,
    };
    looks.as_object().cloned()
}
