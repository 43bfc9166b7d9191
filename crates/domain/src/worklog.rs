//! Time that people wrote down.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{AccountId, RawJson, WorklogId};

/// One entry of the time spent on an issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worklog {
    /// Stable.
    pub id: WorklogId,
    /// Who worked; absent for people Jira no longer names.
    pub author: Option<AccountId>,
    /// Who changed the entry last.
    pub update_author: Option<AccountId>,
    /// When the work began.
    pub started_at: Option<DateTime<Utc>>,
    /// How long it took, in seconds.
    pub seconds: i64,
    /// What was done: an ADF document.
    pub comment: Option<RawJson>,
    /// Group or role that may see it; absent when everybody may.
    pub visibility: Option<RawJson>,
    /// When it was written down.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: Option<DateTime<Utc>>,
}
