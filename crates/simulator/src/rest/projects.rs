//! Projects: the roster of all three states, one project, and the statuses of its issue types.

use std::collections::HashMap;

use axum::extract::{Extension, Path, State};
use axum::http::Uri;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Caller;
use super::answer::{self, Answer, Asking, Refusal, Site};
use super::page::Page;
use super::params::{Params, slice};
use crate::world::State as Store;
use crate::world::catalogue::{IssueType, Status};
use crate::world::people::{Life, Project, Shape, profile, project_json, type_json};
use crate::world::releases;
use crate::world::view::Lens;

/// How long the trash keeps a project.
const RETENTION: chrono::TimeDelta = chrono::TimeDelta::days(60);

/// At most 100 a page, whatever was asked for; live projects unless `status` says otherwise.
pub(super) async fn search(State(world): Site, shape: Shape, Extension(caller): Asking, uri: Uri) -> Answer {
    let params = Params::of(&uri);
    let part = params.page(50, 100)?;
    let site = world.read();
    let all = roster(&site, caller, &params)?;
    let lens = Lens::new(&site, world.config(), shape);
    let values = show(lens, &params, slice(&all, part.0, part.1));
    answer::ok(&Page::new(&address(lens, &params), part, all.len(), values))
}

/// Every live project at once, as a bare array: deprecated, and what older clients ask. It has no filters.
pub(super) async fn list(State(world): Site, shape: Shape, Extension(caller): Asking, uri: Uri) -> Answer {
    let site = world.read();
    let all = roster(&site, caller, &Params::default())?;
    answer::ok(&show(Lens::new(&site, world.config(), shape), &Params::of(&uri), &all))
}

/// The projects a list is made of, in its order; nobody sees none.
fn roster(site: &Store, caller: Caller, params: &Params) -> Result<Vec<usize>, Refusal> {
    let is_listed = |place: &usize| caller == Caller::Account && listed(site, params, *place);
    let mut all: Vec<usize> = (0..site.projects.len()).filter(is_listed).collect();
    order(site, params, &mut all)?;
    Ok(all)
}

fn show(lens: Lens<'_>, params: &Params, places: &[usize]) -> Vec<Value> {
    let insight = params.names("expand", "insight").then(|| insights(lens.state));
    let with_insight = |place: &usize| {
        let mut value = listed_project(lens, params, *place);
        if let (Some(of), Some(fields)) = (&insight, value.as_object_mut()) {
            fields.insert("insight".into(), insight_json(lens, of.get(place)));
        }
        value
    };
    places.iter().map(with_insight).collect()
}

/// The list's address with the filters it was asked with, so that the next page is one of the same list.
fn address(lens: Lens<'_>, params: &Params) -> String {
    let kept = ["status", "expand", "orderBy", "keys", "id"];
    let pairs = kept.iter().flat_map(|name| params.list(name).into_iter().map(move |value| format!("{name}={value}")));
    let pairs: Vec<String> = pairs.collect();
    let sign = if pairs.is_empty() { "" } else { "?" };
    format!("{}/project/search{sign}{}", lens.deck.base, pairs.join("&"))
}

fn listed(site: &Store, params: &Params, place: usize) -> bool {
    let project = &site.projects[place];
    let life = match project.life {
        Life::Live => "live",
        Life::Archived => "archived",
        Life::Trashed => "deleted",
    };
    let (states, keys, ids) = (params.list("status"), params.list("keys"), params.list("id"));
    let state = if states.is_empty() { life == "live" } else { states.iter().any(|state| state == life) };
    let among = |wanted: &[String], it: &String| wanted.is_empty() || wanted.contains(it);
    !project.denied && state && among(&keys, &project.key) && among(&ids, &project.id)
}

fn order(site: &Store, params: &Params, all: &mut [usize]) -> Result<(), Refusal> {
    let by = params.one("orderBy").unwrap_or("key");
    let project = |place: &usize| &site.projects[*place];
    match by.trim_start_matches(['+', '-']) {
        "key" => all.sort_by(|a, b| project(a).key.cmp(&project(b).key)),
        "name" => all.sort_by(|a, b| project(a).name.cmp(&project(b).name)),
        _ => return Err(Refusal::bad(format!("The projects cannot be ordered by '{by}'."))),
    }
    if by.starts_with('-') {
        all.reverse();
    }
    Ok(())
}

/// Number of visible issues and the last change, by place of the project.
type Insights = HashMap<usize, (usize, DateTime<Utc>)>;

fn insights(site: &Store) -> Insights {
    let mut of = Insights::new();
    for issue in site.issues.values().filter(|issue| site.sees(issue)) {
        let (count, last) = of.entry(issue.project).or_insert((0, issue.updated));
        *count += 1;
        *last = issue.updated.max(*last);
    }
    of
}

