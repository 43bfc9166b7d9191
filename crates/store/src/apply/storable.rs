//! What PostgreSQL would refuse, told by the name of the field before it is asked. What is not known here PostgreSQL
//! refuses itself, without a name.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use domain::{Invalid, IssueSnapshot};

/// The years that PostgreSQL can hold as a time, from its side of the year zero on.
const YEARS: std::ops::RangeInclusive<i32> = -4712..=294_275;

/// What an index takes, whatever can be saved by compressing it.
const INDEXED: usize = 2_000;

pub(super) fn must_be_storable(snapshot: &IssueSnapshot) -> Result<(), Invalid> {
    let issue = &snapshot.issue;
    let refuse = |field: &str, why: &str| Err(Invalid::new(format!("{field} of issue {}", issue.id), why));
    if let Some((field, _)) = times(snapshot).find(|(_, time)| storable_time(*time).is_none()) {
        return refuse(field, "is no time that PostgreSQL can hold");
    }
    if issue.due_on.is_some_and(|day: NaiveDate| !YEARS.contains(&day.year())) {
        return refuse("the due date", "is no day that PostgreSQL can hold");
    }
    match indexed(snapshot).find(|(_, text)| text.len() > INDEXED) {
        Some((field, _)) => refuse(field, "is longer than the 2,000 bytes that an index takes"),
        None => Ok(()),
    }
}

/// The time, if PostgreSQL can hold it.
pub(super) fn storable_time(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    YEARS.contains(&time.year()).then_some(time)
}

fn times(snapshot: &IssueSnapshot) -> impl Iterator<Item = (&'static str, DateTime<Utc>)> {
    let issue = &snapshot.issue;
    let own = [("the time of creation", issue.created_at), ("the time of update", issue.updated_at)];
    let resolved = issue.resolved_at.map(|time| ("the time of resolution", time));
    let comments = snapshot.comments.iter().flat_map(|comment| {
        [("the time of a comment", comment.created_at), ("the time of a comment's update", comment.updated_at)]
    });
    let changes = snapshot.changelog.iter().map(|history| ("the time of a change", history.created_at));
    own.into_iter().chain(resolved).chain(comments).chain(changes)
}

fn indexed(snapshot: &IssueSnapshot) -> impl Iterator<Item = (&'static str, &str)> {
    let labels = snapshot.issue.labels.iter().map(|label| ("a label", label.as_str()));
    let people = snapshot.people.iter().map(|user| ("the account of a person", user.account.0.as_str()));
    labels.chain(people)
}
