//! Sprints.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::SprintId;

/// A sprint. It belongs to a board and not to a project: issues of many projects may share it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sprint {
    /// Jira's number.
    pub id: SprintId,
    /// Its name.
    pub name: String,
    /// `future`, `active` or `closed`.
    pub state: String,
    /// The board it was made on.
    pub board: Option<i64>,
    /// What it is for.
    pub goal: Option<String>,
    /// When it begins; future ones may not know.
    pub starts_at: Option<DateTime<Utc>>,
    /// When it should end.
    pub ends_at: Option<DateTime<Utc>>,
    /// When it was closed.
    pub completed_at: Option<DateTime<Utc>>,
}
