//! Boards and sprints of the Agile API; its times end in `Z`, its page objects have no links.

use axum::extract::{Extension, Path, State};
use axum::http::Uri;
use serde_json::{Value, json};

use super::Caller;
use super::answer::{self, Answer, Asking, Refusal, Site};
use super::params::{Params, slice};
use crate::world::State as Store;
use crate::world::boards::{KANBAN, Sprint, board_json};
use crate::world::people::Project;

pub(super) async fn boards(State(world): Site, Extension(caller): Asking, uri: Uri) -> Answer {
    let params = Params::of(&uri);
    let part = params.page(50, 50)?;
    let (site, host) = (world.read(), world.config().origin());
    let wanted = params.one("projectKeyOrId").map(|id| site.readable_project(id));
    let mut all: Vec<(usize, usize, &str)> =
        (0..site.projects.len()).map(|place| (place + 1, place, "scrum")).collect();
    all.push((KANBAN, 0, "kanban"));
    all.retain(|(_, place, kind)| {
        caller == Caller::Account
            && site.projects[*place].is_readable()
            && wanted.is_none_or(|wanted| wanted == Some(*place))
            && params.one("type").is_none_or(|wanted| wanted.split(',').any(|it| it == *kind))
    });
    let shown = slice(&all, part.0, part.1).iter();
    let values: Vec<Value> =
        shown.map(|(id, place, kind)| board_json(&host, *id, kind, &site.projects[*place])).collect();
    answer::ok(&page(part, all.len(), &values))
}

pub(super) async fn sprints(
    State(world): Site,
    Extension(caller): Asking,
    Path(board): Path<String>,
    uri: Uri,
) -> Answer {
    let params = Params::of(&uri);
    let (part, states) = (params.page(50, 50)?, params.list("state"));
    let (site, host) = (world.read(), world.config().origin());
    let place = scrum_board(&site, caller, &board)?;
    let mut all = Sprint::all_of(place);
    all.retain(|sprint| states.is_empty() || states.iter().any(|state| state == sprint.state));
    let values: Vec<Value> = slice(&all, part.0, part.1).iter().map(|sprint| sprint.agile(&host)).collect();
    answer::ok(&page(part, all.len(), &values))
}

pub(super) async fn sprint(State(world): Site, Extension(caller): Asking, Path(id): Path<String>) -> Answer {
    let site = world.read();
    let id = id.parse().ok().filter(|id| {
        let place = usize::try_from(id / 10).unwrap_or(usize::MAX);
        let readable = site.projects.get(place).is_some_and(Project::is_readable);
        caller == Caller::Account && readable && Sprint::exists(*id, site.projects.len())
    });
    let id: u32 = id.ok_or_else(|| Refusal::not_found("Sprint does not exist."))?;
    answer::ok(&Sprint::of(id).agile(&world.config().origin()))
}

/// The place of the project of a board that has sprints.
fn scrum_board(site: &Store, caller: Caller, board: &str) -> Result<usize, Refusal> {
    let id: Option<usize> = board.parse().ok();
    let place = if id == Some(KANBAN) { Some(0) } else { id.and_then(|id| id.checked_sub(1)) };
    let readable = |place: &usize| site.projects.get(*place).is_some_and(Project::is_readable);
    let place = place.filter(|place| caller == Caller::Account && readable(place));
    let place = place.ok_or_else(|| {
        Refusal::not_found(
            "Requested board cannot be viewed because it either does not exist or you do not have permission to view \
             it.",
        )
    })?;
    if id == Some(KANBAN) { Err(Refusal::bad("The board does not support sprints")) } else { Ok(place) }
}

fn page((start, most): (usize, usize), total: usize, values: &[Value]) -> Value {
    let is_last = start.saturating_add(values.len()) >= total;
    json!({"maxResults": most, "startAt": start, "total": total, "isLast": is_last, "values": values})
}
