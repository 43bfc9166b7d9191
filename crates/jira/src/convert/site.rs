//! Projects and fields.

use domain::{Field, Lifecycle, Project, ProjectId, ProjectKey, RawJson};
use serde_json::value::RawValue;

use super::{missing, read_object};
use crate::{Error, wire};

/// A project, in the state that its answer tells, else in the one that was asked for.
pub(crate) fn project(raw: &RawValue, asked: Lifecycle) -> Result<Project, Error> {
    let wire: wire::Project = read_object(raw.get(), "a project")?;
    let id = wire.id.ok_or_else(|| Error::malformed("a project without an id"))?;
    let key: ProjectKey = wire.key.and_then(|key| key.parse().ok()).ok_or_else(|| missing(id, "key of a project"))?;
    let count = wire.insight.and_then(|insight| insight.total_issue_count);
    Ok(Project {
        id: ProjectId(id),
        name: wire.name.unwrap_or_else(|| key.to_string()),
        key,
        project_type: wire.project_type_key,
        lifecycle: match (wire.deleted, wire.archived) {
            (Some(true), _) => Lifecycle::Deleted,
            (_, Some(true)) => Lifecycle::Archived,
            _ => asked,
        },
        lead: wire.lead.and_then(wire::Person::into_user).map(|user| user.account),
        issue_count: count.and_then(|count| u64::try_from(count).ok()),
        raw: RawJson::from(raw.to_owned()),
    })
}

/// A field.
pub(crate) fn field(raw: &RawValue) -> Result<Field, Error> {
    let wire: wire::Field = read_object(raw.get(), "a field")?;
    let id = wire.id.ok_or_else(|| Error::malformed("a field without an id"))?;
    Ok(Field {
        name: wire.name.unwrap_or_else(|| id.clone()),
        id,
        custom: wire.custom.unwrap_or(false),
        custom_type: wire.schema.and_then(|schema| schema.custom),
        raw: RawJson::from(raw.to_owned()),
    })
}
