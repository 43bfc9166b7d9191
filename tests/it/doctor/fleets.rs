//! A fleet in which nobody works, or too little.

use super::{examine, house, is_found};
use crate::cli::Cli;

#[tokio::test]
async fn queues_that_stand_still_are_found() {
    let fleet = house().await;
    let mut cli = Cli::of(&fleet, "doctor-queues");
    // Nobody was ever there.
    cli.redis_prefix.push_str("-empty");
    let empty = examine(&cli).await;
    empty.finds("workers.alive", "warning", "no worker");
    empty.finds("scheduler.alive", "failure", "none was seen");
    empty.finds("gateway.alive", "warning", "none was seen");
}

#[tokio::test]
async fn what_waits_too_long_is_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-waits");
    let redis = redis::Client::open(fleet.queues.url.as_str()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let key = |queue: &str, name: &str| format!("{}:{{{queue}}}:{name}", fleet.queues.prefix);
    // Became ready in 1970, is due since then, was given up.
    let add = |key: String| redis::cmd("XADD").arg(key).arg("1-1").arg("e").arg("{}").clone();
    for command in [add(key("live", "s")), add(key("bulk", "dead"))] {
        command.query_async::<String>(&mut redis).await.unwrap();
    }
    redis::cmd("ZADD").arg(key("upkeep", "delayed")).arg(1).arg("{}").query_async::<u64>(&mut redis).await.unwrap();
    cli.ok(&["queue", "pause", "bulk", "--why", "Jira moves", "--by", "ada"]).await;
    let report = examine(&cli).await;
    is_found(report.of("queue.age", "live"), "failure", "has waited");
    is_found(report.of("queue.dead", "bulk"), "warning", "1 dead letters");
    is_found(report.of("queue.overdue", "upkeep"), "failure", "over its time");
    is_found(report.of("queue.paused", "bulk"), "warning", "by ada: Jira moves");
    is_found(report.of("workers.alive", "live"), "failure", "no worker");
    assert_eq!((report.of("queue.age", "upkeep")["state"].as_str(), report.code), (Some("ok"), 1));
}
