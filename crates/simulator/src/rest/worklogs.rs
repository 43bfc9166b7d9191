//! Worklogs: those of one issue, written and read, and the feeds that tell which changed anywhere.

use std::collections::HashSet;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Caller;
use super::answer::{self, Answer, Asking, Author, Refusal, Site};
use super::comments::{text, too_long};
use super::issue::{find, find_to_change};
use super::params::{Params, slice};
use crate::world::World;
use crate::world::edits::{EditError, Time};
use crate::world::issue::Worklog;
use crate::world::people::Shape;
use crate::world::view::Lens;
use crate::world::view::parts::WorklogView;

/// Entries of a page of the feeds; more only when they happened in the same millisecond.
const FEED_PAGE: usize = 1000;

pub(super) async fn list(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Worklogs<'a> {
        start_at: usize,
        max_results: usize,
        total: usize,
        worklogs: Vec<WorklogView<'a>>,
    }
    let (issue, params) = (find(&world, caller, &id)?, Params::of(&uri));
    let (start_at, max_results) = params.page(5000, 5000)?;
    let after = params.number("startedAfter")?.unwrap_or(i64::MIN);
    let before = params.number("startedBefore")?.unwrap_or(i64::MAX);
    let started = |worklog: &&Worklog| (after..before).contains(&worklog.started.timestamp_millis());
    let all: Vec<&Worklog> = issue.worklogs.iter().filter(started).collect();
    let site = world.read();
    let lens = Lens::new(&site, world.config(), shape);
    let shown = slice(&all, start_at, max_results).iter();
    let worklogs = shown.map(|worklog| WorklogView { lens, issue: issue.id, worklog }).collect();
    answer::ok(&Worklogs { start_at, max_results, total: all.len(), worklogs })
}

pub(super) async fn get(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path((id, worklog)): Path<(String, String)>,
) -> Answer {
    answer::ok(&show((&world, shape, caller), &id, number(&worklog)?)?)
}

fn show((world, shape, caller): (&World, Shape, Caller), id: &str, worklog: u64) -> Result<Value, Refusal> {
    let issue = find(world, caller, id)?;
    let site = world.read();
    let lens = Lens::new(&site, world.config(), shape);
    let found = issue.worklogs.iter().find(|it| it.id == worklog).ok_or(EditError::NoSuchWorklog(worklog))?;
    Ok(serde_json::to_value(WorklogView { lens, issue: issue.id, worklog: found }).unwrap_or_default())
}

/// Worklogs by their ids, as a bare array; those the caller cannot see are missing.
pub(super) async fn by_ids(State(world): Site, shape: Shape, Extension(caller): Asking, bytes: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ask {
        ids: HashSet<u64>,
    }
    let Ask { ids } = answer::body(&bytes)?;
    if ids.len() > 1000 {
        return Err(Refusal::bad("The number of worklog ids must not exceed 1000."));
    }
    let site = world.read();
    let lens = Lens::new(&site, world.config(), shape);
    let seen = site.issues.values().filter(|issue| caller == Caller::Account && site.sees(issue));
    let all = seen.flat_map(|issue| issue.worklogs.iter().map(|worklog| (issue.id, worklog)));
    let asked = all.filter(|(_, worklog)| ids.contains(&worklog.id));
    let views: Vec<_> = asked.map(|(issue, worklog)| WorklogView { lens, issue, worklog }).collect();
    answer::ok(&views)
}

pub(super) async fn updated(State(world): Site, shape: Shape, Extension(caller): Asking, uri: Uri) -> Answer {
    let site = world.read();
    let seen = site.issues.values().filter(|issue| caller == Caller::Account && site.sees(issue));
    let all = seen.flat_map(|issue| issue.worklogs.iter());
    let all = all.map(|worklog| (worklog.updated, worklog.id)).collect();
    feed((&world, shape), &Params::of(&uri), "updated", all)
}

pub(super) async fn deleted(State(world): Site, shape: Shape, Extension(caller): Asking, uri: Uri) -> Answer {
    let site = world.read();
    let all = if caller == Caller::Account { site.deleted_worklogs.clone() } else { Vec::new() };
    feed((&world, shape), &Params::of(&uri), "deleted", all)
}

