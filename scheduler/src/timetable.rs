//! What is due when, as data: how often to look, who is due then, and which job is asked for.
//!
//! A periodic job is one line in [`TIMETABLE`].

use std::{str::FromStr, time::Duration};

use cron::Schedule;
use domain::{Instance, InstanceId, InstanceState};
use queue::{Compared, FLEET, Job, Losses, QueueName};

use crate::{
    Error,
    turn::{day_at, last_turn, next_day_at, shift, spoken, whole_seconds, zone},
};

/// Everything that happens by the clock.
pub(crate) const TIMETABLE: &[Line] = &[
    Line {
        name: "poll",
        cron: "0/10 * * * * *",
        every: Every::PollInterval,
        first: First::AtOnce,
        job: |instance| Job::PollUpdates { instance, page: None },
    },
    Line {
        name: "directory",
        cron: "0 * * * * *",
        every: Every::Fixed(Duration::from_secs(3600)),
        first: First::AtItsTurn,
        job: |instance| Job::SyncDirectory { instance },
    },
    Line {
        name: "views",
        cron: "0/30 * * * * *",
        every: Every::Fleet(Duration::from_secs(300)),
        first: First::AtOnce,
        job: |_fleet| Job::RefreshViews,
    },
    Line {
        name: "sweep",
        cron: "15/30 * * * * *",
        every: Every::Fleet(Duration::from_secs(300)),
        first: First::AtOnce,
        job: |_fleet| Job::Sweep,
    },
    Line {
        name: "audit",
        cron: "45 * * * * *",
        every: Every::Fleet(Duration::from_secs(24 * 3600)),
        first: First::AtItsTurn,
        job: |_fleet| Job::VerifyAudit { after: None, page: 0 },
    },
    Line {
        name: "census",
        cron: "0 * * * * *",
        every: Every::Fixed(Duration::from_secs(24 * 3600)),
        first: First::AtItsTurn,
        job: |instance| Job::Census { instance, projects: Vec::new(), compared: Compared::Ids, losses: Losses::Hold },
    },
    Line {
        name: "reconcile",
        cron: "0 * * * * *",
        every: Every::DayAt(2),
        first: First::AtItsTurn,
        job: |instance| Job::Reconcile { instance, sample: Job::SAMPLE },
    },
    Line {
        name: "webhook",
        cron: "0 * * * * *",
        every: Every::Fixed(Duration::from_secs(24 * 3600)),
        first: First::AtItsTurn,
        job: |instance| Job::KeepWebhook { instance },
    },
    Line {
        name: "revisit",
        cron: "0/30 * * * * *",
        every: Every::WhileSuspended(Duration::from_secs(600)),
        first: First::AtItsTurn,
        job: |instance| Job::Revisit { instance },
    },
];

/// One line: at each tick of `cron`, one job for each instance whose turn came and was not served, or one for the whole fleet.
/// Turns that nobody was there for are made up for by one.
pub(crate) struct Line {
    /// Its name in logs, figures and the marks of its turns.
    pub(crate) name: &'static str,
    /// Second, minute, hour, day, month, weekday, in UTC. The finest interval that `every` can mean.
    pub(crate) cron: &'static str,
    /// How often one instance, or the fleet, is due.
    pub(crate) every: Every,
    /// When whoever was never served is served first.
    pub(crate) first: First,
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

/// When whoever was never served is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// At once: nobody knows what happened before.
    AtOnce,
    /// When its next turn comes.
    AtItsTurn,
}

impl Line {
    /// The parsed cron expression.
    pub(crate) fn schedule(&self) -> Result<Schedule, Error> {
        Schedule::from_str(self.cron).map_err(|source| Error::Timetable { line: self.name, cron: self.cron, source })
    }

    /// Where its jobs wait: one queue for all, so that one script can serve its turns.
    pub(crate) fn queue(&self) -> QueueName {
        (self.job)(FLEET).policy().queue
    }

    /// The instance's last turn not later than `now`, both in seconds since 1970.
    ///
    /// Turns lie a fixed interval apart, shifted by a number that belongs to the instance, so that a thousand instances
    /// with the same interval are spread over it. No memory is needed, and all schedulers agree.
    pub(crate) fn turn(&self, instance: &Instance, now: i64) -> Option<i64> {
        match self.interval(instance) {
            Some(interval) => Some(last_turn(interval, shift(instance.id, interval), now)),
            None => self.hour().and_then(|hour| day_at(hour, zone(instance), now)),
        }
    }

    /// The instance's first turn after `now`.
    pub(crate) fn next_turn(&self, instance: &Instance, now: i64) -> Option<i64> {
        match self.interval(instance) {
            Some(interval) => Some(last_turn(interval, shift(instance.id, interval), now).saturating_add(interval)),
            None => self.hour().and_then(|hour| next_day_at(hour, zone(instance), now)),
        }
    }

