//! The catalogue: where each kind waits, when asking twice is asking once, how often it is tried and for how long.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Error, Job, Unique};

/// A named waiting line with workers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueName {
    /// What somebody waits for: edits and polls.
    Live,
    /// What takes long: backfills and directories.
    Bulk,
    /// What keeps the house in order.
    Upkeep,
}

impl QueueName {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Live, Self::Bulk, Self::Upkeep];

    /// The name in keys, flags and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bulk => "bulk",
            Self::Upkeep => "upkeep",
        }
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for QueueName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|queue| queue.as_str() == text);
        found.ok_or_else(|| Error::Misconfigured(format!("no queue is called {text:?}: take live, bulk or upkeep")))
    }
}

/// How one job is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where it waits.
    pub queue: QueueName,
    /// When asking for it again is the same request.
    pub unique: Unique,
    /// Runs that may fail before it goes to the dead letters.
    pub attempts: u32,
    /// How long one run may take.
    pub limit: Duration,
}

impl Job {
    /// The one place where kinds and their treatment meet.
    #[rustfmt::skip]
    pub fn policy(&self) -> Policy {
        use {Job::*, QueueName::*};
        match self {
            //                                         waits in  asked for once while ..                                  attempts  limit
            SyncTouched { instance, lane }             => on(Live, Unique::pending(self, (instance, lane)),                      4, secs(60)),
            WakeTouched { instance }                   => on(Live, Unique::pending(self, (instance, "all")),                     4, secs(60)),
            SyncIssue { instance, issue }              => on(Upkeep, Unique::unfinished(self, (instance, issue)),                4, secs(60)),
            SyncSprint { instance, sprint }            => on(Live, Unique::pending(self, (instance, sprint)),                    4, secs(60)),
            SyncDirectory { instance }                 => on(Bulk, Unique::pending(self, (instance, "all")),                     4, mins(5)),
            Backfill { instance, .. }                  => on(Bulk, Unique::unfinished(self, (instance, "all")),                  4, mins(5)),
            BackfillProject { instance, project, .. }  => on(Bulk, Unique::unfinished(self, (instance, project)),                4, mins(5)),
            PollUpdates { instance, .. }               => on(Live, Unique::unfinished(self, (instance, "all")),                  4, mins(5)),
            KeepWebhook { instance }                   => on(Upkeep, Unique::pending(self, (instance, "all")),                   4, mins(5)),
            Census { instance, .. }                    => on(Upkeep, Unique::unfinished(self, (instance, "all")),                4, mins(5)),
            CensusProject { instance, project, .. }    => on(Upkeep, Unique::unfinished(self, (instance, project)),              4, mins(5)),
            Reconcile { instance, .. }                 => on(Upkeep, Unique::unfinished(self, (instance, "all")),                4, mins(5)),
            Revisit { instance }                       => on(Upkeep, Unique::pending(self, (instance, "all")),                   4, mins(5)),
            RefreshViews                               => on(Upkeep, Unique::unfinished(self, ("fleet", "all")),                 4, mins(5)),
            Sweep                                      => on(Upkeep, Unique::unfinished(self, ("fleet", "all")),                 4, mins(5)),
            VerifyAudit { .. }                         => on(Upkeep, Unique::unfinished(self, ("fleet", "all")),                 4, mins(30)),
            SettleWrites { instance }                  => on(Upkeep, Unique::unfinished(self, (instance, "all")),                4, mins(5)),
            Probe { .. }                               => on(Bulk, Unique::Never,                                                4, mins(5)),
        }
    }
}

fn on(queue: QueueName, unique: Unique, attempts: u32, limit: Duration) -> Policy {
    Policy { queue, unique, attempts, limit }
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn mins(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lane;
    use domain::{InstanceId, IssueId, ProjectId};

    #[test]
    fn touched_issues_are_asked_for_while_pending_and_backfills_until_their_end() {
        let (instance, lane) = (InstanceId::generate(), Lane::of(IssueId(7)));
        let touched = Job::SyncTouched { instance, lane }.policy();
        assert_eq!(touched.queue, QueueName::Live);
        assert_eq!(touched.unique, Unique::Pending(format!("sync_touched:{instance}:{lane}")));
        assert_eq!((touched.attempts, touched.limit), (4, Duration::from_secs(60)));

        let page = |page| Job::BackfillProject { instance, project: ProjectId(9), run: uuid::Uuid::nil(), page };
        assert_eq!(page(3).policy().unique, Unique::Unfinished(format!("backfill_project:{instance}:9")));
        assert_eq!(page(3).policy(), page(4).policy(), "pages of one chain share one key");
        assert_eq!(page(3).policy().queue, QueueName::Bulk);
        assert_eq!(page(4).turn(), 4);
    }

    #[test]
    fn queues_are_found_by_their_names() {
        for queue in QueueName::ALL {
            assert_eq!(queue.as_str().parse::<QueueName>().expect("its own name"), queue);
        }
        assert!("fast".parse::<QueueName>().is_err());
    }
}
