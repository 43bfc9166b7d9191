//! What is due when, as data: how often to look, who is due then, and which job is asked for.
//!
//! A periodic job is one line in [`TIMETABLE`].

use std::{str::FromStr, time::Duration};

use cron::Schedule;
use domain::{Instance, InstanceId};
use queue::Job;

use crate::Error;

/// Everything that happens by the clock.
pub(crate) const TIMETABLE: &[Line] = &[
    Line {
        name: "poll",
        cron: "0/10 * * * * *",
        every: Every::PollInterval,
        at_start: AtStart::Everyone,
        job: |instance| Job::PollUpdates { instance, page: None },
    },
    Line {
        name: "directory",
        cron: "0 * * * * *",
        every: Every::Fixed(Duration::from_secs(3600)),
        at_start: AtStart::WhoIsDue,
        job: |instance| Job::SyncDirectory { instance },
    },
    Line {
        name: "views",
        cron: "0/30 * * * * *",
        every: Every::Fleet(Duration::from_secs(300)),
        at_start: AtStart::Everyone,
        job: |_fleet| Job::RefreshViews,
    },
];

/// One line: at each tick of `cron`, one job for each active instance whose turn came since the tick before, or one for
/// the whole fleet if its turn came.
pub(crate) struct Line {
    /// Its name in logs and metrics.
    pub(crate) name: &'static str,
    /// Second, minute, hour, day, month, weekday, in UTC. The finest interval that `every` can mean.
    pub(crate) cron: &'static str,
    /// How often one instance, or the fleet, is due.
    pub(crate) every: Every,
    /// Who is served when a scheduler starts.
    pub(crate) at_start: AtStart,
    /// What is asked for.
    pub(crate) job: fn(InstanceId) -> Job,
}

/// Who is due, and how often.
pub(crate) enum Every {
    /// Every instance, as often as it says.
    PollInterval,
    /// Every instance, the same for all.
    Fixed(Duration),
    /// Once for the whole fleet.
    Fleet(Duration),
}

/// Who is served when a scheduler starts.
pub(crate) enum AtStart {
    /// All, at once: nobody knows how long the clock stood still, and webhooks were perhaps lost meanwhile.
    Everyone,
    /// Nobody out of turn.
    WhoIsDue,
}

impl Line {
    /// The parsed cron expression.
    pub(crate) fn schedule(&self) -> Result<Schedule, Error> {
        Schedule::from_str(self.cron).map_err(|source| Error::Timetable { line: self.name, cron: self.cron, source })
    }

    /// Whether an instance's turn came after `after` and not later than `until`, both in seconds since 1970.
    ///
    /// Turns lie a fixed interval apart, shifted by a number that belongs to the instance, so that a thousand instances
    /// with the same interval are spread over it. No memory is needed, and all schedulers agree.
    pub(crate) fn is_due(&self, instance: &Instance, after: i64, until: i64) -> bool {
        let interval = whole_seconds(match self.every {
            Every::PollInterval => instance.poll_interval,
            Every::Fixed(interval) | Every::Fleet(interval) => interval,
        });
        has_turned(interval, shift(instance.id, interval), after, until)
    }

    /// How often the fleet is due, in a line that is for the fleet.
    pub(crate) fn fleet_interval(&self) -> Option<i64> {
        match self.every {
            Every::Fleet(interval) => Some(whole_seconds(interval)),
            Every::PollInterval | Every::Fixed(_) => None,
        }
    }
}

/// Whether a turn of `interval` seconds, shifted by `shift`, came after `after` and not later than `until`.
pub(crate) fn has_turned(interval: i64, shift: i64, after: i64, until: i64) -> bool {
    let turns_until = |time: i64| (time + shift).div_euclid(interval);
    turns_until(until) > turns_until(after)
}

/// At least one.
fn whole_seconds(interval: Duration) -> i64 {
    i64::try_from(interval.as_secs()).unwrap_or(i64::MAX / 2).clamp(1, MOST)
}

/// A year: keeps the arithmetic far from its ends.
const MOST: i64 = 366 * 24 * 3600;

/// From 0 to `interval`, the same for ever for one instance. The lower half of a version 7 id is random.
fn shift(instance: InstanceId, interval: i64) -> i64 {
    let random = instance.0.as_u64_pair().1 >> 1;
    i64::try_from(random).unwrap_or_default() % interval
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;
    use domain::{InstanceState, Site, TenantId};

    use super::*;

    const START: i64 = 1_790_000_000;

    fn instance(poll_interval: u64) -> Instance {
        Instance {
            id: InstanceId::generate(),
            tenant: TenantId::generate(),
            name: "acme".into(),
            site: Site::trusted("https://acme.atlassian.net".into()),
            account: None,
            state: InstanceState::Active,
            poll_interval: Duration::from_secs(poll_interval),
            requests_per_minute: 100,
            created_at: DateTime::from_timestamp(START, 0).expect("in range"),
            time_zone: None,
        }
    }

    fn line(name: &str) -> &'static Line {
        TIMETABLE.iter().find(|line| line.name == name).expect("a line of that name")
    }

    /// How often an instance is due when ticks come every `step` seconds for `length` seconds.
    fn turns(line: &Line, instance: &Instance, step: i64, length: i64) -> i64 {
        let ticks = (START..START + length).step_by(usize::try_from(step).expect("small"));
        ticks.map(|tick| i64::from(line.is_due(instance, tick, tick + step))).sum()
    }

    #[test]
    fn every_line_can_be_read() {
        for line in TIMETABLE {
            assert!(line.schedule().is_ok(), "{}", line.name);
        }
    }

    #[test]
    fn an_instance_is_due_once_per_interval() {
        for interval in [60, 300, 3600] {
            assert_eq!(
                turns(line("poll"), &instance(interval), 10, 3600),
                3600 / i64::try_from(interval).expect("small")
            );
        }
        assert_eq!(turns(line("directory"), &instance(60), 60, 24 * 3600), 24);
    }

    #[test]
    fn an_interval_below_the_tick_means_every_tick() {
        for interval in [0, 1, 10] {
            assert_eq!(turns(line("poll"), &instance(interval), 10, 600), 60);
        }
    }

    #[test]
    fn an_interval_that_no_tick_divides_keeps_its_rate() {
        assert_eq!(turns(line("poll"), &instance(25), 10, 1000), 40);
    }

    #[test]
    fn a_late_tick_makes_up_for_those_it_missed_but_only_once() {
        let (poll, acme) = (line("poll"), instance(60));
        assert!(poll.is_due(&acme, START, START + 60));
        assert!(poll.is_due(&acme, START, START + 6000));
        assert!(!poll.is_due(&acme, START, START));
        assert!(!poll.is_due(&acme, START + 60, START));
    }

    #[test]
    fn instances_are_spread_over_their_interval() {
        let (poll, ticks) = (line("poll"), 30);
        let mut due = BTreeMap::new();
        for acme in (0..3000).map(|_| instance(300)) {
            let turn = (0..ticks).find(|tick| poll.is_due(&acme, START + tick * 10, START + tick * 10 + 10));
            *due.entry(turn.expect("due within its interval")).or_insert(0) += 1;
        }
        assert_eq!(due.len(), 30);
        assert!(due.values().all(|count| (50..200).contains(count)), "{due:?}");
    }
}
