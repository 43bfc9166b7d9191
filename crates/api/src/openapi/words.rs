//! What the texts of parameters look like: handlers take them as texts, so that all faults are named at once, and their
//! types say no more than that.

use domain::jql::Query;
use serde_json::{Map, Value, json};

/// A project's key.
pub(super) const PROJECT: &str = "^[A-Za-z][A-Za-z0-9_]{0,99}$";
/// An issue's key.
pub(super) const ISSUE_KEY: &str = "^[A-Za-z][A-Za-z0-9_]{0,99}-[1-9][0-9]{0,17}$";

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
/// What `sort` may name: seven keys at most.
const SORTS: &str =
    "^-?(updated|created|resolved|due|key|id|priority)(,-?(updated|created|resolved|due|key|id|priority)){0,6}$";

/// Says it of every parameter.
pub(super) fn say(operation: &mut Value) {
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(name) = parameter["name"].as_str().map(str::to_owned) else { continue };
        let schema = &mut parameter["schema"];
        let several = schema["type"] == "array";
        let Some(more) = look(&name, several) else { continue };
        if several {
            schema["maxItems"] = json!(100);
        }
        let place = if several { &mut schema["items"] } else { schema };
        for (name, value) in more {
            place[name] = value;
        }
    }
}

/// Several of one parameter are what a search asks for: names of things, too.
fn look(name: &str, several: bool) -> Option<Map<String, Value>> {
    let text = |longest: usize| json!({"minLength": 1, "maxLength": longest, "pattern": "^[^\\u0000]+$"});
    let looks = match name {
        "issue" => {
            json!({"pattern": "^([1-9][0-9]{0,17}|[A-Za-z][A-Za-z0-9_]{0,99}-[1-9][0-9]{0,17})$", "example": "ACME-7"})
        }
        "project" if !several => json!({"pattern": PROJECT, "example": "ACME"}),
        "tenant" => json!({"pattern": "^[a-z0-9][a-z0-9_-]{0,62}$", "example": "acme"}),
        "text" => json!({"maxLength": 500, "pattern": "^[^\\u0000]*[A-Za-z0-9][^\\u0000]*$", "example": "bell"}),
        "jql" => json!({"format": "jql", "maxLength": Query::LONGEST, "example": "project = ACME ORDER BY updated"}),
        "name" => json!({"maxLength": 100, "pattern": "^[^\\u0000]*$"}),
        "category" => json!({"enum": ["new", "indeterminate", "done"]}),
        "sprint" => json!({"pattern": "^[1-9][0-9]{0,17}$"}),
        "field" => json!({"pattern": "^[^=\\u0000]{1,500}=[^\\u0000]{1,500}$", "example": "customfield_10010=blue"}),
        "sort" => json!({"pattern": SORTS, "example": "-updated,key"}),
        "cursor" => json!({"format": "cursor", "pattern": "^[A-Za-z0-9_-]+$"}),
        "Idempotency-Key" => json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
        "If-Match" => json!({"example": "*"}),
        name if TIMES.contains(&name) => json!({"format": "date-time"}),
        name if DAYS.contains(&name) => json!({"format": "date"}),
        // Sites may be called anything: what is not there is not there.
        name if several && name != "instance" => text(500),
        _ => return None,
    };
    looks.as_object().cloned()
}
