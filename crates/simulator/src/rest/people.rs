//! People: everybody, some of them, the caller, and what the caller may do.

use axum::extract::{Extension, State};
use axum::http::Uri;
use serde_json::{Map, Value, json};

use super::Caller;
use super::answer::{self, Answer, Asking, Refusal, Site};
use super::auth::Who;
use super::page::Page;
use super::params::{Params, slice};
use super::{issue, projects};
use crate::world::people::{Person, Project, Shape, profile};

/// A bare array; the client pages until it is empty.
pub(super) async fn search(State(world): Site, shape: Shape, Extension(caller): Asking, uri: Uri) -> Answer {
    let (start, most) = Params::of(&uri).page(50, 1000)?;
    let site = world.read();
    let all = if caller == Caller::Account { site.people.as_slice() } else { &[] };
    let base = &site.cards.of(shape).base;
    let users: Vec<Value> = slice(all, start, most).iter().map(|person| profile(base, person)).collect();
    answer::ok(&users)
}

pub(super) async fn get(State(world): Site, shape: Shape, Extension(caller): Asking, uri: Uri) -> Answer {
    answer::signed_in(caller)?;
    let params = Params::of(&uri);
    let account = params.one("accountId").ok_or_else(|| Refusal::bad("The accountId query parameter is required."))?;
    let site = world.read();
    let person = site.people.iter().find(|person| &*person.account_id == account);
    let person = person
        .ok_or_else(|| Refusal::not_found("Specified user does not exist or you do not have required permissions"))?;
    answer::ok(&profile(&site.cards.of(shape).base, person))
}

/// Those of the accounts that exist, as a page.
pub(super) async fn bulk(State(world): Site, shape: Shape, Extension(caller): Asking, uri: Uri) -> Answer {
    answer::signed_in(caller)?;
    let params = Params::of(&uri);
    let (part, accounts) = (params.page(10, 200)?, params.list("accountId"));
    if accounts.is_empty() {
        return Err(Refusal::bad("At least one accountId query parameter is required."));
    }
    let site = world.read();
    let base = &site.cards.of(shape).base;
    let asked = |person: &&Person| accounts.iter().any(|account| **account == *person.account_id);
    let all: Vec<&Person> = site.people.iter().filter(asked).collect();
    let values: Vec<Value> = slice(&all, part.0, part.1).iter().map(|person| profile(base, person)).collect();
    let query: Vec<String> = accounts.iter().map(|account| format!("accountId={account}")).collect();
    answer::ok(&Page::new(&format!("{base}/user/bulk?{}", query.join("&")), part, all.len(), values))
}

/// Never answered to nobody: this is how a client notices that its token is dead, or somebody else's.
pub(super) async fn myself(State(world): Site, shape: Shape, who: Option<Extension<Who>>) -> Answer {
    let Some(Extension(who)) = who else { return Err(Refusal::unauthenticated()) };
    let site = world.read();
    let me = site.people.iter().find(|person| person.account_id == who.account);
    answer::ok(&profile(&site.cards.of(shape).base, me.ok_or_else(Refusal::unauthenticated)?))
}

/// Key, name, and whether it is about projects.
const PERMISSIONS: [(&str, &str, bool); 12] = [
    ("BROWSE_PROJECTS", "Browse Projects", true),
    ("CREATE_ISSUES", "Create Issues", true),
    ("EDIT_ISSUES", "Edit Issues", true),
    ("DELETE_ISSUES", "Delete Issues", true),
    ("TRANSITION_ISSUES", "Transition Issues", true),
    ("ASSIGN_ISSUES", "Assign Issues", true),
    ("ADD_COMMENTS", "Add Comments", true),
    ("LINK_ISSUES", "Link Issues", true),
    ("WORK_ON_ISSUES", "Work On Issues", true),
    ("ADMINISTER_PROJECTS", "Administer Projects", true),
    ("USER_PICKER", "Browse users and groups", false),
    ("ADMINISTER", "Administer Jira", false),
];

/// What the caller may do, of what was asked; in a project or with an issue, where one is named.
pub(super) async fn permissions(State(world): Site, Extension(caller): Asking, uri: Uri) -> Answer {
    let params = Params::of(&uri);
    let asked = params.list("permissions");
    if asked.is_empty() {
        return Err(Refusal::bad("The 'permissions' query parameter is required."));
    }
    if let Some(id) = params.one("issueKey").or_else(|| params.one("issueId")) {
        issue::find(&world, caller, id)?;
    }
    if let Some(id) = params.one("projectKey").or_else(|| params.one("projectId")) {
        projects::find(&world.read(), caller, id)?;
    }
    let (mut found, state) = (Map::new(), world.read());
    let has = |key: &str| {
        let is_shown = key != "BROWSE_PROJECTS" || state.projects.iter().any(Project::is_readable);
        caller == Caller::Account && is_shown && !state.withheld.contains(key)
    };
    for key in &asked {
        let place = PERMISSIONS.iter().position(|(it, ..)| it == key);
        let unknown = || Refusal::bad(format!("The permission '{key}' does not exist."));
        let place = place.ok_or_else(unknown)?;
        let (_, name, in_project) = PERMISSIONS[place];
        let kind = if in_project { "PROJECT" } else { "GLOBAL" };
        found.insert(
            key.clone(),
            json!({
                "id": (place + 10).to_string(), "key": key, "name": name, "type": kind, "description": "",
                "havePermission": has(key),
            }),
        );
    }
    answer::ok(&json!({"permissions": found}))
}
