//! The budget that the whole fleet shares: one script in Redis decides.

use std::time::{Duration, Instant};

use domain::{InstanceId, Site};
use jira::{Budgets, Client, ClientConfig, Credentials, Error, Priority};
use redis::AsyncCommands;
use tests::queue_config;

async fn budgets(queues: &queue::Config) -> Budgets {
    Budgets::connect(&queues.url, &queues.prefix).await.unwrap()
}

/// Draws until there is no more; says how many there were.
async fn drain(budgets: &Budgets, instance: InstanceId, per_minute: u32, priority: Priority) -> u32 {
    let mut drawn = 0;
    while budgets.draw(instance, per_minute, priority).await.unwrap().taken {
        drawn += 1;
    }
    drawn
}

#[tokio::test]
async fn many_pods_together_take_no_more_than_one_budget() {
    let (queues, instance, per_minute) = (queue_config().await, InstanceId::generate(), 600);
    let begun = Instant::now();
    let pods = (0..8).map(|_| async {
        let budgets = budgets(&queues).await;
        drain(&budgets, instance, per_minute, Priority::Live).await
    });
    let drawn: u32 = futures::future::join_all(pods).await.into_iter().sum();
    // Ten a second come back while they draw.
    let most = 600.0 + 10.0 * begun.elapsed().as_secs_f64() + 1.0;
    assert!(drawn >= 600 && f64::from(drawn) <= most, "{drawn} of at most {most}");
}

#[tokio::test]
async fn a_backfill_leaves_a_share_for_what_is_more_urgent() {
    let (queues, instance) = (queue_config().await, InstanceId::generate());
    let budgets = budgets(&queues).await;
    for (priority, share) in [(Priority::Bulk, 70), (Priority::Upkeep, 10), (Priority::Poll, 10), (Priority::Live, 10)]
    {
        let drawn = drain(&budgets, instance, 100, priority).await;
        assert!((share..=share + 1).contains(&drawn), "{priority:?} drew {drawn}");
    }
}

#[tokio::test]
async fn budgets_of_instances_are_apart() {
    let queues = queue_config().await;
    let budgets = budgets(&queues).await;
    assert_eq!(drain(&budgets, InstanceId::generate(), 5, Priority::Live).await, 5);
    assert_eq!(drain(&budgets, InstanceId::generate(), 5, Priority::Live).await, 5);
}

#[tokio::test]
async fn the_told_wait_is_enough_and_not_much_too_long() {
    let (queues, instance) = (queue_config().await, InstanceId::generate());
    let budgets = budgets(&queues).await;
    drain(&budgets, instance, 300, Priority::Live).await;
    let wait = budgets.draw(instance, 300, Priority::Live).await.unwrap().wait;
    assert!(wait <= Duration::from_millis(201), "{wait:?}");
    tokio::time::sleep(wait).await;
    assert!(budgets.draw(instance, 300, Priority::Live).await.unwrap().taken);
}

#[tokio::test]
async fn a_pause_stops_everybody_and_is_never_shortened() {
    let (queues, instance) = (queue_config().await, InstanceId::generate());
    let (one, other) = (budgets(&queues).await, budgets(&queues).await);
    one.pause(instance, Duration::from_secs(60)).await.unwrap();
    one.pause(instance, Duration::from_millis(1)).await.unwrap();
    let drawn = other.draw(instance, 100, Priority::Live).await.unwrap();
    assert!(!drawn.taken && drawn.wait > Duration::from_secs(58), "{drawn:?}");
}

#[tokio::test]
async fn a_budget_nobody_uses_is_forgotten() {
    let (queues, instance) = (queue_config().await, InstanceId::generate());
    let budgets = budgets(&queues).await;
    let mut redis = redis::Client::open(queues.url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let key = format!("{}:budget:{instance}", queues.prefix);
    budgets.draw(instance, 100, Priority::Live).await.unwrap();
    let left: i64 = redis.pttl(&key).await.unwrap();
    assert!((1..=120_000).contains(&left), "{left}");
    budgets.pause(instance, Duration::from_secs(600)).await.unwrap();
    budgets.draw(instance, 100, Priority::Live).await.unwrap();
    let left: i64 = redis.pttl(&key).await.unwrap();
    assert!(left > 600_000, "a pause is remembered to its end: {left}");
}

#[tokio::test]
async fn a_client_without_budget_does_not_ask_and_says_when_to_come_again() {
    let (queues, instance) = (queue_config().await, InstanceId::generate());
    let budgets = budgets(&queues).await;
    budgets.pause(instance, Duration::from_secs(30)).await.unwrap();
    let config = ClientConfig {
        instance,
        // Nobody listens there: asking would end otherwise.
        site: Site::trusted("http://127.0.0.1:1".into()),
        credentials: Credentials { email: "bot@example.com".into(), token: "token".to_owned().into() },
        account: None,
        requests_per_minute: 100,
        user_agent: "jirafleet/test".into(),
        timeout: Duration::from_secs(1),
        body_cap: 1024,
    };
    let client = Client::new(config, budgets).unwrap();
    let result = client.with_priority(Priority::Bulk).fields().await;
    assert!(matches!(result, Err(Error::Throttled { after }) if after > Duration::from_secs(29)), "{result:?}");
}
