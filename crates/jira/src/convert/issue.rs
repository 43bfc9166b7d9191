//! An issue's own fields, and its links.

use super::{People, missing};
use crate::{Error, wire};
use domain::{
    Issue, IssueId, IssueKey, IssueLink, IssueRef, IssueType, LinkDirection, Named, ProjectId, RawJson, Status,
    StatusCategory,
};

pub(super) fn issue(
    id: i64,
    key: Option<String>,
    fields: wire::Fields<'_>,
    people: &mut People,
) -> Result<Issue, Error> {
    let key: IssueKey = key.and_then(|key| key.parse().ok()).ok_or_else(|| missing(id, "key"))?;
    let issue_type = fields.issuetype.ok_or_else(|| missing(id, "issue type"))?;
    let project = fields.project.and_then(|project| project.id).ok_or_else(|| missing(id, "project"))?;
    Ok(Issue {
        id: IssueId(id),
        key,
        project: ProjectId(project),
        summary: fields.summary.unwrap_or_default(),
        description: fields.description.map(|raw| RawJson::from(raw.to_owned())),
        issue_type: IssueType {
            id: issue_type.id.ok_or_else(|| missing(id, "issue type"))?,
            name: issue_type.name.unwrap_or_default(),
            subtask: issue_type.subtask.unwrap_or(false),
        },
        status: status(id, fields.status)?,
        priority: named(fields.priority),
        resolution: named(fields.resolution),
        assignee: people.meet(fields.assignee),
        reporter: people.meet(fields.reporter),
        creator: people.meet(fields.creator),
        labels: fields.labels.unwrap_or_default(),
        parent: fields.parent.and_then(reference),
        sprints: Vec::new(),
        created_at: fields.created.ok_or_else(|| missing(id, "time of creation"))?,
        updated_at: fields.updated.ok_or_else(|| missing(id, "time of update"))?,
        resolved_at: fields.resolutiondate,
        due_on: fields.duedate.and_then(|day| day.parse().ok()),
    })
}

fn status(issue: i64, wire: Option<wire::Status>) -> Result<Status, Error> {
    let wire = wire.ok_or_else(|| missing(issue, "status"))?;
    let category = wire.status_category.map_or(StatusCategory::Undefined, |category| match category {
        wire::Reference { id: Some(id), .. } => StatusCategory::from_id(id),
        wire::Reference { key, .. } => StatusCategory::from_name(&key.unwrap_or_default()),
    });
    let id = wire.id.ok_or_else(|| missing(issue, "status"))?;
    Ok(Status { id, name: wire.name.unwrap_or_default(), category })
}

fn named(wire: Option<wire::Named>) -> Option<Named> {
    let wire = wire?;
    Some(Named { id: wire.id?, name: wire.name.unwrap_or_default() })
}

fn reference(wire: wire::Reference) -> Option<IssueRef> {
    Some(IssueRef { id: IssueId(wire.id?), key: wire.key?.parse().ok()? })
}

/// A link whose far end the account may see.
pub(crate) fn link(wire: wire::Link) -> Option<IssueLink> {
    let (direction, other) = match (wire.inward_issue, wire.outward_issue) {
        (Some(other), _) => (LinkDirection::Inward, other),
        (None, Some(other)) => (LinkDirection::Outward, other),
        (None, None) => return None,
    };
    let kind = named(wire.kind)?;
    Some(IssueLink { id: wire.id?, type_id: kind.id, type_name: kind.name, direction, other: reference(other)? })
}