fn insight_json(lens: Lens<'_>, insight: Option<&(usize, DateTime<Utc>)>) -> Value {
    match insight {
        Some((count, last)) => json!({"totalIssueCount": count, "lastIssueUpdateTime": lens.time(*last)}),
        None => json!({"totalIssueCount": 0}),
    }
}

fn listed_project(lens: Lens<'_>, params: &Params, place: usize) -> Value {
    let project = &lens.state.projects[place];
    let mut value = project_json(&lens.deck.base, project);
    let Some(fields) = value.as_object_mut() else { return value };
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    set("expand", json!("description,lead,issueTypes,url,projectKeys,permissions,insight"));
    set("style", json!("classic"));
    set("isPrivate", json!(false));
    set("properties", json!({}));
    set("lead", json!(lens.person(&project.lead)));
    if params.names("expand", "description") {
        set("description", json!(""));
    }
    if params.names("expand", "issueTypes") {
        set("issueTypes", json!(IssueType::ALL.map(|kind| type_json(&lens.deck.base, kind))));
    }
    if params.names("expand", "projectKeys") {
        let former = project.former_keys.iter().rev();
        set("projectKeys", json!(std::iter::once(&project.key).chain(former).collect::<Vec<_>>()));
    }
    end(lens, project).into_iter().for_each(|(name, value)| drop(set(name, value)));
    value
}

/// What archived and thrown away projects say about their end.
fn end(lens: Lens<'_>, project: &Project) -> Vec<(&'static str, Value)> {
    let by = lens.state.people.first().map(|person| profile(&lens.deck.base, person));
    let Some(at) = project.ended else { return Vec::new() };
    match project.life {
        Life::Live => Vec::new(),
        Life::Archived => {
            vec![("archived", json!(true)), ("archivedDate", json!(lens.time(at))), ("archivedBy", json!(by))]
        }
        Life::Trashed => vec![
            ("deleted", json!(true)),
            ("deletedDate", json!(lens.time(at))),
            ("deletedBy", json!(by)),
            ("retentionTillDate", json!(lens.time(at + RETENTION))),
        ],
    }
}

/// Keys are case sensitive here, unlike those of issues; former keys resolve.
pub(super) async fn get(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let (site, params) = (world.read(), Params::of(&uri));
    let place = find(&site, caller, &id)?;
    let lens = Lens::new(&site, world.config(), shape);
    let mut value = listed_project(lens, &params, place);
    if let Some(fields) = value.as_object_mut() {
        let base = &lens.deck.base;
        let versions = releases::versions(place);
        let project = site.projects.get(place);
        let versions: Vec<Value> = versions.iter().map(|id| releases::version_json(base, *id, project)).collect();
        let components = releases::components(place);
        let components: Vec<Value> = components.iter().map(|id| releases::component_json(base, *id)).collect();
        let types = IssueType::ALL.map(|kind| type_json(base, kind));
        fields.insert("description".into(), json!(""));
        fields.insert("versions".into(), json!(versions));
        fields.insert("components".into(), json!(components));
        fields.insert("issueTypes".into(), json!(types));
        fields.insert("assigneeType".into(), json!("UNASSIGNED"));
        fields.insert("roles".into(), json!({}));
    }
    answer::ok(&value)
}

/// The place of a project the caller may look at: not one in the trash, and not by a key in the wrong case.
pub(super) fn find(site: &Store, caller: Caller, id: &str) -> Result<usize, Refusal> {
    let named =
        |project: &Project| project.id == id || project.key == id || project.former_keys.iter().any(|key| key == id);
    let shown = |place: &usize| {
        let project = &site.projects[*place];
        named(project) && !project.denied && project.life != Life::Trashed
    };
    let place = site.project(id).filter(|place| caller == Caller::Account && shown(place));
    place.ok_or_else(|| {
        let what = if id.bytes().all(|byte| byte.is_ascii_digit()) { "id" } else { "key" };
        Refusal::not_found(format!("No project could be found with {what} '{id}'."))
    })
}

/// Every issue type of a project with the statuses of its workflow.
pub(super) async fn statuses(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path(id): Path<String>,
) -> Answer {
    let site = world.read();
    find(&site, caller, &id)?;
    let deck = site.cards.of(shape);
    let statuses = Status::ALL.map(|status| deck.status(status));
    let of_type = |kind: IssueType| {
        json!({
            "self": format!("{}/issuetype/{}", deck.base, kind.id()), "id": kind.id(), "name": kind.name(),
            "subtask": kind == IssueType::Subtask, "statuses": statuses,
        })
    };
    answer::ok(&IssueType::ALL.map(of_type))
}
