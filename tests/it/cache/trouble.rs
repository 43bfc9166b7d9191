//! Readers that are late, and a Redis that is away, slow or back again.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use store::CacheConfig;

use super::{Cached, OwnRedis, relay::Relay};

#[tokio::test]
async fn a_reader_paused_between_its_reading_and_its_put_never_wins() {
    let cached = Cached::new().await;
    let relay = Relay::start(&cached.config.url).await;
    let quick = cached.process().await;
    for id in 1..4 {
        cached.write(&quick, id, 1).await;
    }
    // One that has waited in vain asks no more for a second, so each time it is a new one. Redis knows the scripts, so that
    // what is held is the put itself.
    let slow = async || {
        let slow = cached.process_at(&relay.url).await;
        cached.read(&slow, "ACME-9").await;
        slow
    };
    cached.read(&quick, "ACME-8").await;
    for (id, read_meanwhile) in [(1, false), (2, true)] {
        let (key, slow) = (format!("ACME-{id}"), slow().await);
        relay.hold();
        assert_eq!(cached.summary(&slow, &key).await.unwrap(), "v1");
        relay.until_held().await;
        assert!(cached.entry(&key).await.unwrap().starts_with('?'), "its lease");
        cached.write(&quick, id, 2).await;
        if read_meanwhile {
            assert_eq!(cached.summary(&quick, &key).await.unwrap(), "v2");
        }
        relay.release().await;
        let entry = cached.entry(&key).await;
        assert!(entry.as_deref().is_none_or(|entry| entry.contains("v2")), "{entry:?}");
        assert_eq!(entry.is_some(), read_meanwhile);
        assert_eq!(cached.summary(&quick, &key).await.unwrap(), "v2");
    }
    // What shows that the puts really came: without a writer the late one wins.
    let slow = slow().await;
    relay.hold();
    cached.read(&slow, "ACME-3").await;
    relay.until_held().await;
    relay.release().await;
    assert!(cached.entry("ACME-3").await.unwrap().contains("v1"));
}

fn signal(server: &OwnRedis, what: &str) {
    assert!(Command::new("kill").args([what, &server.pid().to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn while_redis_sleeps_reads_are_quick_and_commits_succeed() {
    let own = OwnRedis::start().await;
    let cached = Cached::in_redis(CacheConfig { url: own.url(), prefix: "own".to_owned() }).await;
    let (one, other) = (cached.process().await, cached.process().await);
    cached.write(&one, 1, 1).await;
    cached.read(&one, "ACME-1").await;
    signal(&own, "-STOP");
    let began = Instant::now();
    assert_eq!(cached.summary(&one, "ACME-1").await.unwrap(), "v1");
    cached.write(&one, 1, 2).await;
    for _ in 0..20 {
        assert_eq!(cached.summary(&one, "ACME-1").await.unwrap(), "v2", "its own write");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    signal(&own, "-CONT");
    // The drop that is owed comes as soon as Redis answers.
    until(async || cached.entry("ACME-1").await.is_none_or(|entry| !entry.contains("v1"))).await;
    assert_eq!(cached.summary(&other, "ACME-1").await.unwrap(), "v2");
}

#[tokio::test]
async fn what_was_written_while_redis_was_away_is_not_old_when_it_is_back() {
    let mut own = OwnRedis::start().await;
    let mut cached = Cached::in_redis(CacheConfig { url: own.url(), prefix: "own".to_owned() }).await;
    let (one, other) = (cached.process().await, cached.process().await);
    cached.write(&one, 1, 1).await;
    assert_eq!(cached.summary(&other, "ACME-1").await.unwrap(), "v1");
    own.kill();
    cached.write(&one, 1, 2).await;
    for process in [&one, &other] {
        assert_eq!(cached.summary(process, "ACME-1").await.unwrap(), "v2");
    }
    // It comes back with everything it knew.
    own.run().await;
    cached.redis = redis::Client::open(own.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    until(async || cached.entry("ACME-1").await.is_none_or(|entry| !entry.contains("v1"))).await;
    assert_eq!(cached.summary(&other, "ACME-1").await.unwrap(), "v2");
    until(async || {
        cached.read(&one, "ACME-1").await;
        cached.entry("ACME-1").await.is_some_and(|entry| entry.contains("v2"))
    })
    .await;
}

async fn until(condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("within half a minute");
}

#[tokio::test]
async fn a_redis_that_was_never_there_is_no_reason_not_to_start() {
    let nowhere = CacheConfig { url: "redis://127.0.0.1:1".to_owned(), prefix: "own".to_owned() };
    let mirror = super::Mirror::new().await;
    let store = tests::cached_store_for(&mirror.database, 2, nowhere).await;
    let tenant = store.tenant(mirror.tenant.id());
    let mut tx = tenant.begin().await.unwrap();
    tx.apply(mirror.instance, &[super::said(1, (1, 1), "there")]).await.unwrap();
    tx.commit().await.unwrap();
    let found = tenant.issue_by_key(mirror.instance, &"ACME-1".parse().unwrap()).await.unwrap();
    assert_eq!(found.unwrap().summary, "there");
}

#[test]
fn hits_and_misses_are_counted() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let cached = Cached::new().await;
            let one = cached.process().await;
            cached.write(&one, 1, 1).await;
            for _ in 0..3 {
                cached.read(&one, "ACME-1").await;
            }
        });
    });
    let text = recorder.handle().render();
    for line in [
        r#"jirafleet_cache_requests_total{cache="issue",result="miss"} 1"#,
        r#"jirafleet_cache_requests_total{cache="issue",result="hit"} 2"#,
        r#"jirafleet_cache_dropped_total{result="ok"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