    /// How often, for people.
    pub(crate) fn every(&self, instance: Option<&Instance>) -> String {
        let interval = instance.map_or_else(|| self.fleet_interval(), |instance| self.interval(instance));
        match (interval, self.hour(), instance) {
            (Some(interval), ..) => spoken(interval),
            (None, Some(hour), Some(instance)) => format!("daily {hour:02}:00 {}", zone(instance)),
            _ => String::new(),
        }
    }

    fn interval(&self, instance: &Instance) -> Option<i64> {
        match self.every {
            Every::DayAt(_) => None,
            Every::PollInterval => Some(whole_seconds(instance.poll_interval)),
            Every::Fixed(interval) | Every::WhileSuspended(interval) | Every::Fleet(interval) => {
                Some(whole_seconds(interval))
            }
        }
    }

    fn hour(&self) -> Option<u32> {
        match self.every {
            Every::DayAt(hour) => Some(hour),
            _ => None,
        }
    }

    /// Whether it is a line for instances in this state.
    pub(crate) fn is_for(&self, state: &InstanceState) -> bool {
        match self.every {
            Every::WhileSuspended(_) => matches!(state, InstanceState::Suspended { .. }),
            _ => *state == InstanceState::Active,
        }
    }

    /// Whether it waits for instances that are well, and passes those by that are paused.
    pub(crate) fn is_for_the_well(&self) -> bool {
        !matches!(self.every, Every::WhileSuspended(_))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, Utc};
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

    /// Whether an instance's turn came after `after` and not later than `until`.
    fn is_due(line: &Line, instance: &Instance, after: i64, until: i64) -> bool {
        line.turn(instance, until).is_some_and(|turn| turn > after)
    }

    /// How often an instance is due when ticks come every `step` seconds for `length` seconds.
    fn turns(line: &Line, instance: &Instance, step: i64, length: i64) -> i64 {
        let ticks = (START..START + length).step_by(usize::try_from(step).expect("small"));
        ticks.map(|tick| i64::from(is_due(line, instance, tick, tick + step))).sum()
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
        assert!(is_due(poll, &acme, START, START + 60));
        assert!(is_due(poll, &acme, START, START + 6000));
        assert!(!is_due(poll, &acme, START, START));
        assert!(!is_due(poll, &acme, START + 60, START));
    }

    /// When an instance of this zone is reconciled in the two days from this instant on, in UTC.
    fn nights(zone: Option<&str>, from: &str) -> Vec<String> {
        let acme = Instance { time_zone: zone.map(str::to_owned), ..instance(60) };
        let from = from.parse::<DateTime<Utc>>().expect("an instant").timestamp();
        let ticks = (from..from + 2 * 24 * 3600).step_by(60);
        let due = ticks.filter(|tick| is_due(line("reconcile"), &acme, tick - 60, *tick));
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
        assert!(is_due(line, &acme, START, START + 5 * 24 * 3600));
        assert!(!is_due(line, &acme, START, START));
    }

    #[test]
    fn the_next_turn_follows_the_last() {
        let acme = Instance { time_zone: Some("Europe/Berlin".into()), ..instance(300) };
        for line in TIMETABLE {
            for now in (START..START + 3 * 24 * 3600).step_by(1799) {
                let (last, next) = (line.turn(&acme, now), line.next_turn(&acme, now));
                let (last, next) = (last.expect("a last one"), next.expect("a next one"));
                assert!(last <= now && now < next, "{}: {last} {now} {next}", line.name);
                assert_eq!(line.turn(&acme, next), Some(next), "{}", line.name);
                assert_eq!(line.turn(&acme, next - 1), Some(last), "{}", line.name);
            }
        }
    }

    #[test]
    fn a_line_has_one_queue_and_intervals_are_spoken() {
        for line in TIMETABLE {
            let of_one = (line.job)(InstanceId::generate()).policy().queue;
            assert_eq!(of_one, line.queue(), "{}", line.name);
        }
        let every = |name| line(name).every(Some(&instance(90)));
        assert_eq!(
            [every("poll"), every("directory"), every("census"), every("reconcile")],
            ["90 s", "1 h", "1 d", "daily 02:00 UTC"]
        );
        assert_eq!(line("views").every(None), "5 min");
    }

    #[test]
    fn instances_are_spread_over_their_interval() {
        let (poll, ticks) = (line("poll"), 30);
        let mut due = BTreeMap::new();
        for acme in (0..3000).map(|_| instance(300)) {
            let turn = (0..ticks).find(|tick| is_due(poll, &acme, START + tick * 10, START + tick * 10 + 10));
            *due.entry(turn.expect("due within its interval")).or_insert(0) += 1;
        }
        assert_eq!(due.len(), 30);
        assert!(due.values().all(|count| (50..200).contains(count)), "{due:?}");
    }
}
