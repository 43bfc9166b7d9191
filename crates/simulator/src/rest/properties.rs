//! What apps keep beside an issue: neither its `updated` nor its changelog knows of it, but webhooks tell.

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{self, Answer, Asking, Author, Refusal, Site};
use super::issue::{find, find_to_change};
use crate::webhooks::About;
use crate::world::World;

/// The longest key and value that Jira takes.
const LONGEST: (usize, usize) = (255, 32_768);

pub(super) async fn get(
    State(world): Site,
    Extension(caller): Asking,
    Path((id, key)): Path<(String, String)>,
) -> Answer {
    let issue = find(&world, caller, &id)?;
    let value = issue.properties.get(&key).ok_or_else(|| unknown(&key))?;
    answer::ok(&json!({ "key": key, "value": value }))
}

pub(super) async fn set(
    State(world): Site,
    Extension(caller): Asking,
    Author(by): Author,
    Path((id, key)): Path<(String, String)>,
    bytes: Bytes,
) -> Answer {
    let value: Value = answer::body(&bytes)?;
    let issue = find_to_change(&world, caller, &id)?;
    if key.len() > LONGEST.0 || bytes.len() > LONGEST.1 {
        return Err(Refusal::bad("The key or the value of the property is too long."));
    }
    let status = if issue.properties.contains_key(&key) { StatusCode::OK } else { StatusCode::CREATED };
    world.edit_as(by, &issue.id.to_string(), |issue| {
        issue.properties.insert(key.clone(), value);
    })?;
    tell(&world, "issue_property_set", issue.id, &key);
    answer::empty(status)
}

pub(super) async fn delete(
    State(world): Site,
    Extension(caller): Asking,
    Author(by): Author,
    Path((id, key)): Path<(String, String)>,
) -> Answer {
    let issue = find_to_change(&world, caller, &id)?;
    if !issue.properties.contains_key(&key) {
        return Err(unknown(&key));
    }
    world.edit_as(by, &issue.id.to_string(), |issue| {
        issue.properties.remove(&key);
    })?;
    tell(&world, "issue_property_deleted", issue.id, &key);
    answer::empty(StatusCode::NO_CONTENT)
}

fn tell(world: &World, event: &str, issue: u64, key: &str) {
    // An issue that is gone by now has nothing to tell.
    let _ = world.emit(event, &About::Property(issue.to_string(), key.to_owned()));
}

fn unknown(key: &str) -> Refusal {
    Refusal::not_found(format!("The property {key} does not exist."))
}
