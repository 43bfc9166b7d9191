//! The budget that the whole fleet shares: one script in Redis decides.

mod processes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{InstanceId, Site};
use jira::{
    Atlassian, Budgets, Client, ClientConfig, Credentials, Drawn, Endpoint, Error, Obstacle, Priority, Reach, Verb,
};
use redis::AsyncCommands;
use tests::queue_config;

const SEARCH: Endpoint = Endpoint::new(Verb::Post, "/search/jql");

async fn budgets(queues: &queue::Config) -> Budgets {
    Budgets::connect(&queues.url, &queues.prefix).await.unwrap()
}

/// A fleet's budget by a clock that the test moves: minutes of traffic in a moment.
struct Fleet {
    budgets: Budgets,
    instance: InstanceId,
    per_minute: u32,
    clock: Arc<AtomicU64>,
}

impl Fleet {
    async fn new(per_minute: u32) -> Self {
        let queues = queue_config().await;
        let clock = Arc::new(AtomicU64::new(1_790_000_000_000));
        let budgets = budgets(&queues).await.with_clock(clock.clone());
        Self { budgets, instance: InstanceId::generate(), per_minute, clock }
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn pass(&self, time: Duration) {
        self.clock.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    async fn draw(&self, endpoint: Endpoint, priority: Priority) -> Drawn {
        self.budgets.draw(self.instance, self.per_minute, endpoint, priority).await.unwrap()
    }

    /// Asks as often as it may for so long; says when it did.
    async fn saturate(&self, lasts: Duration, priority: Priority) -> Vec<u64> {
        let (end, mut taken) = (self.now() + u64::try_from(lasts.as_millis()).unwrap(), Vec::new());
        while self.now() < end {
            let drawn = self.draw(SEARCH, priority).await;
            if drawn.taken {
                taken.push(self.now());
            } else {
                self.pass(drawn.wait);
            }
        }
        taken
    }
}

/// The most that fell into any window of this length.
fn densest(taken: &[u64], window: Duration) -> usize {
    let window = u64::try_from(window.as_millis()).unwrap();
    (0..taken.len()).map(|i| taken[i..].partition_point(|at| *at < taken[i] + window)).max().unwrap_or(0)
}

#[tokio::test]
async fn no_two_minutes_see_more_than_a_hundredth_above_the_rate() {
    for per_minute in [100, 600] {
        let (fleet, mut taken) = (Fleet::new(per_minute).await, Vec::new());
        // A fresh instance, a rest, a trickle that saves its burst for later, and rests of every kind again.
        for (busy, rest) in [(200, 31), (5, 90), (20, 29), (61, 61), (1, 40), (130, 0)] {
            taken.extend(fleet.saturate(Duration::from_secs(busy), Priority::Live).await);
            fleet.pass(Duration::from_secs(rest));
        }
        let most = densest(&taken, Duration::from_secs(120));
        assert!(most * 100 <= usize::try_from(per_minute).unwrap() * 202, "{most} in two minutes of {per_minute}");
        let first = taken.iter().filter(|at| **at < taken[0] + 60_000).count();
        assert!(first <= usize::try_from(per_minute).unwrap(), "{first} in the first minute of {per_minute}");
    }
}

#[tokio::test]
async fn who_rested_may_hurry_and_who_does_not_rest_gets_all_there_is() {
    let fleet = Fleet::new(100).await;
    let taken = fleet.saturate(Duration::from_secs(600), Priority::Bulk).await;
    let at_once = taken.iter().filter(|at| **at < taken[0] + 1000).count();
    assert!((34..=37).contains(&at_once), "{at_once} at once, and the rest of the burst is left to the more urgent");
    assert!(taken.len() >= 980, "{} in ten minutes", taken.len());
}

#[tokio::test]
async fn a_live_question_never_waits_for_a_backfill() {
    for per_minute in [100, 6000] {
        let fleet = Fleet::new(per_minute).await;
        for _ in 0..60 {
            fleet.saturate(Duration::from_secs(2), Priority::Bulk).await;
            assert!(fleet.draw(SEARCH, Priority::Live).await.taken, "{per_minute}");
        }
    }
}

#[tokio::test]
async fn the_more_urgent_are_served_after_the_less_urgent_got_nothing() {
    let fleet = Fleet::new(100).await;
    let mut shares = Vec::new();
    for priority in [Priority::Bulk, Priority::Upkeep, Priority::Poll, Priority::Live] {
        let mut drawn = 0;
        while fleet.draw(SEARCH, priority).await.taken {
            drawn += 1;
        }
        shares.push(drawn);
    }
    // The endpoint gives twenty at once, and no time passes.
    assert_eq!(shares, [14, 2, 2, 2]);
}

#[tokio::test]
async fn an_endpoint_that_is_paused_or_slowed_stops_no_other() {
    let (fleet, other) = (Fleet::new(60_000).await, Endpoint::new(Verb::Get, "/field"));
    fleet.budgets.pause(fleet.instance, Reach::Endpoint(SEARCH), Duration::from_secs(5)).await.unwrap();
    let drawn = fleet.draw(SEARCH, Priority::Live).await;
    assert_eq!((drawn.taken, drawn.obstacle, drawn.wait), (false, Some(Obstacle::Pause), Duration::from_secs(5)));
    assert!(fleet.draw(other, Priority::Live).await.taken);
    fleet.pass(Duration::from_secs(60));
    let usual = fleet.saturate(Duration::from_secs(10), Priority::Live).await.len();
    fleet.budgets.slow(fleet.instance, Reach::Endpoint(SEARCH), 0.5, Duration::from_secs(60)).await.unwrap();
    let slowed = fleet.saturate(Duration::from_secs(10), Priority::Live).await.len();
    // A hundred a second is what Jira takes at this endpoint.
    assert!((1000..=1021).contains(&usual), "{usual}");
    assert!((499..=521).contains(&slowed), "{slowed}");
}

#[tokio::test]
async fn many_pods_together_take_no_more_than_one_budget() {
    let (queues, instance, per_minute) = (queue_config().await, InstanceId::generate(), 30);
    let clock = Arc::new(AtomicU64::new(1_790_000_000_000));
    let pods = (0..8).map(|_| async {
        let (budgets, mut drawn) = (budgets(&queues).await.with_clock(clock.clone()), 0);
        while budgets.draw(instance, per_minute, SEARCH, Priority::Live).await.unwrap().taken {
            drawn += 1;
        }
        drawn
    });
    let drawn: u32 = futures::future::join_all(pods).await.into_iter().sum();
    assert_eq!(drawn, 15, "half a minute's worth, while no time passes");
}

#[tokio::test]
async fn four_pods_at_full_speed_keep_to_the_rate() {
    let (queues, instance, per_minute) = (queue_config().await, InstanceId::generate(), 100);
    let clock = Arc::new(AtomicU64::new(1_790_000_000_000));
    let mut pods = Vec::new();
    for _ in 0..4 {
        pods.push(budgets(&queues).await.with_clock(clock.clone()));
    }
    let (now, mut taken) = (|| clock.load(Ordering::Relaxed), Vec::new());
    let end = now() + 6 * 60_000;
    while now() < end {
        let asked = pods.iter().map(|pod| async {
            let mut got = 0;
            loop {
                let drawn = pod.draw(instance, per_minute, SEARCH, Priority::Live).await.unwrap();
                if !drawn.taken {
                    return (got, drawn.wait);
                }
                got += 1;
            }
        });
        let answers = futures::future::join_all(asked).await;
        taken.extend(std::iter::repeat_n(now(), answers.iter().map(|(got, _)| got).sum()));
        let wait = answers.iter().map(|(_, wait)| *wait).min().unwrap();
        clock.fetch_add(u64::try_from(wait.as_millis()).unwrap().max(1), Ordering::Relaxed);
    }
    let densest = densest(&taken, Duration::from_secs(120));
    assert!((198..=202).contains(&densest), "{densest} in two minutes");
}

#[tokio::test]
async fn budgets_of_instances_are_apart() {
    let queues = queue_config().await;
    let budgets = budgets(&queues).await;
    for _ in 0..2 {
        let instance = InstanceId::generate();
        assert!(budgets.draw(instance, 100, SEARCH, Priority::Live).await.unwrap().taken);
        budgets.pause(instance, Reach::Instance, Duration::from_secs(60)).await.unwrap();
        assert!(!budgets.draw(instance, 100, SEARCH, Priority::Live).await.unwrap().taken);
    }
}

#[tokio::test]
async fn the_told_wait_is_enough_and_not_too_long() {
    let fleet = Fleet::new(300).await;
    for priority in [Priority::Live, Priority::Bulk] {
        fleet.saturate(Duration::from_secs(120), priority).await;
        let mut drawn = fleet.draw(SEARCH, priority).await;
        while drawn.taken {
            drawn = fleet.draw(SEARCH, priority).await;
        }
        assert!(drawn.wait <= Duration::from_millis(401), "{drawn:?}");
        fleet.pass(drawn.wait);
        assert!(fleet.draw(SEARCH, priority).await.taken);
    }
}

#[tokio::test]
async fn a_pause_stops_everybody_and_is_never_shortened() {
    let (queues, instance) = (queue_config().await, InstanceId::generate());
    let (one, other) = (budgets(&queues).await, budgets(&queues).await);
    one.pause(instance, Reach::Instance, Duration::from_secs(60)).await.unwrap();
    one.pause(instance, Reach::Instance, Duration::from_millis(1)).await.unwrap();
    let drawn = other.draw(instance, 100, SEARCH, Priority::Live).await.unwrap();
    assert!(!drawn.taken && drawn.wait > Duration::from_secs(58), "{drawn:?}");
}

#[tokio::test]
async fn a_budget_nobody_uses_is_forgotten() {
    let (queues, instance) = (queue_config().await, InstanceId::generate());
    let budgets = budgets(&queues).await;
    let mut redis = redis::Client::open(queues.url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let key = format!("{}:budget:{instance}", queues.prefix);
    budgets.draw(instance, 100, SEARCH, Priority::Live).await.unwrap();
    let left: i64 = redis.pttl(&key).await.unwrap();
    assert!((1..=120_000).contains(&left), "{left}");
    budgets.pause(instance, Reach::Instance, Duration::from_secs(600)).await.unwrap();
    budgets.draw(instance, 100, SEARCH, Priority::Live).await.unwrap();
    let left: i64 = redis.pttl(&key).await.unwrap();
    assert!(left > 600_000, "a pause is remembered to its end: {left}");
}

#[tokio::test]
async fn a_client_without_budget_does_not_ask_and_says_when_to_come_again() {
    let (queues, instance) = (queue_config().await, InstanceId::generate());
    let budgets = budgets(&queues).await;
    budgets.pause(instance, Reach::Instance, Duration::from_secs(30)).await.unwrap();
    let config = ClientConfig {
        instance,
        // Nobody listens there: asking would end otherwise.
        site: Site::trusted("http://127.0.0.1:1".into()),
        credentials: Credentials::Basic { email: "bot@example.com".into(), token: "token".to_owned().into() },
        account: None,
        requests_per_minute: 100,
        user_agent: "jirafleet/test".into(),
        timeout: Duration::from_secs(1),
        body_cap: 1024,
        atlassian: Atlassian::default(),
    };
    let client = Client::new(config, budgets).unwrap();
    let result = client.with_priority(Priority::Bulk).fields().await;
    assert!(matches!(result, Err(Error::Throttled { after }) if after > Duration::from_secs(29)), "{result:?}");
}
