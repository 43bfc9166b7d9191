//! Leading: says every second that it is there, and knows for how long it may believe so.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use queue::{Clock, Lead, Producer};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};

/// How often a scheduler says that it is there.
const BEAT: Duration = Duration::from_secs(1);

/// After how long without a word from the one that leads another does.
pub(crate) const LIFE: Duration = Duration::from_secs(5);

/// How long giving up the lead may take; it ends by itself, too.
const PARTING: Duration = Duration::from_secs(1);

/// The time in which this scheduler leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reign {
    pub(crate) term: u64,
    /// Redis' time, and when by ours it was told.
    now: DateTime<Utc>,
    told: Instant,
}

impl Reign {
    fn of(lead: &Lead, name: &str, told: Instant) -> Option<Self> {
        let leader = lead.leader.as_ref().filter(|leader| leader.name == name)?;
        Some(Self { term: leader.term, now: lead.now, told })
    }

    /// Nobody else leads before this has ended. Counted from before Redis was asked, by a clock that nobody can set.
    pub(crate) fn holds(&self) -> bool {
        self.told.elapsed() < LIFE
    }

    /// What time it is for Redis. Never ahead of it; behind where this machine slept, which the next beat puts right.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now + TimeDelta::from_std(self.told.elapsed()).unwrap_or(TimeDelta::MAX)
    }
}

/// Takes part for ever. Those who watch are told when this scheduler begins to lead and when it ceases to.
pub(crate) async fn take_part(producer: &Producer, name: &str, tell: watch::Sender<Option<Reign>>) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let told = Instant::now();
        let reign = match producer.lead(name, LIFE, Clock::Redis).await {
            Ok(lead) => Reign::of(&lead, name, told),
            Err(error) => {
                tracing::debug!(error.code = error.code(), %error, "Redis does not say who leads");
                tell.borrow().filter(Reign::holds)
            }
        };
        let changed = tell.send_if_modified(|known| {
            let before = std::mem::replace(known, reign);
            before.map(|reign| reign.term) != reign.map(|reign| reign.term)
        });
        metrics::gauge!("jirafleet_scheduler_leads").set(if reign.is_some() { 1.0 } else { 0.0 });
        match reign {
            Some(reign) if changed => tracing::info!(scheduler.name = name, term = reign.term, "this scheduler leads"),
            None if changed => tracing::warn!(scheduler.name = name, "this scheduler does not lead any more"),
            _ => {}
        }
    }
}

/// Lets the next one lead at once.
pub(crate) async fn part(producer: &Producer, name: &str) {
    if let Ok(Err(error)) = tokio::time::timeout(PARTING, producer.resign(name, Clock::Redis)).await {
        tracing::debug!(error.code = error.code(), %error, "the lead was not given up; it ends by itself");
    }
}
