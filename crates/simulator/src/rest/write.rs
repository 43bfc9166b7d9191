//! Writes to issues: created, edited, assigned, moved along the workflow, deleted, archived. None of them can be
//! repeated safely, none has a version to check: the last one wins.

mod create;
mod fields;

pub(super) use create::{bulk, create};

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Caller;
use super::answer::{self, Answer, Asking, Author, Refusal, Site};
use super::issue::{Property, by_key, find, find_to_change, show};
use super::params::Params;
use crate::config::TransitionComments;
use crate::world::catalogue::IssueType;
use crate::world::edits::EditError;
use crate::world::issue::Issue;
use crate::world::people::Shape;
use crate::world::text::Text;
use crate::world::{By, World, workflow};
use fields::{Steps, Wishes};

/// The body of most writes; what it does not know is ignored, as on the real thing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Update {
    fields: Map<String, Value>,
    update: Map<String, Value>,
    properties: Vec<Property>,
    transition: Option<Value>,
    #[serde(rename = "historyMetadata")]
    history_metadata: Option<Arc<Value>>,
}

impl Update {
    fn wishes(&self, shape: Shape) -> Wishes<'_> {
        Wishes { fields: &self.fields, update: &self.update, shape }
    }

    /// The id of the transition, be it text or a number.
    fn transition(&self) -> Option<String> {
        let id = self.transition.as_ref().and_then(|way| way.get("id"))?;
        id.as_str().map(str::to_owned).or_else(|| id.as_u64().map(|id| id.to_string()))
    }
}

