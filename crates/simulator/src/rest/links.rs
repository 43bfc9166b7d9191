//! Links between issues, and from issues to things outside Jira.

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Caller;
use super::answer::{self, Answer, Asking, Author, Refusal, Site};
use super::comments;
use super::issue::{find, find_to_change};
use super::limits;
use super::params::Params;
use super::reference::link_type;
use crate::world::catalogue::LinkType;
use crate::world::edits::{EditError, Freshness, RemoteDraft};
use crate::world::issue::{RemoteLink, Side};
use crate::world::people::Shape;
use crate::world::view::Lens;
use crate::world::view::related::Mini;
use crate::world::{By, World};

/// A thing named by id, key or name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    id: Option<Value>,
    key: Option<String>,
    name: Option<String>,
}

impl Named {
    fn text(&self) -> String {
        let id = self.id.as_ref().map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        id.or_else(|| self.key.clone()).or_else(|| self.name.clone()).unwrap_or_default()
    }
}

/// A link that is there already is as good as a new one. On the outward issue it shows the inward one.
pub(super) async fn add(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    bytes: Bytes,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Ask {
        #[serde(rename = "type")]
        kind: Named,
        inward_issue: Named,
        outward_issue: Named,
        comment: Option<Value>,
    }
    let ask: Ask = answer::body(&bytes)?;
    answer::signed_in(caller)?;
    let name = ask.kind.text();
    let kind = LinkType::named(&name)
        .ok_or_else(|| Refusal::not_found(format!("No issue link type with name '{name}' found.")))?;
    let inward = find_to_change(&world, caller, &ask.inward_issue.text())?.id.to_string();
    let outward = find_to_change(&world, caller, &ask.outward_issue.text())?.id.to_string();
    if inward == outward {
        return Err(Refusal::bad("You cannot link an issue to itself."));
    }
    for end in [&inward, &outward] {
        // The path names neither end: the door could not count the write.
        let id = end.parse().unwrap_or_default();
        if let Err(refused) = world.door.write_allowed(id, world.now()) {
            return Ok(limits::refuse(&world, &refused));
        }
    }
    let most = world.config().issue_limits.text;
    let comment = ask.comment.map(|comment| comments::text(&comment["body"], shape, most));
    let comment = comment.transpose().map_err(|words| Refusal::field("comment", words))?;
    world.link_as(by.clone(), kind, &inward, &outward)?;
    if let Some(text) = comment {
        world.comment_as(by.clone(), &inward, |comment| comment.body = text)?;
    }
    answer::empty(StatusCode::CREATED)
}

pub(super) async fn get(State(world): Site, shape: Shape, Extension(caller): Asking, Path(id): Path<String>) -> Answer {
    let (number, issue) = seen(&world, caller, &id)?;
    let site = world.read();
    let lens = Lens::new(&site, world.config(), shape);
    let found = site.issues.get(&issue).and_then(|issue| issue.links.iter().find(|link| link.id == number));
    let link = found.ok_or(EditError::NoSuchLink(number))?;
    let (one, other) = (Mini::of(lens, issue), Mini::of(lens, link.other));
    // Where the far end is the outward issue, this one is the inward issue.
    let (inward, outward) = if link.side == Side::Outward { (one, other) } else { (other, one) };
    let base = &lens.deck.base;
    answer::ok(&json!({
        "id": number.to_string(), "self": format!("{base}/issueLink/{number}"), "type": link_type(base, link.kind),
        "inwardIssue": inward, "outwardIssue": outward,
    }))
}

pub(super) async fn delete(
    State(world): Site,
    Extension(caller): Asking,
    Author(by): Author,
    Path(id): Path<String>,
) -> Answer {
    answer::signed_in(caller)?;
    let (number, _) = seen(&world, caller, &id)?;
    world.unlink_as(by, number)?;
    answer::empty(StatusCode::NO_CONTENT)
}

