//! In what order matches come, and where in that order an issue stands.

use std::cmp::Ordering;

use super::Complaint;
use crate::world::issue::Issue;

/// The fields of an ORDER BY; ties are settled by id, so every order is total.
#[derive(Debug)]
pub(crate) struct Order(Vec<(By, Direction)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// `id`, `key` and their aliases: the project's key, then the number.
    Key,
    Created,
    Updated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// What orders compare: taken from an issue, or from a page token.
pub(crate) struct Place<'a> {
    id: u64,
    project: &'a str,
    number: u64,
    created: i64,
    updated: i64,
}

impl<'a> Place<'a> {
    pub(crate) fn new(id: u64, key: &'a str, created: i64, updated: i64) -> Self {
        let (project, number) = key.rsplit_once('-').unwrap_or((key, "0"));
        Self { id, project, number: number.parse().unwrap_or(0), created, updated }
    }
}

impl<'a> From<&'a Issue> for Place<'a> {
    fn from(issue: &'a Issue) -> Self {
        Self::new(issue.id, &issue.key, issue.created.timestamp_millis(), issue.updated.timestamp_millis())
    }
}

impl Order {
    pub(super) fn empty() -> Self {
        Self(Vec::new())
    }

    /// What Jira does without ORDER BY.
    pub(super) fn newest_first() -> Self {
        Self(vec![(By::Created, Direction::Descending)])
    }

    /// Adds a field; Jira takes at most seven.
    pub(super) fn then(&mut self, name: &str, direction: Direction) -> Result<(), Complaint> {
        let by = match name.to_ascii_lowercase().as_str() {
            "id" | "key" | "issue" | "issuekey" => By::Key,
            "created" | "createddate" => By::Created,
            "updated" | "updateddate" => By::Updated,
            _ => return Err(format!("Not able to sort using field '{name}'.")),
        };
        if self.0.len() == 7 {
            return Err("The maximum number of fields in the ORDER BY clause is 7.".into());
        }
        self.0.push((by, direction));
        Ok(())
    }

    /// The direction, if this order follows the ids: they ascend strictly with creation.
    pub(crate) fn along_ids(&self) -> Option<Direction> {
        self.0.first().filter(|(by, _)| *by == By::Created).map(|(_, direction)| *direction)
    }

    pub(crate) fn compare(&self, issue: &Issue, other: &Place<'_>) -> Ordering {
        let place = Place::from(issue);
        let fields = self.0.iter().map(|(by, direction)| {
            let order = match by {
                By::Key => (place.project, place.number).cmp(&(other.project, other.number)),
                By::Created => place.created.cmp(&other.created),
                By::Updated => place.updated.cmp(&other.updated),
            };
            if *direction == Direction::Descending { order.reverse() } else { order }
        });
        fields.fold(Ordering::Equal, Ordering::then).then(place.id.cmp(&other.id))
    }
}