/// What happened after `since`, oldest first, without the last minute before the request.
fn feed((world, shape): (&World, Shape), params: &Params, what: &str, mut all: Vec<(DateTime<Utc>, u64)>) -> Answer {
    let since = params.number("since")?.unwrap_or(0);
    let until = world.now() - TimeDelta::minutes(1);
    all.retain(|(at, _)| at.timestamp_millis() > since && *at <= until);
    all.sort_unstable();
    let full = all.get(FEED_PAGE - 1).map(|(at, _)| *at);
    let end = full.map_or(all.len(), |last| all.partition_point(|(at, _)| *at <= last));
    let last_page = end == all.len();
    let until = all.get(end.saturating_sub(1)).map_or(since, |(at, _)| at.timestamp_millis());
    let values: Vec<Value> = all[..end].iter().map(|(at, id)| entry(*at, *id)).collect();
    let base = format!("{}/worklog/{what}?since=", shape.base(&world.config().origin()));
    let mut page = json!({
        "values": values, "since": since, "until": until, "self": format!("{base}{since}"), "lastPage": last_page,
    });
    if let (false, Some(page)) = (last_page, page.as_object_mut()) {
        page.insert("nextPage".into(), json!(format!("{base}{until}")));
    }
    answer::ok(&page)
}

fn entry(at: DateTime<Utc>, worklog: u64) -> Value {
    json!({"worklogId": worklog, "updatedTime": at.timestamp_millis(), "properties": []})
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    time_spent_seconds: Option<u64>,
    time_spent: Option<String>,
    started: Option<String>,
    comment: Option<Value>,
}

impl Written {
    fn read(&self, shape: Shape, most: usize) -> Result<Time, Refusal> {
        let started = self.started.as_deref().map(|at| DateTime::parse_from_str(at, "%Y-%m-%dT%H:%M:%S%.3f%z"));
        let started = started
            .transpose()
            .map_err(|_| Refusal::field("started", "Date format is incorrect: expected yyyy-MM-ddTHH:mm:ss.SSSZ."))?;
        let comment = self.comment.as_ref().map(|body| {
            text(body, shape, most).map_err(|words| {
                let worklog = if words == too_long(most) { words } else { "Worklog comment is not valid!".into() };
                Refusal::field("comment", worklog)
            })
        });
        let spent = self
            .time_spent
            .as_deref()
            .map(|spent| seconds(spent).ok_or_else(|| Refusal::field("timeLogged", "Invalid time duration entered")));
        let seconds = self.time_spent_seconds.or(spent.transpose()?);
        Ok(Time { seconds, started: started.map(|at| at.to_utc()), comment: comment.transpose()? })
    }
}

/// `3h 20m`, in working days of eight hours.
fn seconds(spent: &str) -> Option<u64> {
    let part = |part: &str| {
        let number: u64 = part.get(..part.len().checked_sub(1)?)?.parse().ok()?;
        let unit = match part.chars().last()? {
            'm' => 60,
            'h' => 3600,
            'd' => 8 * 3600,
            'w' => 5 * 8 * 3600,
            _ => return None,
        };
        number.checked_mul(unit)
    };
    let parts: Option<Vec<u64>> = spent.split_whitespace().map(part).collect();
    parts.filter(|parts| !parts.is_empty())?.into_iter().try_fold(0, u64::checked_add)
}

pub(super) async fn add(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer {
    let issue = find_to_change(&world, caller, &id)?.id.to_string();
    let time = answer::body::<Written>(&bytes)?.read(shape, world.config().issue_limits.text)?;
    if time.seconds.unwrap_or(0) == 0 {
        return Err(Refusal::field("timeLogged", "You must indicate the time spent working."));
    }
    let worklog = world.log_work_as(by, &issue, time)?;
    answer::created(&show((&world, shape, caller), &issue, worklog)?)
}

pub(super) async fn edit(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    Path((id, worklog)): Path<(String, String)>,
    bytes: Bytes,
) -> Answer {
    let (issue, worklog) = (find_to_change(&world, caller, &id)?.id.to_string(), number(&worklog)?);
    let time = answer::body::<Written>(&bytes)?.read(shape, world.config().issue_limits.text)?;
    world.edit_worklog_as(by, &issue, worklog, time)?;
    answer::ok(&show((&world, shape, caller), &issue, worklog)?)
}

pub(super) async fn delete(
    State(world): Site,
    Extension(caller): Asking,
    Author(by): Author,
    Path((id, worklog)): Path<(String, String)>,
) -> Answer {
    let issue = find_to_change(&world, caller, &id)?.id.to_string();
    world.delete_worklog_as(by, &issue, number(&worklog)?)?;
    answer::empty(StatusCode::NO_CONTENT)
}

fn number(id: &str) -> Result<u64, Refusal> {
    id.parse().map_err(|_| Refusal::not_found(format!("Cannot find worklog with id: '{id}'.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_working_days() {
        assert_eq!(seconds("3h 20m"), Some(12_000));
        assert_eq!(seconds("1w 1d"), Some(6 * 8 * 3600));
        for wrong in ["", "3", "h", "3x", "ü", "-1h", "99999999999999999999w"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
