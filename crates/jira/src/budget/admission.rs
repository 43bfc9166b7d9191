//! Waiting for one's turn: a pod's own share of an instance's budget.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use domain::InstanceId;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::{Budgets, Drawn, Endpoint, Priority, Reach};
use crate::{Error, retry::LONGEST_WAIT};

/// One instance's share of [`Budgets`].
pub(crate) struct Budget {
    budgets: Budgets,
    instance: InstanceId,
    per_minute: u32,
    smoothing: DefaultDirectRateLimiter,
}

impl Budget {
    pub(crate) fn new(budgets: Budgets, instance: InstanceId, per_minute: u32) -> Self {
        let per_minute = per_minute.max(1);
        // A tenth of a minute's questions per second: one pod's bursts stay short.
        let per_second = NonZeroU32::new(per_minute / 10).unwrap_or(NonZeroU32::MIN);
        let smoothing = RateLimiter::direct(Quota::per_second(per_second));
        Self { budgets, instance, per_minute, smoothing }
    }

    /// Returns when one question may be asked. Waits a few seconds at most: whoever must wait longer is told how long.
    pub(crate) async fn admit(&self, endpoint: Endpoint, priority: Priority) -> Result<(), Error> {
        self.smooth(priority).await;
        let mut patience = LONGEST_WAIT;
        let mut waited = Duration::ZERO;
        loop {
            let drawn = self.budgets.draw(self.instance, self.per_minute, endpoint, priority).await?;
            observe(&drawn, priority);
            if drawn.taken {
                metrics::histogram!("jirafleet_jira_budget_wait_seconds", "priority" => priority.name())
                    .record(waited.as_secs_f64());
                return Ok(());
            }
            if drawn.wait > patience {
                return Err(Error::Throttled { after: spread(drawn.wait) });
            }
            let wait = spread(drawn.wait).min(LONGEST_WAIT);
            patience = patience.saturating_sub(wait);
            waited += wait;
            throttled(wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// Stops the whole fleet's questions for a while.
    pub(crate) async fn pause(&self, reach: Reach, wait: Duration) -> Result<(), Error> {
        self.budgets.pause(self.instance, reach, wait).await
    }

    /// Lets the whole fleet ask less often for a while.
    pub(crate) async fn slow(&self, reach: Reach, share: f64, lasts: Duration) -> Result<(), Error> {
        self.budgets.slow(self.instance, reach, share, lasts).await
    }

    /// Keeps this pod's bursts short, before anything is taken out of the shared bucket. Who somebody waits for is counted
    /// and never held: it would stand in a line with backfills.
    async fn smooth(&self, priority: Priority) {
        if priority == Priority::Live {
            // Whether there was room makes no difference.
            let _ = self.smoothing.check();
        } else {
            self.smoothing.until_ready().await;
        }
    }
}

/// Notes what is left, as a share, since counts of different instances say nothing together.
fn observe(drawn: &Drawn, priority: Priority) {
    metrics::histogram!("jirafleet_jira_budget_left_ratio").record(drawn.left);
    if let Some(obstacle) = drawn.obstacle {
        let (priority, obstacle) = (priority.name(), obstacle.name());
        metrics::counter!("jirafleet_jira_budget_refusals_total", "priority" => priority, "obstacle" => obstacle)
            .increment(1);
    }
}

/// Counts time that was lost to throttling. Counters count whole things, so milliseconds are saved up to seconds.
pub(crate) fn throttled(wait: Duration) {
    static SAVED: AtomicU64 = AtomicU64::new(0);
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let before =
        SAVED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| Some(saved.saturating_add(wait) % 1000));
    // The update is never refused, so both arms hold what was saved before.
    let (Ok(saved) | Err(saved)) = before;
    metrics::counter!("jirafleet_jira_throttled_seconds_total").increment(saved.saturating_add(wait) / 1000);
}

/// Everybody who waits for the same refill is told a slightly different time.
fn spread(wait: Duration) -> Duration {
    wait + wait.mul_f64(rand::random_range(0.0..0.25))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_wait_is_spread_but_never_shortened() {
        let wait = Duration::from_secs(4);
        for _ in 0..100 {
            assert!((wait..=Duration::from_secs(5)).contains(&spread(wait)));
        }
    }

    #[tokio::test]
    async fn a_live_question_does_not_stand_behind_a_pods_backfill() {
        let budget = Budget::new(Budgets::open().0, InstanceId::generate(), 10);
        let endpoint = Endpoint::new(super::super::Verb::Get, "/field");
        budget.admit(endpoint, Priority::Bulk).await.expect("a budget without end");
        let begun = Instant::now();
        for _ in 0..20 {
            budget.admit(endpoint, Priority::Live).await.expect("a budget without end");
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}
