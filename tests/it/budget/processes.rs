//! The budget of a real fleet: processes that share it, and a Redis that changes under it.

use std::time::{Duration, Instant};

use chrono::Utc;
use domain::{InstanceId, IssueId};
use jira::{Drawn, Priority};
use redis::AsyncCommands as _;
use tests::{FleetOptions, TestFleet};

use super::{SEARCH, budgets};
use crate::{crash::Process, pitfalls::desk::issue_id, queue::trouble::Watched};

/// Four processes with much to ask: together they take half a minute's worth at once, and two more a second.
#[tokio::test]
async fn four_worker_processes_have_one_budget() {
    const PER_MINUTE: u32 = 120;
    let jira = simulator::Config { issues: 100, projects: 4, comments_per_issue: 101..=101, ..Default::default() };
    let options = FleetOptions { jira, worker: false, requests_per_minute: PER_MINUTE, ..Default::default() };
    let fleet = TestFleet::with(options).await;
    let key_file = std::env::temp_dir().join(format!("jirafleet-budget-{}", std::process::id()));
    std::fs::write(&key_file, "5a".repeat(32)).unwrap();
    let workers: Vec<Process> = (0..4).map(|_| Process::worker(&fleet, &key_file)).collect();
    let ids: Vec<IssueId> = fleet.jira().issue_ids().into_iter().map(issue_id).collect();
    fleet.producer.touch(fleet.instance.id, &ids, Utc::now()).await.unwrap();
    let began = Instant::now();
    let allowed = |since: Duration| 60.0 + since.as_secs_f64() * 2.0 * 1.01 + 1.0;
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    // Each issue costs three questions, so there is much more to ask than may be asked.
    while fleet.requests() < 75 {
        looks.tick().await;
        let (asked, since) = (fleet.requests(), began.elapsed());
        assert!(since < Duration::from_secs(60), "{asked} requests within {since:?}");
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let asked = asked as f64;
        assert!(asked <= allowed(since), "{asked} requests within {since:?}, allowed are {}", allowed(since));
    }
    drop(workers);
    std::fs::remove_file(key_file).unwrap();
}

/// What was spent is known to the replica that takes over, and the budget finds it by itself.
#[tokio::test]
async fn a_budget_outlives_a_failover() {
    let mut house = Watched::start().await;
    let (budgets, instance) = (budgets(&house.config()).await, InstanceId::generate());
    let draw = async || budgets.draw(instance, 4, SEARCH, Priority::Live).await;
    while draw().await.unwrap().taken {}
    let mut master = house.raw(house.ports[0]).await;
    // WAIT looks at what its own connection wrote last.
    let () = master.set("a write of this connection", 1).await.unwrap();
    let copies: u64 = redis::cmd("WAIT").arg(1).arg(5_000).query_async(&mut master).await.unwrap();
    assert_eq!(copies, 1);
    drop(house.master.take());
    let began = Instant::now();
    let drawn: Drawn = loop {
        match draw().await {
            Ok(drawn) => break drawn,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(10), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(!drawn.taken && drawn.wait > Duration::ZERO, "nothing was forgotten: {drawn:?}");
}
