//! Three schedulers over 2,000 ticks in virtual time, on a real Redis and a real PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{InstanceId, InstanceState};
use queue::{Clock, FLEET, Fired};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use scheduler::Replica;
use tests::{FleetOptions, TestFleet};

use super::Seen;

const TICKS: i64 = 2_000;

/// Between two ticks, in seconds.
const STEP: i64 = 10;

/// How late a turn may come: a tick, until the lead of one that died has ended, and another tick.
const PATIENCE: i64 = 30;

/// One of the three, and what is wrong with it.
struct Place {
    replica: Replica,
    /// It does nothing before this.
    asleep_until: i64,
    /// By how much its clock is wrong, in seconds.
    wrong_by: i64,
}

struct Stage {
    fleet: TestFleet,
    places: Vec<Place>,
    random: StdRng,
    now: i64,
    seen: Seen,
    outcomes: BTreeMap<Fired, u32>,
    leaders: BTreeSet<u64>,
    born: u32,
}

#[tokio::test]
async fn no_turn_is_missed_or_doubled_in_two_thousand_ticks() {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..FleetOptions::default() }).await;
    let mut polled = vec![(fleet.instance.id, 300)];
    for (name, interval) in [("often", 60), ("odd", 97), ("rarely", 1_800)] {
        polled.push((fleet.add_instance(name, interval).await, i64::try_from(interval).unwrap()));
    }
    let suspended = fleet.add_instance("suspended", 300).await;
    let state = InstanceState::Suspended { reason: "a test's".to_owned() };
    fleet.store.tenant(fleet.instance.tenant).set_state(suspended, &state).await.unwrap();
    let mut stage = Stage::new(fleet);
    for _ in 0..TICKS {
        stage.step().await;
    }
    let Stage { seen, now, outcomes, leaders, .. } = stage;
    let all = |kind| polled.iter().map(move |(id, interval)| (kind, *id, *interval));
    let hourly = polled.iter().map(|(id, _)| ("sync_directory", *id, 3_600));
    let others = [("refresh_views", FLEET, 300), ("revisit", suspended, 600)];
    let mut turns = 0;
    for (kind, id, interval) in all("poll_updates").chain(hourly).chain(others) {
        seen.assert_each_turn_once(kind, (id, interval), now, PATIENCE);
        turns += seen.of(kind, id).len();
    }
    assert!(seen.of("poll_updates", suspended).is_empty(), "a suspended instance is not polled");
    assert!(turns > 700, "{turns}");
    assert!(leaders.len() > 100, "leaders changed only {} times", leaders.len());
    for outcome in [Fired::Passed, Fired::Early, Fired::Fenced] {
        assert!(outcomes.get(&outcome).is_some_and(|count| *count > 10), "not put to the test: {outcomes:?}");
    }
}

#[tokio::test]
async fn days_without_a_scheduler_are_made_up_for_by_one_run() {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..FleetOptions::default() }).await;
    let id = fleet.instance.id;
    let mut stage = Stage::new(fleet);
    stage.places.truncate(1);
    stage.turn_up().await;
    assert_eq!((stage.polls(id), stage.seen.of("census", id).len()), (1, 0), "a poll at once, a census in its time");
    stage.now += 5 * 24 * 3600;
    stage.turn_up().await;
    stage.turn_up().await;
    let runs = ["poll_updates", "census", "reconcile", "sync_directory"].map(|kind| stage.seen.of(kind, id).len());
    assert_eq!(runs, [2, 1, 1, 1], "five days are one run");
}

#[tokio::test]
async fn a_clock_of_redis_that_went_ahead_and_back_stops_nothing() {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..FleetOptions::default() }).await;
    let id = fleet.instance.id;
    let mut stage = Stage::new(fleet);
    stage.turn_up().await;
    let before = stage.now;
    stage.now += 6 * 3600;
    stage.turn_up().await;
    assert_eq!(stage.polls(id), 2);
    stage.now = before + 10;
    for _ in 0..90 {
        stage.now += STEP;
        stage.turn_up().await;
    }
    // Once when nobody could know any more, then three times in its quarter of an hour.
    assert!((5..=6).contains(&stage.polls(id)), "{}", stage.polls(id));
}

impl Stage {
    fn new(fleet: TestFleet) -> Self {
        let mut stage = Self {
            fleet,
            places: Vec::new(),
            random: StdRng::seed_from_u64(7),
            now: 1_790_000_000,
            seen: Seen::default(),
            outcomes: BTreeMap::new(),
            leaders: BTreeSet::new(),
            born: 0,
        };
        stage.places = (0..3).map(|_| stage.birth()).collect();
        stage
    }

    fn birth(&mut self) -> Place {
        self.born += 1;
        let name = format!("scheduler-{}", self.born);
        let replica = Replica::new(self.fleet.store.clone(), self.fleet.producer.clone(), &name);
        Place { replica, asleep_until: self.now, wrong_by: 0 }
    }

    fn polls(&self, id: InstanceId) -> usize {
        self.seen.of("poll_updates", id).len()
    }

    fn clock(&self) -> Clock {
        Clock::Told(time(self.now))
    }

    /// From one tick to the next: something happens to somebody, those who are awake say so every second, then tick.
    async fn step(&mut self) {
        self.mischief();
        for _ in 0..STEP {
            self.now += 1;
            self.beat().await;
        }
        for place in 0..self.places.len() {
            if self.places[place].asleep_until <= self.now {
                self.tick(place).await;
            }
        }
    }

    /// One is killed or put to sleep, the one that leads more often than not; or its clock jumps.
    fn mischief(&mut self) {
        let leads = self.places.iter().position(|place| place.replica.term().is_some());
        let whom = leads.filter(|_| self.random.random_bool(0.7)).unwrap_or_else(|| self.random.random_range(0..3));
        let others_awake =
            self.places.iter().enumerate().any(|(place, other)| place != whom && other.asleep_until <= self.now);
        match self.random.random_range(0..20) {
            0 if others_awake => {
                let mut next = self.birth();
                next.asleep_until = self.now + self.random.random_range(0..40);
                self.places[whom] = next;
            }
            1 | 2 if others_awake => self.places[whom].asleep_until = self.now + self.random.random_range(1..200),
            3 => self.places[whom].wrong_by = self.random.random_range(-4_000..4_000),
            4 => self.places[whom].wrong_by = 0,
            _ => {}
        }
    }

    async fn beat(&mut self) {
        let clock = self.clock();
        for place in 0..self.places.len() {
            if self.places[place].asleep_until == self.now {
                // Whoever wakes up believes what it believed, and ticks before it hears anything.
                self.tick(place).await;
            }
            if self.places[place].asleep_until <= self.now {
                self.places[place].replica.beat(clock).await.unwrap();
            }
        }
        self.leaders.extend(self.places.iter().filter_map(|place| place.replica.term()));
    }

    /// A wrong clock makes for a tick more, at that time; the right one follows, since time is asked of Redis.
    async fn tick(&mut self, place: usize) {
        let wrong = self.places[place].wrong_by;
        for now in [self.now + wrong, self.now].iter().skip(usize::from(wrong == 0)) {
            let outcomes = self.places[place].replica.tick(time(*now), self.clock()).await.unwrap();
            for outcome in outcomes {
                *self.outcomes.entry(outcome).or_default() += 1;
            }
            self.seen.collect(&self.fleet, Some(self.now)).await;
        }
    }

    /// All say that they are there, and tick.
    async fn turn_up(&mut self) {
        self.beat().await;
        for place in 0..self.places.len() {
            self.tick(place).await;
        }
    }
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}
