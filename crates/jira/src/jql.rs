//! Questions to the search, built from typed parts: ids and instants only, so nothing needs quoting.
//!
//! Instants are written as epoch milliseconds. Written dates would be read in the service account's own time zone.

use std::fmt::Write;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::ProjectId;

use crate::Mark;

/// A search in JQL, always restricted: Jira refuses one that is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jql(String);

impl Jql {
    /// All issues of a project.
    pub(crate) fn project(project: ProjectId) -> Self {
        Self(format!("project = {project}"))
    }

    /// All issues that were updated then or later. No upper end: issues that are touched often would never be read.
    pub(crate) fn updated_since(from: DateTime<Utc>) -> Self {
        Self(format!("updated >= {}", from.timestamp_millis()))
    }

    /// Only those created on this day or later, the day taken in UTC.
    pub(crate) fn created_since(mut self, day: NaiveDate) -> Self {
        let from = day.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
        // Writing to a String cannot fail.
        let _ = write!(self.0, " AND created >= {from}");
        self
    }

    /// Only those that carry an operation's mark as a label. It holds nothing that would need quoting.
    pub(crate) fn labelled(mut self, mark: &Mark) -> Self {
        let _ = write!(self.0, " AND labels = \"{}\"", mark.label());
        self
    }

    /// Oldest first by this field; the key settles ties, so that pages do not shift.
    pub(crate) fn oldest_first(self, field: OrderBy) -> String {
        format!("{} ORDER BY {} ASC, key ASC", self.0, field.name())
    }

    /// Without an order, for counting.
    pub(crate) fn unordered(self) -> String {
        self.0
    }
}

/// What a listing is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderBy {
    /// Never changes: pages keep their place while people work.
    Created,
    /// An issue that changes moves to the end and is seen twice, never missed.
    Updated,
}

impl OrderBy {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_bounded_and_ordered() {
        let day = NaiveDate::from_ymd_opt(2024, 1, 1).expect("a day");
        let jql = Jql::project(ProjectId(10000)).created_since(day).oldest_first(OrderBy::Created);
        assert_eq!(jql, "project = 10000 AND created >= 1704067200000 ORDER BY created ASC, key ASC");
    }

    #[test]
    fn marks_are_searched_for_as_labels() {
        let jql = Jql::project(ProjectId(1)).labelled(&Mark::new("01J").expect("a mark")).unordered();
        assert_eq!(jql, "project = 1 AND labels = \"op-01J\"");
    }

    #[test]
    fn instants_keep_their_milliseconds() {
        let from = DateTime::from_timestamp_millis(1_732_877_091_123).expect("in range");
        let jql = Jql::updated_since(from).oldest_first(OrderBy::Updated);
        assert_eq!(jql, "updated >= 1732877091123 ORDER BY updated ASC, key ASC");
    }
}
