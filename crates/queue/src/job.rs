//! Everything the fleet can be asked to do. The policy of each kind stands in `policy.rs`.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{InstanceId, IssueId, ProjectId, ProjectKey, SprintId};
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
    /// Touch again what was touched soon after a look, and has rested.
    WakeTouched {
        /// Whose issues.
        instance: InstanceId,
    },
    /// Look again at one issue by itself: one that spoiled the batch it was in.
    SyncIssue {
        /// Whose.
        instance: InstanceId,
        /// Which.
        issue: IssueId,
    },
    /// Read one sprint again.
    SyncSprint {
        /// Whose.
        instance: InstanceId,
        /// Which.
        sprint: SprintId,
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
    /// Make sure that the instance's webhook is still registered, and lives.
    KeepWebhook {
        /// Whose.
        instance: InstanceId,
    },
    /// Call the roll of all issues: read the roster of projects, and ask for one chain per project.
    Census {
        /// Whose issues.
        instance: InstanceId,
        /// Only these; empty for all.
        #[serde(default)]
        projects: Vec<ProjectKey>,
        /// What is compared.
        #[serde(default)]
        compared: Compared,
        /// What becomes of a project that would lose half of its issues.
        #[serde(default)]
        losses: Losses,
    },
    /// Take the next step of one project's roll call; the chain ends when it is called and what was missed is marked.
    CensusProject {
        /// Whose issues.
        instance: InstanceId,
        /// Which project.
        project: ProjectId,
        /// Which run of the census.
        run: Uuid,
        /// The turn: how many steps came before.
        page: u64,
        /// What is compared.
        #[serde(default)]
        compared: Compared,
        /// What becomes of the project if it would lose half of its issues.
        #[serde(default)]
        losses: Losses,
    },
    /// Compare some issues, chosen at random, with Jira field by field, and put right what drifted.
    Reconcile {
        /// Whose issues.
        instance: InstanceId,
        /// How many.
        #[serde(default = "a_hundred")]
        sample: u32,
    },
    /// See whether what suspended the instance is gone.
    Revisit {
        /// Which.
        instance: InstanceId,
    },
    /// Refresh the materialized views, of all tenants at once.
    RefreshViews,
    /// Clear away what is no longer of use, of all tenants, and ask for writes to be settled whose end nobody knows.
    Sweep,
    /// Check that one tenant's audit log is what was written, then the next one's; the chain ends after the last tenant.
    VerifyAudit {
        /// The tenant before, by name; absent for the first.
        #[serde(default)]
        after: Option<String>,
        /// The turn: how many tenants came before.
        #[serde(default)]
        page: u64,
    },
    /// Find out in Jira what became of writes whose end nobody knows.
    SettleWrites {
        /// Whose.
        instance: InstanceId,
    },
    /// Do nothing: what an operator, a benchmark or a test asks for to see how the queue itself does.
    Probe {
        /// In whose name, so that pauses hold it, too.
        instance: InstanceId,
        /// Whatever should travel along.
        #[serde(default)]
        note: String,
    },
}

/// What a census compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// Who is there: a request for some thousand issues.
    #[default]
    Ids,
    /// Also when each was updated last: a request more for every thousand.
    Times,
}

/// What becomes of a project that would lose half of its issues or more at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Losses {
    /// Nothing is marked, and an alarm is raised: a permission or an index is more likely than work.
    #[default]
    Hold,
    /// An operator has looked: they are marked like any other.
    Accept,
}

fn a_hundred() -> u32 {
    Job::SAMPLE
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
    /// Changes seen so far that webhooks had told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub told: u64,
    /// Changes seen so far that they had not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untold: u64,
}

/// Whether a count need not be written.
pub(crate) fn is_zero<N: Default + PartialEq>(count: &N) -> bool {
    *count == N::default()
}

impl Job {
    /// The stable name on the wire, in metrics and in `jobs list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SyncTouched { .. } => "sync_touched",
            Self::WakeTouched { .. } => "wake_touched",
            Self::SyncIssue { .. } => "sync_issue",
            Self::SyncSprint { .. } => "sync_sprint",
            Self::SyncDirectory { .. } => "sync_directory",
            Self::Backfill { .. } => "backfill",
            Self::BackfillProject { .. } => "backfill_project",
            Self::PollUpdates { .. } => "poll_updates",
            Self::KeepWebhook { .. } => "keep_webhook",
            Self::Census { .. } => "census",
            Self::CensusProject { .. } => "census_project",
            Self::Reconcile { .. } => "reconcile",
            Self::Revisit { .. } => "revisit",
            Self::RefreshViews => "refresh_views",
            Self::Sweep => "sweep",
            Self::VerifyAudit { .. } => "verify_audit",
            Self::SettleWrites { .. } => "settle_writes",
            Self::Probe { .. } => "probe",
        }
    }

    /// Every kind this process knows. What is not among them was enqueued by a newer one.
    pub const KINDS: [&str; 18] = [
        "sync_touched",
        "wake_touched",
        "sync_issue",
        "sync_sprint",
        "sync_directory",
        "backfill",
        "backfill_project",
        "poll_updates",
        "keep_webhook",
        "census",
        "census_project",
        "reconcile",
        "revisit",
        "refresh_views",
        "sweep",
        "verify_audit",
        "settle_writes",
        "probe",
    ];

    /// How many issues are compared field by field each night.
    pub const SAMPLE: u32 = 100;

    /// On whose behalf; [`FLEET`] for what concerns all.
    pub fn instance(&self) -> InstanceId {
        match self {
            Self::SyncTouched { instance, .. }
            | Self::WakeTouched { instance }
            | Self::SyncIssue { instance, .. }
            | Self::SyncSprint { instance, .. }
            | Self::SyncDirectory { instance }
            | Self::Backfill { instance, .. }
            | Self::BackfillProject { instance, .. }
            | Self::PollUpdates { instance, .. }
            | Self::KeepWebhook { instance }
            | Self::Revisit { instance }
            | Self::SettleWrites { instance }
            | Self::Census { instance, .. }
            | Self::CensusProject { instance, .. }
            | Self::Reconcile { instance, .. }
            | Self::Probe { instance, .. } => *instance,
            Self::RefreshViews | Self::Sweep | Self::VerifyAudit { .. } => FLEET,
        }
    }

    /// How far a chain of pages has come; 0 for jobs that are no chain.
    pub fn turn(&self) -> u64 {
        match self {
            Self::BackfillProject { page, .. } | Self::CensusProject { page, .. } | Self::VerifyAudit { page, .. } => {
                *page
            }
            Self::PollUpdates { page, .. } => page.as_ref().map_or(0, |page| page.number),
            Self::SyncTouched { .. }
            | Self::WakeTouched { .. }
            | Self::SyncIssue { .. }
            | Self::SyncSprint { .. }
            | Self::SyncDirectory { .. }
            | Self::Backfill { .. }
            | Self::KeepWebhook { .. }
            | Self::Revisit { .. }
            | Self::Census { .. }
            | Self::Reconcile { .. }
            | Self::RefreshViews
            | Self::Sweep
            | Self::SettleWrites { .. }
            | Self::Probe { .. } => 0,
        }
    }
}
