//! What is due when, as data: how often to look, who is due then, and which job is asked for.
//!
//! A periodic job is one line in [`TIMETABLE`].

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use cron::Schedule;
use domain::{Instance, InstanceId, InstanceState};
use queue::{Compared, Job, Losses};

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
    Line {
        name: "sweep",
        cron: "15/30 * * * * *",
        every: Every::Fleet(Duration::from_secs(300)),
        at_start: AtStart::Everyone,
        job: |_fleet| Job::Sweep,
    },
    Line {
        name: "census",
        cron: "0 * * * * *",
        every: Every::Fixed(Duration::from_secs(24 * 3600)),
        at_start: AtStart::WhoIsDue,
        job: |instance| Job::Census { instance, projects: Vec::new(), compared: Compared::Ids, losses: Losses::Hold },
    },
    Line {
        name: "reconcile",
        cron: "0 * * * * *",
        every: Every::DayAt(2),
        at_start: AtStart::WhoIsDue,
        job: |instance| Job::Reconcile { instance, sample: Job::SAMPLE },
    },
    Line {
        name: "webhook",
        cron: "0 * * * * *",
        every: Every::Fixed(Duration::from_secs(24 * 3600)),
        at_start: AtStart::WhoIsDue,
        job: |instance| Job::KeepWebhook { instance },
    },
    Line {
        name: "revisit",
        cron: "0/30 * * * * *",
        every: Every::WhileSuspended(Duration::from_secs(600)),
        at_start: AtStart::WhoIsDue,
        job: |instance| Job::Revisit { instance },
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
    /// Every instance, as often as it says and its webhooks allow.
    PollInterval,
    /// Every instance, the same for all.
    Fixed(Duration),
    /// Every suspended instance, the same for all.
    WhileSuspended(Duration),
    /// Once a day, when the clocks in the instance's own zone show this full hour.
    DayAt(u32),
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
        let interval = match self.every {
            Every::DayAt(hour) => return day_at(hour, zone(instance), until).is_some_and(|turn| turn > after),
            Every::PollInterval => instance.poll_interval,
            Every::Fixed(interval) | Every::WhileSuspended(interval) | Every::Fleet(interval) => interval,
        };
        let interval = whole_seconds(interval);
        has_turned(interval, shift(instance.id, interval), after, until)
    }

    /// Whether it is a line for instances in this state.
    pub(crate) fn is_for(&self, state: &InstanceState) -> bool {
        match self.every {
            Every::WhileSuspended(_) => matches!(state, InstanceState::Suspended { .. }),
            _ => *state == InstanceState::Active,
        }
    }

    /// How often the fleet is due, in a line that is for the fleet.
    pub(crate) fn fleet_interval(&self) -> Option<i64> {
        match self.every {
            Every::Fleet(interval) => Some(whole_seconds(interval)),
            _ => None,
        }
    }

    /// Whether how often an instance is due depends on its webhooks.
    pub(crate) fn heeds_webhooks(&self) -> bool {
        matches!(self.every, Every::PollInterval)
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

/// UTC until an instance's zone is known, or where it is none that we know.
fn zone(instance: &Instance) -> Tz {
    instance.time_zone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

/// The last time, not later than `until`, at which clocks in this zone showed this full hour.
fn day_at(hour: u32, zone: Tz, until: i64) -> Option<i64> {
    let today = DateTime::<Utc>::from_timestamp(until, 0)?.with_timezone(&zone).date_naive();
    let turns = [today, today.pred_opt()?].map(|day| shown(hour, zone, day));
    turns.into_iter().flatten().find(|turn| *turn <= until)
}

/// When clocks show a full hour on a day: the first time where they show it twice, and where they skip it the moment at
/// which they do.
fn shown(hour: u32, zone: Tz, day: NaiveDate) -> Option<i64> {
    let wanted = day.and_hms_opt(hour, 0, 0)?;
    let quarters = (0..=12).map(|quarters| wanted + TimeDelta::minutes(15 * quarters));
    quarters.filter_map(|time| zone.from_local_datetime(&time).earliest()).map(|time| time.timestamp()).next()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;
    use domain::{Site, TenantId};

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

    /// When an instance of this zone is reconciled in the two days from this instant on, in UTC.
    fn nights(zone: Option<&str>, from: &str) -> Vec<String> {
        let acme = Instance { time_zone: zone.map(str::to_owned), ..instance(60) };
        let from = from.parse::<DateTime<Utc>>().expect("an instant").timestamp();
        let ticks = (from..from + 2 * 24 * 3600).step_by(60);
        let due = ticks.filter(|tick| line("reconcile").is_due(&acme, tick - 60, *tick));
        due.map(|tick| DateTime::from_timestamp(tick, 0).expect("in range").format("%d %H:%M").to_string()).collect()
    }

    #[test]
    fn a_night_is_two_oclock_in_the_instances_own_zone() {
        for (zone, expected) in [
            (None, ["10 02:00", "11 02:00"]),
            (Some("Nowhere/Land"), ["10 02:00", "11 02:00"]),
            (Some("Europe/Berlin"), ["10 01:00", "11 01:00"]),
            (Some("Asia/Kathmandu"), ["10 20:15", "11 20:15"]),
            (Some("Pacific/Kiritimati"), ["10 12:00", "11 12:00"]),
        ] {
            assert_eq!(nights(zone, "2026-02-10T00:00:00Z"), expected, "{zone:?}");
        }
    }

    #[test]
    fn a_night_whose_hour_is_skipped_or_comes_twice_is_one_night() {
        let berlin = Some("Europe/Berlin");
        assert_eq!(nights(berlin, "2026-03-28T12:00:00Z"), ["29 01:00", "30 00:00"], "02:00 became 03:00");
        assert_eq!(nights(berlin, "2026-10-24T12:00:00Z"), ["25 00:00", "26 01:00"], "02:00 came twice");
        assert_eq!(nights(Some("America/New_York"), "2026-03-07T12:00:00Z"), ["08 07:00", "09 06:00"]);
    }

    #[test]
    fn a_clock_that_stood_still_makes_up_for_one_night() {
        let acme = instance(60);
        let line = line("reconcile");
        assert!(line.is_due(&acme, START, START + 5 * 24 * 3600));
        assert!(!line.is_due(&acme, START, START));
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
