//! An issue's changelog: who changed what, when.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AccountId, HistoryId, RawJson};

/// One entry of a changelog: everything that one person changed at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// Stable within its site.
    pub id: HistoryId,
    /// Absent for changes by Jira itself.
    pub author: Option<AccountId>,
    /// Jira's time.
    pub created_at: DateTime<Utc>,
    /// May be empty: recorded on real sites.
    pub changes: Vec<Change>,
    /// Members that are not listed above, such as `historyMetadata`; absent when there are none.
    pub more: Option<RawJson>,
}

/// One field's change. All values are Jira's texts: ids in `from` and `to`, names in `from_text` and `to_text`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// A display name that may be translated: ask `field_id` first.
    pub field: String,
    /// Absent for links, moves and other things that are no fields.
    pub field_id: Option<String>,
    /// `jira` or `custom`.
    pub field_type: Option<String>,
    /// The old value's id.
    pub from: Option<String>,
    /// The old value's name.
    pub from_text: Option<String>,
    /// The new value's id.
    pub to: Option<String>,
    /// The new value's name.
    pub to_text: Option<String>,
    /// Members that are not listed above, such as `tmpToAccountId`; absent when there are none.
    pub more: Option<RawJson>,
}
