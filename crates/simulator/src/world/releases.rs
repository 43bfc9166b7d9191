//! Versions and components: every project has the same few, told apart by their ids.

use serde_json::{Value, json};

use super::people::Project;

/// Names, and whether they are out.
const VERSIONS: [(&str, bool); 3] = [("1.0", true), ("1.1", true), ("2.0", false)];
const COMPONENTS: [&str; 2] = ["Backend", "Frontend"];
/// Ids are `<base> + 10 * <place of the project> + <place in the list>`.
const FIRST_VERSION: u64 = 100_000;
const FIRST_COMPONENT: u64 = 200_000;

/// Ids of a project's versions, oldest first.
pub(crate) fn versions(place: usize) -> Vec<u64> {
    ids(FIRST_VERSION, place, VERSIONS.len())
}

/// Ids of a project's components.
pub(crate) fn components(place: usize) -> Vec<u64> {
    ids(FIRST_COMPONENT, place, COMPONENTS.len())
}

fn ids(first: u64, place: usize, count: usize) -> Vec<u64> {
    let base = first + 10 * u64::try_from(place).unwrap_or(0);
    (0..count).filter_map(|n| Some(base + u64::try_from(n).ok()?)).collect()
}

/// The name behind the id of a version or component.
pub(crate) fn name(id: u64) -> Option<&'static str> {
    let place = usize::try_from(id % 10).ok()?;
    if id >= FIRST_COMPONENT { COMPONENTS.get(place).copied() } else { VERSIONS.get(place).map(|(name, _)| *name) }
}

/// A version as an issue or a project shows it.
pub(crate) fn version_json(base: &str, id: u64, project: Option<&Project>) -> Value {
    let (name, released) = usize::try_from(id % 10).ok().and_then(|place| VERSIONS.get(place)).unwrap_or(&("", false));
    let mut version = json!({
        "self": format!("{base}/version/{id}"), "id": id.to_string(), "name": name, "description": "",
        "archived": false, "released": released,
    });
    if let (Some(project), Some(fields)) = (project, version.as_object_mut()) {
        fields.insert("projectId".into(), json!(project.id.parse::<u64>().unwrap_or(0)));
    }
    version
}

/// A component as an issue shows it.
pub(crate) fn component_json(base: &str, id: u64) -> Value {
    json!({"self": format!("{base}/component/{id}"), "id": id.to_string(), "name": name(id)})
}
