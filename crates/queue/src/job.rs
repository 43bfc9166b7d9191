//! Everything the fleet can be asked to do. The policy of each kind stands in `policy.rs`.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{InstanceId, IssueId, ProjectId, ProjectKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Lane;

/// Everything the fleet can be asked to do.
///
/// A wire format: a process of yesterday reads what a process of today wrote, and the other way round. Fields are added
/// with a default, kinds are renamed with an alias over two deploys, and `tests/golden/jobs.json` holds one of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Job {
    /// Look again at up to a hundred issues that were touched: by a webhook, by the poll, by an operator.
    SyncTouched {
        /// Whose issues.
        instance: InstanceId,
        /// Which share of the touched set.
        lane: Lane,
    },
    /// Look again at one issue by itself: one that spoiled the batch it was in.
    SyncIssue {
        /// Whose.
        instance: InstanceId,
        /// Which.
        issue: IssueId,
    },
    /// Read projects, users and fields again.
    SyncDirectory {
        /// Whose.
        instance: InstanceId,
    },
    /// Plan a copy of everything, and ask for one chain per project.
    Backfill {
        /// Whose issues.
        instance: InstanceId,
        /// Only these; empty for all.
        #[serde(default)]
        projects: Vec<ProjectKey>,
        /// Only what was created since.
        #[serde(default)]
        since: Option<NaiveDate>,
    },
    /// Copy the next page of one project; the chain ends when all pages are copied.
    BackfillProject {
        /// Whose issues.
        instance: InstanceId,
        /// Which project.
        project: ProjectId,
        /// Which run of the backfill.
        run: Uuid,
        /// The turn: how many pages came before.
        page: u64,
    },
    /// Read what was updated since the watermark, one page per job.
    PollUpdates {
        /// Whose issues.
        instance: InstanceId,
        /// Absent on the first page.
        #[serde(default)]
        page: Option<PollPage>,
    },
    /// Refresh the materialized views, of all tenants at once.
    RefreshViews,
    /// Do nothing: what an operator, a benchmark or a test asks for to see how the queue itself does.
    Probe {
        /// In whose name, so that pauses hold it, too.
        instance: InstanceId,
        /// Whatever should travel along.
        #[serde(default)]
        note: String,
    },
}

/// On whose behalf the fleet works for itself. To the queue it is an instance like any other: it has its share, its line,
/// and can be paused.
pub const FLEET: InstanceId = InstanceId(Uuid::nil());

/// Where a reading of updates stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollPage {
    /// When the reading began: what the watermark becomes when it is complete.
    pub began: DateTime<Utc>,
    /// Jira's token of the next page.
    pub token: String,
    /// The turn: how many pages came before.
    pub number: u64,
}

impl Job {
    /// The stable name on the wire, in metrics and in `jobs list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SyncTouched { .. } => "sync_touched",
            Self::SyncIssue { .. } => "sync_issue",
            Self::SyncDirectory { .. } => "sync_directory",
            Self::Backfill { .. } => "backfill",
            Self::BackfillProject { .. } => "backfill_project",
            Self::PollUpdates { .. } => "poll_updates",
            Self::RefreshViews => "refresh_views",
            Self::Probe { .. } => "probe",
        }
    }

    /// Every kind this process knows. What is not among them was enqueued by a newer one.
    pub const KINDS: [&str; 8] = [
        "sync_touched",
        "sync_issue",
        "sync_directory",
        "backfill",
        "backfill_project",
        "poll_updates",
        "refresh_views",
        "probe",
    ];

    /// On whose behalf; [`FLEET`] for what concerns all.
    pub fn instance(&self) -> InstanceId {
        match self {
            Self::SyncTouched { instance, .. }
            | Self::SyncIssue { instance, .. }
            | Self::SyncDirectory { instance }
            | Self::Backfill { instance, .. }
            | Self::BackfillProject { instance, .. }
            | Self::PollUpdates { instance, .. }
            | Self::Probe { instance, .. } => *instance,
            Self::RefreshViews => FLEET,
        }
    }

    /// How far a chain of pages has come; 0 for jobs that are no chain.
    pub fn turn(&self) -> u64 {
        match self {
            Self::BackfillProject { page, .. } => *page,
            Self::PollUpdates { page, .. } => page.as_ref().map_or(0, |page| page.number),
            Self::SyncTouched { .. }
            | Self::SyncIssue { .. }
            | Self::SyncDirectory { .. }
            | Self::Backfill { .. }
            | Self::RefreshViews
            | Self::Probe { .. } => 0,
        }
    }
}