/// Any wrong field fails the whole edit; a transition in the body is ignored.
pub(super) async fn edit(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    Path(id): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer {
    let params = Params::of(&uri);
    let issue = find_to_change(&world, caller, &id)?;
    let update: Update = answer::body(&bytes)?;
    let steps = Steps::to_edit(&world, &issue, update.wishes(shape))?;
    let id = issue.id.to_string();
    let Steps { steps, comments } = steps;
    let (properties, metadata) = (by_key(update.properties), update.history_metadata);
    world.edit_as(by.clone(), &id, |issue| {
        apply(issue, &steps, properties);
        issue.metadata = metadata;
    })?;
    add_comments(&world, &by, &id, comments)?;
    if params.one("returnIssue") == Some("true") {
        return show(&world, shape, &*find(&world, caller, &id)?, &params);
    }
    answer::empty(StatusCode::NO_CONTENT)
}

fn apply(issue: &mut Issue, steps: &[fields::Step], properties: BTreeMap<String, Value>) {
    for step in steps {
        step(issue);
    }
    issue.properties.extend(properties);
}

fn add_comments(world: &World, by: &By, id: &str, comments: Vec<Text>) -> Result<(), Refusal> {
    for text in comments {
        world.comment_as(by.clone(), id, |comment| comment.body = text)?;
    }
    Ok(())
}

/// Only what the workflow has for the present status; the screen takes a resolution, and a comment where it has one.
pub(super) async fn transition(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer {
    let issue = find_to_change(&world, caller, &id)?;
    let update: Update = answer::body(&bytes)?;
    let wanted = update.transition().ok_or_else(|| Refusal::bad("Missing 'transition' identifier"))?;
    let way = workflow::from(issue.status).find(|way| way.id == wanted).ok_or_else(|| {
        Refusal::bad(format!(
            "Transition id '{wanted}' is not valid for this issue: it cannot be performed from the current status."
        ))
    })?;
    let steps = Steps::of_screen(&world, &issue, *way, update.wishes(shape))?;
    let id = issue.id.to_string();
    let mut stale = false;
    let (properties, metadata) = (by_key(update.properties), update.history_metadata);
    world.edit_as(by.clone(), &id, |issue| {
        // Somebody may have been faster since the status was looked at.
        stale = workflow::from(issue.status).all(|it| it.id != way.id);
        if !stale {
            issue.status = way.to;
            issue.properties.extend(properties);
            issue.metadata = metadata;
        }
    })?;
    if stale {
        return Err(Refusal::Said(StatusCode::CONFLICT, "The issue was changed by someone else. Try again.".into()));
    }
    if world.config().transition_comments == TransitionComments::Kept {
        add_comments(&world, &by, &id, steps.comments)?;
    }
    answer::empty(StatusCode::NO_CONTENT)
}

/// `null` takes the issue from whoever has it, `"-1"` gives it to the project's lead.
pub(super) async fn assign(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer {
    let issue = find_to_change(&world, caller, &id)?;
    let body: Value = answer::body(&bytes)?;
    let Some(account) = body.get("accountId") else {
        return Err(Refusal::bad("The accountId is required: null takes the issue from its assignee."));
    };
    let assign = json!({"assignee": if account.is_null() { Value::Null } else { json!({"accountId": account}) }});
    let fields = assign.as_object().cloned().unwrap_or_default();
    let steps = Steps::to_edit(&world, &issue, Wishes { fields: &fields, update: &Map::new(), shape })?;
    world.edit_as(by, &issue.id.to_string(), |issue| apply(issue, &steps.steps, BTreeMap::new()))?;
    answer::empty(StatusCode::NO_CONTENT)
}

pub(super) async fn delete(
    State(world): Site,
    Extension(caller): Asking,
    Author(by): Author,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    answer::signed_in(caller)?;
    let issue = find(&world, caller, &id)?;
    if !issue.subtasks.is_empty() && Params::of(&uri).one("deleteSubtasks") != Some("true") {
        let words = format!(
            "The issue '{}' has subtasks. You must specify the 'deleteSubtasks' parameter to delete this issue and \
             all its subtasks.",
            issue.key
        );
        return Err(Refusal::bad(words));
    }
    world.delete_as(by, &issue.id.to_string())?;
    answer::empty(StatusCode::NO_CONTENT)
}

/// At most 1000 issues; sub-tasks only go with their parents.
pub(super) async fn archive(State(world): Site, Extension(caller): Asking, bytes: Bytes) -> Answer {
    set_archived(&world, caller, &bytes, World::archive_issue)
}

pub(super) async fn restore(State(world): Site, Extension(caller): Asking, bytes: Bytes) -> Answer {
    set_archived(&world, caller, &bytes, World::restore_issue)
}

fn set_archived(
    world: &World,
    caller: Caller,
    bytes: &[u8],
    set: impl Fn(&World, &str) -> Result<(), EditError>,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Ask {
        issue_ids_or_keys: Vec<String>,
    }
    answer::signed_in(caller)?;
    let Ask { issue_ids_or_keys: asked } = answer::body(bytes)?;
    if asked.is_empty() {
        return Err(Refusal::bad("At least one issue id or key is required."));
    }
    if asked.len() > 1000 {
        let words = "The number of issues exceeds the limit of 1000.";
        return Err(Refusal::Said(StatusCode::PRECONDITION_FAILED, words.into()));
    }
    let (mut updated, mut missing, mut subtasks) = (0, Vec::new(), Vec::new());
    for id in &asked {
        match find(world, caller, id) {
            Err(_) => missing.push(id),
            Ok(issue) if issue.issue_type == IssueType::Subtask => subtasks.push(id),
            Ok(issue) => {
                set(world, &issue.id.to_string())?;
                updated += 1;
            }
        }
    }
    let mut errors = Map::new();
    let mut note = |name: &str, ids: &[&String], words: &str| {
        if !ids.is_empty() {
            errors.insert(name.into(), json!({"count": ids.len(), "issueIdsOrKeys": ids, "message": words}));
        }
    };
    note("issuesNotFound", &missing, "These issues do not exist or you do not have permission to see them.");
    note("issueIsSubtask", &subtasks, "Sub-tasks are archived through their parents.");
    answer::ok(&json!({"numberOfIssuesUpdated": updated, "errors": errors}))
}
