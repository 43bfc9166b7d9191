//! The order of an answer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What to sort by, and which way. Issues that are equal in it follow by their ids, the same way; those without a value
/// come last either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// By what.
    pub by: SortKey,
    /// Which way.
    #[serde(default)]
    pub direction: Direction,
}

/// What an answer can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortKey {
    /// The last change.
    Updated,
    /// When it was made.
    Created,
    /// When it was resolved.
    Resolved,
    /// When it is due.
    Due,
    /// The project's key, then the number.
    Key,
    /// Jira's number of the issue.
    Id,
    /// By Jira's number of the priority: a lower one is more important, unless the site was rearranged.
    Priority,
}

/// Which way to sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Oldest, least or least important first.
    #[default]
    #[serde(rename = "asc")]
    Ascending,
    /// Newest, greatest or most important first.
    #[serde(rename = "desc")]
    Descending,
}

/// What changed last comes first.
impl Default for Sort {
    fn default() -> Self {
        Self { by: SortKey::Updated, direction: Direction::Descending }
    }
}

/// As JQL says it.
impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.by.name(), self.direction.name())
    }
}

impl SortKey {
    /// Its name in JQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Created => "created",
            Self::Resolved => "resolved",
            Self::Due => "due",
            Self::Key => "key",
            Self::Id => "id",
            Self::Priority => "priority",
        }
    }
}

impl Direction {
    /// Its name in JQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}
