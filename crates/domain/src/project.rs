//! Projects.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AccountId, ProjectId, ProjectKey, RawJson};

/// One project of a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Stable.
    pub id: ProjectId,
    /// Changes when an administrator says so.
    pub key: ProjectKey,
    /// Its name.
    pub name: String,
    /// Such as `software`.
    pub project_type: Option<String>,
    /// Whether it is alive, archived or in the trash.
    pub lifecycle: Lifecycle,
    /// Who leads it.
    pub lead: Option<AccountId>,
    /// How many issues Jira thinks it has; not exact, and not always told.
    pub issue_count: Option<u64>,
    /// As Jira said it.
    pub raw: RawJson,
}

/// What has become of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// In use.
    Live,
    /// Read-only, and left out of searches.
    Archived,
    /// In the trash.
    Deleted,
    /// No longer shown to us: our account may not browse it any more, or its time in the trash is over.
    Unlisted,
}

impl Lifecycle {
    /// Its stable name in the database, and Jira's `status` parameter for the three that it knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Archived => "archived",
            Self::Deleted => "deleted",
            Self::Unlisted => "unlisted",
        }
    }
}
