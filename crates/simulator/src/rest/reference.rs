//! What issues refer to and sites are made of: fields, statuses, types, priorities, kinds of link, the site itself.

use axum::extract::{Extension, State};
use axum::http::Uri;
use serde_json::{Value, json};

use super::Caller;
use super::answer::{self, Answer, Asking, Site};
use super::page::Page;
use super::params::{Params, slice};
use crate::world::catalogue::{FIELDS, IssueType, LinkType, Priority, Status};
use crate::world::people::{Shape, priority_json, status_json, type_json};
use crate::world::view::{Lens, meta};

pub(super) async fn fields(Extension(caller): Asking) -> Answer {
    let all = if caller == Caller::Account { FIELDS } else { &[] };
    answer::ok(&all.iter().map(meta::listed).collect::<Vec<_>>())
}

/// Statuses of active workflows, and one that only an old issue could have.
pub(super) async fn statuses(State(world): Site, shape: Shape) -> Answer {
    let base = shape.base(&world.config().origin());
    let mut all: Vec<Value> = Status::ALL.map(|status| status_json(&base, status)).into();
    let mut old = status_json(&base, Status::ToDo);
    if let Some(fields) = old.as_object_mut() {
        fields.insert("id".into(), json!("1"));
        fields.insert("name".into(), json!("Open"));
        fields.insert("self".into(), json!(format!("{base}/status/1")));
    }
    all.push(old);
    answer::ok(&all)
}

/// The administrator's list: one status no workflow uses is here and not in `/status`, the old one is missing.
pub(super) async fn search_statuses(State(world): Site, shape: Shape, Extension(caller): Asking, uri: Uri) -> Answer {
    answer::signed_in(caller)?;
    let part = Params::of(&uri).page(200, 200)?;
    let entry = |id: &str, name: &str, category: &str| {
        json!({
            "id": id, "name": name, "statusCategory": category, "description": "", "scope": {"type": "GLOBAL"},
        })
    };
    let known = |status: Status| {
        let category = match status.category().1 {
            "new" => "TODO",
            "done" => "DONE",
            _ => "IN_PROGRESS",
        };
        entry(status.id(), status.name(), category)
    };
    let mut all: Vec<Value> = Status::ALL.map(known).into();
    all.push(entry("10009", "Parked", "TODO"));
    let link = format!("{}/statuses/search", shape.base(&world.config().origin()));
    let values = slice(&all, part.0, part.1).to_vec();
    answer::ok(&Page::new(&link, part, all.len(), values))
}

pub(super) async fn issue_types(State(world): Site, shape: Shape) -> Answer {
    let base = shape.base(&world.config().origin());
    answer::ok(&IssueType::ALL.map(|kind| type_json(&base, kind)))
}

pub(super) async fn priorities(State(world): Site, shape: Shape) -> Answer {
    let base = shape.base(&world.config().origin());
    answer::ok(&Priority::ALL.map(|priority| priority_json(&base, priority)))
}

pub(super) async fn search_priorities(State(world): Site, shape: Shape, uri: Uri) -> Answer {
    let (base, part) = (shape.base(&world.config().origin()), Params::of(&uri).page(50, 50)?);
    let mut all = Priority::ALL.map(|priority| priority_json(&base, priority));
    for fields in all.iter_mut().filter_map(Value::as_object_mut) {
        // False for every one of them on real sites, too.
        fields.insert("isDefault".into(), json!(false));
    }
    let values = slice(&all, part.0, part.1).to_vec();
    answer::ok(&Page::new(&format!("{base}/priority/search"), part, all.len(), values))
}

pub(super) async fn link_types(State(world): Site, shape: Shape) -> Answer {
    let base = shape.base(&world.config().origin());
    answer::ok(&json!({"issueLinkTypes": LinkType::ALL.map(|kind| link_type(&base, kind))}))
}

/// A kind of link, as lists and links show it.
pub(super) fn link_type(base: &str, kind: LinkType) -> Value {
    let (id, name, inward, outward) = kind.words();
    let link = format!("{base}/issueLinkType/{id}");
    json!({"id": id, "name": name, "inward": inward, "outward": outward, "self": link})
}

/// Answered to everybody.
pub(super) async fn server_info(State(world): Site, shape: Shape) -> Answer {
    let config = world.config();
    let site = world.read();
    answer::ok(&json!({
        "baseUrl": config.origin(),
        "version": "1001.0.0-SNAPSHOT", "versionNumbers": [1001, 0, 0], "deploymentType": "Cloud",
        "buildNumber": 100_290, "serverTitle": "Jira",
        "serverTime": Lens::new(&site, config, shape).time(world.now()),
        "serverTimeZone": config.account_time_zone.name(),
    }))
}
