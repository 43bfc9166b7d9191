//! What a run has shown.

use std::{collections::HashMap, ops::RangeInclusive, time::Duration};

use serde::Serialize;

use crate::{
    fleet::{Heir, Orphan},
    truth::Start,
};

/// The figures of one run. Times in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: &'static str,
    pub(crate) seed: u64,
    pub(crate) jobs: usize,
    pub(crate) effects: usize,
    /// Effects that were confirmed to be asked for and never came.
    pub(crate) lost: usize,
    /// Jobs among the dead letters; none should be, since every job succeeds in the end.
    pub(crate) dead: u64,
    /// Effects that were applied twice, past the idempotent apply.
    pub(crate) doubled_effects: usize,
    /// Pages that ran before the page they follow.
    pub(crate) out_of_order: u64,
    /// Jobs that were started more often than they asked for.
    pub(crate) duplicates: usize,
    pub(crate) kills: usize,
    pub(crate) redis_restarts: usize,
    pub(crate) seconds: f64,
    /// From a kill to the next start of what the dead worker held, where nobody of its name came back.
    pub(crate) rescue: Times,
    /// The same where a worker of the same name was started at once.
    pub(crate) rescue_by_namesake: Times,
    /// The same for all that overlapped a restart of Redis.
    pub(crate) rescue_in_outage: Times,
    /// Whose rescuer was killed, too, before it started them: their time counts from that kill on.
    pub(crate) orphaned_again: usize,
    /// Held, but finished or overtaken: they needed no further start.
    pub(crate) orphans_without_start: usize,
}

/// How long something took.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Times {
    pub(crate) n: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Times {
    fn of(mut waits: Vec<u64>) -> Self {
        waits.sort_unstable();
        let Some(last) = waits.len().checked_sub(1) else { return Self::default() };
        let at = |percent: usize| seconds(waits[(waits.len() * percent / 100).min(last)]);
        Self { n: waits.len(), p50: at(50), p99: at(99), max: seconds(waits[last]) }
    }
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

impl Report {
    /// Fills in how long the orphans waited.
    pub(crate) fn rescues(&mut self, orphans: &[Orphan], starts: &[Start], outages: &[RangeInclusive<u64>]) {
        let mut by_effect: HashMap<&str, Vec<u64>> = HashMap::new();
        for start in starts {
            by_effect.entry(&start.effect).or_default().push(start.at);
        }
        let (mut strangers, mut namesakes, mut shaken) = (Vec::new(), Vec::new(), Vec::new());
        for (place, orphan) in orphans.iter().enumerate() {
            let starts = by_effect.get(orphan.effect.as_str());
            let again = starts.and_then(|starts| starts.iter().filter(|at| **at >= orphan.gone).min());
            let Some(again) = again else {
                self.orphans_without_start += 1;
                continue;
            };
            let mut later = orphans[place + 1..].iter().filter(|later| later.effect == orphan.effect);
            if later.any(|later| later.since <= *again) {
                self.orphaned_again += 1;
                continue;
            }
            let is_shaken = outages.iter().any(|away| *away.start() <= *again && orphan.since <= *away.end());
            let times = match orphan.heir {
                _ if is_shaken => &mut shaken,
                Heir::Stranger => &mut strangers,
                Heir::Namesake => &mut namesakes,
            };
            times.push(again - orphan.since);
        }
        self.rescue = Times::of(strangers);
        self.rescue_by_namesake = Times::of(namesakes);
        self.rescue_in_outage = Times::of(shaken);
    }

    /// What is not as it must be.
    pub(crate) fn failures(&self, lease: Duration) -> Vec<String> {
        let bound = (lease + Duration::from_secs(1)).as_secs_f64();
        let mut failures = Vec::new();
        let mut must = |is_met: bool, what: String| {
            if !is_met {
                failures.push(what);
            }
        };
        must(self.lost == 0, format!("{} jobs were lost", self.lost));
        must(self.dead == 0, format!("{} jobs are dead letters", self.dead));
        must(self.doubled_effects == 0, format!("{} effects came twice", self.doubled_effects));
        must(self.out_of_order == 0, format!("{} pages overtook the one before", self.out_of_order));
        must(self.rescue.p99 <= bound, format!("rescue p99 {} s is above {bound} s", self.rescue.p99));
        failures
    }
}
