//! One issue, its changelog and its comments, page by page.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};
use serde::Serialize;

use super::Caller;
use super::answer::{self, Answer, Refusal};
use super::params::{Params, slice};
use crate::world::World;
use crate::world::issue::Issue;
use crate::world::people::Shape;
use crate::world::view::fields::Selection;
use crate::world::view::parts::{Clock, CommentView, HistoryView, comments as views};
use crate::world::view::{Extent, IssueView, Lens};

/// The most changelog entries and comments a page of their own holds, and GET issue embeds.
const PAGE: usize = 100;

pub(super) async fn get(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let params = Params::of(&uri);
    let issue = find(&world, caller, &id)?;
    if world.door.is_poisoned(std::iter::once(issue.id)) {
        return Err(Refusal::broken(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let site = world.read();
    let fields = Selection::parse(&params.list("fields"), "*all");
    let histories = params.names("expand", "changelog").then_some(PAGE);
    let extent = Extent { fields: &fields, comments: world.config().embedded_comment_cap, histories };
    answer::ok(&IssueView { lens: Lens::new(&site, world.config(), Shape::V3), issue: &issue, extent: &extent })
}

/// A page as most of Jira's lists come.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    #[serde(rename = "self")]
    link: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page: Option<String>,
    start_at: usize,
    max_results: usize,
    total: usize,
    is_last: bool,
    values: Vec<T>,
}

/// Oldest first.
pub(super) async fn changelog(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let issue = find(&world, caller, &id)?;
    let (start, most) = Params::of(&uri).page(PAGE, PAGE)?;
    let site = world.read();
    let lens = Lens::new(&site, world.config(), Shape::V3);
    let shown = slice(&issue.histories, start, most);
    let is_last = start.saturating_add(shown.len()) >= issue.histories.len();
    let at =
        |start: usize| format!("{}/issue/{}/changelog?startAt={start}&maxResults={most}", lens.deck.base, issue.id);
    answer::ok(&Page {
        link: at(start),
        next_page: (!is_last).then(|| at(start + shown.len())),
        start_at: start,
        max_results: most,
        total: issue.histories.len(),
        is_last,
        values: shown.iter().map(|history| HistoryView { lens, history, clock: Clock::Text }).collect(),
    })
}

pub(super) async fn comments(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Comments<'a> {
        start_at: usize,
        max_results: usize,
        total: usize,
        comments: Vec<CommentView<'a>>,
    }
    let (issue, params) = (find(&world, caller, &id)?, Params::of(&uri));
    let (start_at, max_results) = params.page(PAGE, PAGE)?;
    let mut sorted = issue.comments.clone();
    match params.one("orderBy") {
        None | Some("created" | "+created") => {}
        Some("-created") => sorted.reverse(),
        Some(_) => return Err(Refusal::bad("Comments can only be ordered by created.")),
    }
    let site = world.read();
    let lens = Lens::new(&site, world.config(), Shape::V3);
    let comments = views(lens, &issue, slice(&sorted, start_at, max_results));
    answer::ok(&Comments { start_at, max_results, total: sorted.len(), comments })
}

fn find(world: &World, caller: Caller, id: &str) -> Result<Arc<Issue>, Refusal> {
    let seen = (caller == Caller::Account).then(|| world.read().visible(id).cloned());
    seen.flatten().ok_or_else(Refusal::no_issue)
}
