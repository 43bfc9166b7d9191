//! New issues, one by one or fifty at a time.

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fields::{Project, Steps};
use super::{Update, add_comments, apply};
use crate::rest::answer::{self, Answer, Asking, Author, Refusal, Site};
use crate::rest::issue::by_key;
use crate::world::catalogue::{IssueType, Status};
use crate::world::people::Shape;
use crate::world::{By, World, workflow};

pub(in crate::rest) async fn create(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    bytes: Bytes,
) -> Answer {
    answer::signed_in(caller)?;
    answer::created(&one((&world, shape), &by, answer::body(&bytes)?)?)
}

/// 201 when any could be created, 400 when none could, in the same shape.
pub(in crate::rest) async fn bulk(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    bytes: Bytes,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ask {
        issue_updates: Vec<Value>,
    }
    answer::signed_in(caller)?;
    let Ask { issue_updates } = answer::body(&bytes)?;
    if issue_updates.is_empty() || issue_updates.len() > 50 {
        return Err(Refusal::bad("The number of issues to create must be between 1 and 50."));
    }
    let (mut issues, mut errors) = (Vec::new(), Vec::new());
    for (n, update) in issue_updates.into_iter().enumerate() {
        let made = serde_json::from_value(update)
            .map_err(|_| {
                Refusal::Payload("Invalid request payload. Refer to the REST API documentation and try again.")
            })
            .and_then(|update| one((&world, shape), &by, update));
        match made {
            Ok(issue) => issues.push(issue),
            Err(refusal) => {
                let (messages, fields) = refusal.into_parts();
                let parts = json!({"errorMessages": messages, "errors": fields});
                errors.push(json!({"status": 400, "failedElementNumber": n, "elementErrors": parts}));
            }
        }
    }
    let status = if issues.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::CREATED };
    let mut response = answer::ok(&json!({"issues": issues, "errors": errors}))?.into_response();
    *response.status_mut() = status;
    Ok(response)
}

/// Creates an issue and answers its id, key and link.
fn one((world, shape): (&World, Shape), by: &By, mut update: Update) -> Result<Value, Refusal> {
    let project = Project::of(world, update.fields.remove("project").as_ref())?;
    let kind = kind(&update.fields)?;
    let steps = Steps::to_create(world, &project, kind, update.wishes(shape))?;
    let way = update.transition().map(|id| {
        workflow::from(Status::ToDo)
            .find(|way| way.id == id)
            .ok_or_else(|| Refusal::bad(format!("Transition id '{id}' is not valid for this issue.")))
    });
    let way = way.transpose()?;
    let properties = by_key(update.properties);
    let issue = world.create_as(by.clone(), project.place, |issue| {
        issue.issue_type = kind;
        apply(issue, &steps.steps, properties);
    });
    let id = issue.id.to_string();
    if let Some(way) = way {
        world.edit_as(by.clone(), &id, |issue| issue.status = way.to)?;
    }
    add_comments(world, by, &id, steps.comments)?;
    let link = format!("{}/issue/{id}", shape.base(&world.config().origin()));
    let mut made = json!({"id": id, "key": issue.key, "self": link});
    if let (Some(_), Some(made)) = (way, made.as_object_mut()) {
        let nothing = json!({"errorMessages": [], "errors": {}});
        made.insert("transition".into(), json!({"status": 200, "errorCollection": nothing}));
    }
    Ok(made)
}

fn kind(fields: &Map<String, Value>) -> Result<IssueType, Refusal> {
    let Some(wanted) = fields.get("issuetype").filter(|wanted| wanted.is_object()) else {
        return Err(Refusal::field("issuetype", "Specify an issue type"));
    };
    let is = |kind: &IssueType| {
        wanted["id"] == kind.id() || wanted["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(kind.name()))
    };
    let found = IssueType::ALL.into_iter().find(is);
    found.ok_or_else(|| Refusal::field("issuetype", "Specify a valid issue type"))
}