/// The number of a link and one of its ends, if the caller sees both of them.
fn seen(world: &World, caller: Caller, id: &str) -> Result<(u64, u64), Refusal> {
    let missing = || Refusal::not_found(format!("No issue link with id '{id}' exists."));
    let number: u64 = id.parse().map_err(|_| missing())?;
    let site = world.read();
    let visible = |id: &u64| site.issues.get(id).is_some_and(|issue| site.sees(issue));
    let issue = site
        .issues
        .values()
        .find(|issue| visible(&issue.id) && issue.links.iter().any(|link| link.id == number && visible(&link.other)));
    issue.filter(|_| caller == Caller::Account).map(|issue| (number, issue.id)).ok_or_else(missing)
}

/// All of an issue's links to the outside; with `globalId` the one that has it.
pub(super) async fn remote(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let (issue, params) = (find(&world, caller, &id)?, Params::of(&uri));
    let base = shape.base(&world.config().origin());
    let show = |link: &RemoteLink| remote_json(&base, issue.id, link);
    match params.one("globalId") {
        Some(global) => {
            let found = issue.remote_links.iter().find(|link| link.global_id.as_deref() == Some(global));
            answer::ok(&show(found.ok_or_else(no_remote_link)?))
        }
        None => answer::ok(&issue.remote_links.iter().map(show).collect::<Vec<_>>()),
    }
}

pub(super) async fn one_remote(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path((id, link)): Path<(String, String)>,
) -> Answer {
    let issue = find(&world, caller, &id)?;
    let found = issue.remote_links.iter().find(|it| it.id.to_string() == link).ok_or_else(no_remote_link)?;
    answer::ok(&remote_json(&shape.base(&world.config().origin()), issue.id, found))
}

fn no_remote_link() -> Refusal {
    Refusal::not_found("The remote issue link does not exist.")
}

fn remote_json(base: &str, issue: u64, link: &RemoteLink) -> Value {
    let mut value = json!({
        "id": link.id, "self": format!("{base}/issue/{issue}/remotelink/{}", link.id),
        "application": &*link.application, "object": &*link.object,
    });
    let texts = [("globalId", &link.global_id), ("relationship", &link.relationship)];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        if let Some(fields) = value.as_object_mut() {
            fields.insert(name.into(), json!(text));
        }
    }
    value
}

/// The same global id updates instead of adding: a write that can be repeated.
pub(super) async fn set_remote(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ask {
        global_id: Option<String>,
        relationship: Option<String>,
        #[serde(default)]
        application: Option<Value>,
        object: Option<Value>,
    }
    let issue = find_to_change(&world, caller, &id)?.id;
    let ask: Ask = answer::body(&bytes)?;
    let object = ask.object.unwrap_or_default();
    for part in ["url", "title"] {
        if object[part].as_str().is_none_or(str::is_empty) {
            return Err(Refusal::field(part, format!("'{part}' is required.")));
        }
    }
    let application = ask.application.filter(Value::is_object).unwrap_or_else(|| json!({}));
    let draft = RemoteDraft { global_id: ask.global_id, relationship: ask.relationship, application, object };
    let (link, freshness) = world.set_remote_link(by, &issue.to_string(), draft)?;
    let base = shape.base(&world.config().origin());
    let made = json!({"id": link, "self": format!("{base}/issue/{issue}/remotelink/{link}")});
    if freshness == Freshness::New { answer::created(&made) } else { answer::ok(&made) }
}

pub(super) async fn delete_remote(
    State(world): Site,
    Extension(caller): Asking,
    Author(by): Author,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let issue = find_to_change(&world, caller, &id)?.id.to_string();
    let params = Params::of(&uri);
    let global = params.one("globalId").ok_or_else(|| Refusal::bad("The globalId query parameter is required."))?;
    remove(&world, by, &issue, |link| link.global_id.as_deref() == Some(global))
}

pub(super) async fn delete_one_remote(
    State(world): Site,
    Extension(caller): Asking,
    Author(by): Author,
    Path((id, link)): Path<(String, String)>,
) -> Answer {
    let issue = find_to_change(&world, caller, &id)?.id.to_string();
    remove(&world, by, &issue, |it| it.id.to_string() == link)
}

fn remove(world: &World, by: By, issue: &str, which: impl Fn(&RemoteLink) -> bool) -> Answer {
    match world.remove_remote_links(by, issue, which)? {
        0 => Err(no_remote_link()),
        _ => answer::empty(StatusCode::NO_CONTENT),
    }
}
