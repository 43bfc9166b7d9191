//! Several schedulers, of which each turn of the timetable is asked for once: while they are killed, put to sleep and have
//! wrong clocks.

mod processes;
mod virtual_time;

use std::collections::BTreeMap;

use domain::InstanceId;
use queue::{JobState, QueueName};
use tests::TestFleet;

/// When jobs of each kind were asked for, for whom; in seconds since 1970.
#[derive(Default)]
struct Seen(BTreeMap<(&'static str, InstanceId), Vec<i64>>);

impl Seen {
    /// Takes whatever waits out of all queues and remembers it, as asked for at `now`, or at the time at which Redis took it.
    async fn collect(&mut self, fleet: &TestFleet, now: Option<i64>) -> usize {
        let mut count = 0;
        for queue in QueueName::ALL {
            for job in fleet.producer.jobs(queue, JobState::Waiting, None, 1000).await.unwrap().jobs {
                let envelope = job.envelope.unwrap();
                fleet.producer.discard_job(envelope.id).await.unwrap();
                let at = now.unwrap_or_else(|| job.place.split('-').next().unwrap().parse::<i64>().unwrap() / 1000);
                self.0.entry((envelope.job.kind(), envelope.job.instance())).or_default().push(at);
                count += 1;
            }
        }
        count
    }

    fn of(&self, kind: &'static str, instance: InstanceId) -> &[i64] {
        self.0.get(&(kind, instance)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Asserts that every turn from the first seen to the last before `end` was served, once and not later than `patience`.
    fn assert_each_turn_once(&self, kind: &'static str, (id, interval): (InstanceId, i64), end: i64, patience: i64) {
        let shift = shift(id, interval);
        let turns: Vec<i64> = self.of(kind, id).iter().map(|at| (at + shift).div_euclid(interval)).collect();
        let (Some(first), last) = (turns.first(), (end - patience + shift).div_euclid(interval)) else {
            panic!("{kind} was never asked for")
        };
        let expected: Vec<i64> = (*first..=last.max(*turns.last().unwrap())).collect();
        assert_eq!(turns, expected, "{kind} every {interval} s: turns, by their number");
        for at in &self.of(kind, id)[1..] {
            let late = (at + shift).rem_euclid(interval);
            assert!(late <= patience, "{kind} every {interval} s came {late} s late");
        }
    }
}

/// How the turns of an instance are shifted, worked out anew: by the random half of its id; the fleet's are not.
fn shift(id: InstanceId, interval: i64) -> i64 {
    i64::try_from(id.0.as_u64_pair().1 >> 1).unwrap() % interval
}
