//! What can be done with an issue and what it takes to create one: transitions and creation screens.

use axum::extract::{Extension, Path, State};
use axum::http::Uri;
use serde_json::{Value, json};

use super::answer::{self, Answer, Asking, Refusal, Site};
use super::params::{Params, slice};
use super::{issue, projects};
use crate::world::catalogue::IssueType;
use crate::world::people::{Shape, type_json};
use crate::world::view::Lens;
use crate::world::view::meta::{self, Screens};

pub(super) async fn transitions(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let (issue, params) = (issue::find(&world, caller, &id)?, Params::of(&uri));
    let site = world.read();
    let lens = Lens::new(&site, world.config(), shape);
    let screens = if params.names("expand", "transitions.fields") { Screens::Shown } else { Screens::Hidden };
    let mut ways = meta::transitions(lens, &issue, screens);
    if let Some(id) = params.one("transitionId") {
        ways.retain(|way| way["id"] == id);
    }
    if issue.archived {
        ways.clear();
    }
    answer::ok(&json!({"expand": "transitions", "transitions": ways}))
}

pub(super) async fn issue_types(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path(project): Path<String>,
    uri: Uri,
) -> Answer {
    let (start, most) = part(&uri)?;
    let site = world.read();
    projects::find(&site, caller, &project)?;
    let base = &site.cards.of(shape).base;
    let all = IssueType::ALL.map(|kind| type_json(base, kind));
    let shown = slice(&all, start, most);
    answer::ok(&json!({"startAt": start, "maxResults": most, "total": all.len(), "issueTypes": shown}))
}

pub(super) async fn fields(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path((project, kind)): Path<(String, String)>,
    uri: Uri,
) -> Answer {
    let (start, most) = part(&uri)?;
    let site = world.read();
    let place = projects::find(&site, caller, &project)?;
    let kind = IssueType::ALL.into_iter().find(|it| it.id() == kind);
    let kind = kind.ok_or_else(|| Refusal::not_found("The issue type does not exist."))?;
    let lens = Lens::new(&site, world.config(), shape);
    let all: Vec<Value> = meta::create_screen(kind)
        .into_iter()
        .map(|(field, required)| {
            let mut entry = meta::on_screen(lens, field, place, required);
            if let Some(entry) = entry.as_object_mut() {
                entry.insert("fieldId".into(), json!(field.id));
            }
            entry
        })
        .collect();
    let shown = slice(&all, start, most);
    answer::ok(&json!({"startAt": start, "maxResults": most, "total": all.len(), "fields": shown}))
}

/// Unlike elsewhere, too large a page is refused, not shortened.
fn part(uri: &Uri) -> Result<(usize, usize), Refusal> {
    let (start, most) = Params::of(uri).page(50, usize::MAX)?;
    if most > 200 {
        return Err(Refusal::bad("Parameter 'maxResults' must not exceed the limit '200'"));
    }
    Ok((start, most))
}
