//! One issue, and its changelog page by page.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};

use super::Caller;
use super::answer::{self, Answer, Asking, Refusal, Site};
use super::page::Page;
use super::params::{Params, slice};
use crate::world::World;
use crate::world::issue::Issue;
use crate::world::people::Shape;
use crate::world::view::fields::Selection;
use crate::world::view::parts::{Clock, HistoryView};
use crate::world::view::{Extent, Extras, IssueView, Lens};

/// The most changelog entries a page of their own holds, and GET issue embeds.
const PAGE: usize = 100;

pub(super) async fn get(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let issue = find(&world, caller, &id)?;
    show(&world, shape, &issue, &Params::of(&uri))
}

/// An issue as the parameters of GET issue have it.
pub(super) fn show(world: &World, shape: Shape, issue: &Issue, params: &Params) -> Answer {
    if world.door.is_poisoned(std::iter::once(issue.id)) {
        return Err(Refusal::broken(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let site = world.read();
    let fields = Selection::parse(&params.list("fields"), "*all");
    let extras = Extras::new(&params.list("expand"), params.list("properties"));
    let lens = Lens::new(&site, world.config(), shape).with(&extras);
    fail_fast(lens, params, &fields, std::iter::once(issue))?;
    let histories = extras.has("changelog").then_some(PAGE);
    let extent = Extent { fields: &fields, comments: world.config().embedded_comment_cap, histories };
    answer::ok(&IssueView { lens, issue, extent: &extent })
}

/// With `failFast=true` one field that cannot be loaded fails the answer; otherwise it is missing from it.
pub(super) fn fail_fast<'a>(
    lens: Lens<'_>,
    params: &Params,
    fields: &Selection,
    mut issues: impl Iterator<Item = &'a Issue>,
) -> Result<(), Refusal> {
    let broken = |issue: &Issue| fields.ids().any(|field| lens.is_broken(issue, field));
    if params.one("failFast") == Some("true") && issues.any(broken) {
        return Err(Refusal::broken(StatusCode::INTERNAL_SERVER_ERROR));
    }
    Ok(())
}

/// Oldest first.
pub(super) async fn changelog(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let issue = find(&world, caller, &id)?;
    let part = Params::of(&uri).page(PAGE, PAGE)?;
    let site = world.read();
    let lens = Lens::new(&site, world.config(), shape);
    let shown = slice(&issue.histories, part.0, part.1).iter();
    let values = shown.map(|history| HistoryView { lens, history, clock: Clock::Text }).collect();
    let link = format!("{}/issue/{}/changelog", lens.deck.base, issue.id);
    answer::ok(&Page::new(&link, part, issue.histories.len(), values))
}

/// The issue, if the caller sees it.
pub(super) fn find(world: &World, caller: Caller, id: &str) -> Result<Arc<Issue>, Refusal> {
    let seen = (caller == Caller::Account).then(|| world.read().visible(id).cloned());
    seen.flatten().ok_or_else(Refusal::no_issue)
}

/// The issue, if the caller sees it and may change it: archived ones are read-only.
pub(super) fn find_to_change(world: &World, caller: Caller, id: &str) -> Result<Arc<Issue>, Refusal> {
    answer::signed_in(caller)?;
    let issue = find(world, caller, id)?;
    if issue.archived {
        return Err(Refusal::bad("The issue is archived. Archived issues cannot be changed."));
    }
    if world.read().troubles.any_conflict() && world.write().troubles.conflict(issue.id) {
        let words = "The issue was changed by someone else. Try again.";
        return Err(Refusal::Said(StatusCode::CONFLICT, words.into()));
    }
    Ok(issue)
}

/// Entity properties as requests carry them: `[{"key":"..","value":..}]`.
#[derive(serde::Deserialize)]
pub(super) struct Property {
    key: String,
    value: serde_json::Value,
}

/// The same by key.
pub(super) fn by_key(properties: Vec<Property>) -> BTreeMap<String, serde_json::Value> {
    properties.into_iter().map(|property| (property.key, property.value)).collect()
}
