//! What can be said about fields, transitions and issue types apart from any value: names, schemas, screens.

use serde_json::{Map, Value, json};

use super::Lens;
use crate::world::catalogue::{
    FIELDS, Field, IssueType, POINTS_FIELD, Priority, SEVERITIES, SEVERITY_FIELD, SPRINT_FIELD, Weight,
};
use crate::world::issue::Issue;
use crate::world::people::{priority_json, type_json};
use crate::world::releases;
use crate::world::workflow::{self, Transition};

/// Fields that creating and editing an issue can set, apart from `project` and `comment`.
pub(crate) const EDITABLE: [&str; 16] = [
    "summary",
    "description",
    "environment",
    "issuetype",
    "priority",
    "assignee",
    "reporter",
    "labels",
    "duedate",
    "parent",
    "fixVersions",
    "versions",
    "components",
    POINTS_FIELD,
    SPRINT_FIELD,
    SEVERITY_FIELD,
];

/// The `schema` object of a field.
pub(crate) fn schema(field: &Field) -> Value {
    let (kind, items) = field.of;
    let mut schema = json!({"type": kind});
    let Some(parts) = schema.as_object_mut() else { return schema };
    if let Some(items) = items {
        parts.insert("items".into(), json!(items));
    }
    match (field.custom, field.number()) {
        (Some(custom), Some(number)) => {
            parts.insert("custom".into(), json!(custom));
            parts.insert("customId".into(), json!(number));
        }
        _ => drop(parts.insert("system".into(), json!(field.id))),
    }
    schema
}

/// A field as `GET /field` lists it.
pub(crate) fn listed(field: &Field) -> Value {
    let clauses = match field.number() {
        Some(number) => vec![format!("cf[{number}]"), field.name.to_owned()],
        None => vec![field.id.to_owned()],
    };
    json!({
        "id": field.id, "key": field.id, "name": field.name, "custom": field.custom.is_some(), "orderable": true,
        "navigable": field.weight == Weight::Navigable, "searchable": true, "clauseNames": clauses,
        "schema": schema(field),
    })
}

/// A field on a screen: what it is called, what it takes, and whether it must be filled in.
pub(crate) fn on_screen(lens: Lens<'_>, field: &Field, place: usize, required: bool) -> Value {
    let operations = if field.of.0 == "array" { json!(["add", "set", "remove"]) } else { json!(["set"]) };
    let mut entry = json!({
        "required": required, "schema": schema(field), "name": field.name, "key": field.id,
        "hasDefaultValue": field.id == "priority", "operations": operations,
    });
    if let (Some(values), Some(entry)) = (allowed(lens, field.id, place), entry.as_object_mut()) {
        entry.insert("allowedValues".into(), values);
    }
    entry
}

/// The values a field chooses from; free ones have none.
fn allowed(lens: Lens<'_>, field: &str, place: usize) -> Option<Value> {
    let base = &lens.deck.base;
    let project = lens.state.projects.get(place);
    let versions = || releases::versions(place).iter().map(|id| releases::version_json(base, *id, project)).collect();
    let values: Vec<Value> = match field {
        "priority" => Priority::ALL.map(|priority| priority_json(base, priority)).into(),
        "issuetype" => IssueType::ALL.map(|kind| type_json(base, kind)).into(),
        "fixVersions" | "versions" => versions(),
        "components" => releases::components(place).iter().map(|id| releases::component_json(base, *id)).collect(),
        "resolution" => vec![resolution(base)],
        SEVERITY_FIELD => (0..SEVERITIES.len()).filter_map(|place| severity(base, place)).collect(),
        _ => return None,
    };
    Some(json!(values))
}

/// The only resolution there is.
pub(crate) fn resolution(base: &str) -> Value {
    json!({"self": format!("{base}/resolution/10000"), "id": "10000", "name": "Done", "description": ""})
}

/// An option of the severity field.
pub(crate) fn severity(base: &str, place: usize) -> Option<Value> {
    let (name, id) = (SEVERITIES.get(place)?, 10_020 + place);
    Some(json!({"self": format!("{base}/customFieldOption/{id}"), "value": name, "id": id.to_string()}))
}

/// What can be set when an issue of this type is created, `project` included.
pub(crate) fn create_screen(kind: IssueType) -> Vec<(&'static Field, bool)> {
    let required = |id: &str| {
        matches!(id, "summary" | "project" | "issuetype" | "reporter") || (id == "parent" && kind == IssueType::Subtask)
    };
    let shown = |field: &&Field| field.id == "project" || EDITABLE.contains(&field.id);
    FIELDS.iter().filter(shown).map(|field| (field, required(field.id))).collect()
}

/// `editmeta`: what can be set on an issue that is there.
pub(super) fn edit_screen(lens: Lens<'_>, issue: &Issue) -> Value {
    let shown = FIELDS.iter().filter(|field| EDITABLE.contains(&field.id));
    let entry = |field: &Field| (field.id.to_owned(), on_screen(lens, field, issue.project, field.id == "summary"));
    json!({"fields": shown.map(entry).collect::<Map<_, _>>()})
}

/// What can be done with an issue now; with the fields of the screens, if asked for.
pub(crate) fn transitions(lens: Lens<'_>, issue: &Issue, fields: Screens) -> Vec<Value> {
    workflow::from(issue.status).map(|way| transition(lens, issue, way, fields)).collect()
}

/// Whether transitions show what their screens hold (`expand=transitions.fields`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screens {
    Shown,
    Hidden,
}

fn transition(lens: Lens<'_>, issue: &Issue, way: &Transition, fields: Screens) -> Value {
    let mut value = json!({
        "id": way.id, "name": way.name, "to": lens.deck.status(way.to), "hasScreen": way.has_screen,
        "isGlobal": way.is_global(), "isInitial": false, "isAvailable": true, "isConditional": false,
        "isLooped": false,
    });
    if let (Screens::Shown, Some(parts)) = (fields, value.as_object_mut()) {
        let shown = FIELDS.iter().filter(|field| way.has_screen && field.id == "resolution");
        let entry = |field: &Field| (field.id.to_owned(), on_screen(lens, field, issue.project, false));
        parts.insert("fields".into(), json!(shown.map(entry).collect::<Map<_, _>>()));
    }
    value
}
