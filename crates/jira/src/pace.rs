//! How often one issue is written to: Jira takes 20 writes in 2 s and 100 in 30 s, whatever else it is asked.
//!
//! Kept in this process only: writes to one issue rarely come from two, and a 429 tells if they do.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::IssueId;
use tokio::time::Instant;

use crate::{Error, retry::LONGEST_WAIT};

/// How many writes one issue takes in how long.
const LIMITS: [(usize, Duration); 2] = [(20, Duration::from_secs(2)), (100, Duration::from_secs(30))];

/// The longest window: what is older is forgotten.
const MEMORY: Duration = Duration::from_secs(30);

/// With more issues than this, those that are at rest are forgotten.
const MANY: usize = 1000;

/// The recent writes of this process, by issue.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<HashMap<IssueId, Recent>>);

#[derive(Debug, Default)]
struct Recent {
    /// The oldest first.
    writes: VecDeque<Instant>,
    paused_until: Option<Instant>,
}

impl Pace {
    /// Returns when the issue takes one more write, which is counted. Waits a few seconds at most.
    pub(crate) async fn admit(&self, issue: IssueId) -> Result<(), Error> {
        let patience = Instant::now() + LONGEST_WAIT;
        while let Some(wait) = self.take(issue, Instant::now()) {
            if Instant::now() + wait > patience {
                return Err(Error::Throttled { after: wait });
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Jira asked for a pause of this issue.
    pub(crate) fn pause(&self, issue: IssueId, wait: Duration) {
        let until = Instant::now() + wait;
        let mut issues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = issues.entry(issue).or_default();
        recent.paused_until = recent.paused_until.max(Some(until));
    }

    /// Counts a write, or tells how long until there is room for it.
    fn take(&self, issue: IssueId, now: Instant) -> Option<Duration> {
        let mut issues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if issues.len() > MANY {
            issues.retain(|_, recent| !recent.is_at_rest(now));
        }
        let recent = issues.entry(issue).or_default();
        let wait = recent.wait(now);
        if wait.is_none() {
            recent.writes.push_back(now);
        }
        wait
    }
}

impl Recent {
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        while self.writes.front().is_some_and(|first| now.duration_since(*first) >= MEMORY) {
            self.writes.pop_front();
        }
        let room = LIMITS.into_iter().filter_map(|(most, window)| {
            let oldest = self.writes.len().checked_sub(most)?;
            (self.writes[oldest] + window).checked_duration_since(now)
        });
        let paused = self.paused_until.and_then(|until| until.checked_duration_since(now));
        room.chain(paused).max().filter(|wait| !wait.is_zero())
    }

    fn is_at_rest(&self, now: Instant) -> bool {
        let last = self.writes.back().is_none_or(|last| now.duration_since(*last) >= MEMORY);
        last && self.paused_until.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUE: IssueId = IssueId(1);

    #[test]
    fn an_issue_takes_twenty_writes_in_two_seconds_and_a_hundred_in_thirty() {
        let (pace, begun) = (Pace::default(), Instant::now());
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        assert!((0..20).all(|n| pace.take(ISSUE, at(n * 10)).is_none()));
        assert_eq!(pace.take(ISSUE, at(500)), Some(Duration::from_millis(1500)));
        assert_eq!(pace.take(IssueId(2), at(500)), None, "another issue is not affected");
        for round in 1..5 {
            assert!((0..20).all(|n| pace.take(ISSUE, at(round * 2200 + n * 10)).is_none()));
        }
        assert_eq!(pace.take(ISSUE, at(15_000)), Some(Duration::from_secs(15)));
        assert_eq!(pace.take(ISSUE, at(30_000)), None);
    }

    #[test]
    fn what_is_at_rest_is_forgotten() {
        let (pace, begun) = (Pace::default(), Instant::now());
        for issue in 0..=1000 {
            assert!(pace.take(IssueId(issue), begun).is_none());
        }
        assert!(pace.take(IssueId(-1), begun + MEMORY).is_none());
        assert_eq!(pace.0.lock().expect("no panics").len(), 1);
    }

    #[tokio::test]
    async fn a_long_pause_is_handed_back_and_concerns_one_issue() {
        let pace = Pace::default();
        pace.pause(ISSUE, Duration::from_secs(60));
        pace.pause(ISSUE, Duration::from_secs(1));
        assert!(matches!(pace.admit(ISSUE).await, Err(Error::Throttled { after }) if after.as_secs() >= 59));
        pace.admit(IssueId(2)).await.expect("room");
    }
}
