//! A Redis that does not keep what it is given.

use super::{examine, house};
use crate::cli::Cli;

#[tokio::test]
async fn settings_that_lose_jobs_are_found() {
    let fleet = house().await;
    let servers = tests::private_servers().await;
    let mut cli = Cli::of(&fleet, "doctor-redis");
    cli.redis_url = servers.redis_url();
    let client = redis::Client::open(servers.redis_url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let report = examine(&cli).await;
    for check in ["redis.eviction", "redis.persistence", "redis.role", "redis.memory", "redis.clients", "redis.disk"] {
        assert_eq!(report.state(check), "ok", "{check}");
    }
    for (name, wrong, right, check, state, found) in [
        ("maxmemory-policy", "allkeys-lru", "noeviction", "redis.eviction", "failure", "allkeys-lru"),
        ("appendonly", "no", "yes", "redis.persistence", "warning", "append-only log is off"),
        ("maxclients", "40", "10000", "redis.clients", "warning", "of 40"),
    ] {
        set(&mut redis, name, wrong).await;
        let report = examine(&cli).await;
        match check {
            "redis.eviction" => report.finds("redis.eviction", state, found),
            "redis.persistence" => report.finds("redis.persistence", state, found),
            _ => report.finds("redis.clients", state, found),
        }
        set(&mut redis, name, right).await;
    }
    let used: String = redis::cmd("INFO").arg("memory").query_async(&mut redis).await.unwrap();
    let used: u64 = used.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok()).unwrap();
    set(&mut redis, "maxmemory", &(used * 10 / 9).to_string()).await;
    examine(&cli).await.finds("redis.memory", "warning", "MiB are used");
    set(&mut redis, "maxmemory", &used.to_string()).await;
    let full = examine(&cli).await;
    full.finds("redis.memory", "failure", "MiB are used");
    set(&mut redis, "maxmemory", "0").await;

    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).query_async::<()>(&mut redis).await.unwrap();
    examine(&cli).await.finds("redis.role", "failure", "replica");
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async::<()>(&mut redis).await.unwrap();
}

async fn set(redis: &mut redis::aio::MultiplexedConnection, name: &str, value: &str) {
    redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query_async::<()>(redis).await.unwrap();
}

#[tokio::test]
async fn a_cache_that_is_away_is_only_slow() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-cache");
    let away = super::examine_with(&cli, &["--cache-redis-url", "redis://127.0.0.1:1"]).await;
    away.finds("cache.reachable", "warning", "did not answer");
    let none = super::examine_with(&cli, &["--cache-redis-url", "none"]).await;
    assert_eq!(none.state("cache.reachable"), "ok");
}
