//! How fresh the mirror is: `bench freshness`. From the moment a webhook is received until its row is committed.
//!
//! A whole fleet in this process against a simulated site, on this machine.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use queue::Job;
use tests::{FleetOptions, TestFleet};

use crate::{
    folder,
    report::{Found, Report, Row},
};

/// Changes a second, and for how long.
const PACE: u32 = 50;
const LENGTH: Duration = Duration::from_secs(20);
/// As many connections to PostgreSQL as a worker process with these slots has.
const CONNECTIONS: u32 = 14;
/// Issues of the site.
const ISSUES: usize = 3_000;
/// Issues of the site that is backfilled beside.
const BESIDE: usize = 30_000;

pub(crate) async fn run() -> ExitCode {
    let mut report = Report::new("freshness");
    eprintln!("{PACE} changes a second ..");
    let waits = at_a_steady_pace(ISSUES, false).await;
    add(&mut report, "p50_ms_50eps", percentile(&waits, 50), "ms");
    add(&mut report, "p99_ms_50eps", percentile(&waits, 99), "ms");
    eprintln!("the same beside a backfill ..");
    let waits = at_a_steady_pace(BESIDE, true).await;
    add(&mut report, "p99_ms_50eps_backfill", percentile(&waits, 99), "ms");
    eprintln!("2,000 issues in a minute, with a hundred requests a minute ..");
    add(&mut report, "burst_2000_budget100_s", with_a_small_budget().await, "s");
    eprintln!("a storm of 5,000 ..");
    add(&mut report, "requests_burst_5000", storm().await, "requests");
    report.publish(&folder())
}

fn add(report: &mut Report, case: &str, figure: f64, unit: &'static str) {
    let found = Found::of(vec![figure], unit, "lower");
    report.rows.push(Row { case: case.to_owned(), subject: "jirafleet", found });
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

async fn fleet(issues: usize, requests_per_minute: u32) -> TestFleet {
    let jira = simulator::Config {
        issues,
        comments_per_issue: 3..=3,
        histories_per_issue: 5..=5,
        ..simulator::Config::default()
    };
    let options = FleetOptions { jira, requests_per_minute, connections: CONNECTIONS, ..FleetOptions::default() };
    TestFleet::judging_nothing(options).await
}

async fn ask_for_a_backfill(fleet: &TestFleet) {
    let job = Job::Backfill { instance: fleet.instance.id, projects: Vec::new(), since: None };
    fleet.producer.enqueue(job).await.expect("Redis answers");
}

/// How long each change waited, in milliseconds, ascending.
async fn at_a_steady_pace(issues: usize, beside_a_backfill: bool) -> Vec<f64> {
    let mut fleet = fleet(issues, 60_000).await;
    ask_for_a_backfill(&fleet).await;
    if !beside_a_backfill {
        fleet.drain_within(Duration::from_secs(300)).await;
    }
    let (world, keys) = (fleet.jira(), fleet.jira().issue_keys());
    let mut pace = tokio::time::interval(Duration::from_secs(1) / PACE);
    let changes = usize::try_from(PACE * u32::try_from(LENGTH.as_secs()).expect("short")).expect("few");
    for number in 0..changes {
        pace.tick().await;
        world.edit(&keys[number * 7 % keys.len()], |issue| issue.summary = format!("{number}")).expect("it is there");
    }
    let mut waits = Vec::with_capacity(changes);
    while waits.len() < changes {
        let applied = tokio::time::timeout(Duration::from_secs(60), fleet.applied.recv()).await;
        let Ok(Some(applied)) = applied else { break };
        waits.push((applied.committed_at - applied.touched_at).as_seconds_f64() * 1_000.0);
    }
    waits.sort_unstable_by(f64::total_cmp);
    waits
}

/// From the last of two thousand changes within a minute until all are in the mirror.
async fn with_a_small_budget() -> f64 {
    const CHANGES: usize = 2_000;
    let mut fleet = fleet(CHANGES, 100).await;
    let (world, keys) = (fleet.jira(), fleet.jira().issue_keys());
    let mut pace = tokio::time::interval(Duration::from_millis(25));
    for (number, key) in keys.iter().enumerate() {
        pace.tick().await;
        world.edit(key, |issue| issue.summary = format!("{number}")).expect("it is there");
    }
    let (last, mut fresh) = (Instant::now(), std::collections::HashSet::new());
    while fresh.len() < CHANGES {
        let applied = tokio::time::timeout(Duration::from_secs(180), fleet.applied.recv()).await;
        let Ok(Some(applied)) = applied else { panic!("only {} of {CHANGES} issues became fresh", fresh.len()) };
        fresh.insert(applied.issue);
    }
    last.elapsed().as_secs_f64()
}

/// Requests that five thousand changes at once cost.
async fn storm() -> f64 {
    let fleet = fleet(5_000, 60_000).await;
    ask_for_a_backfill(&fleet).await;
    fleet.drain_within(Duration::from_secs(300)).await;
    let (world, before) = (fleet.jira(), fleet.requests());
    let ids = world.issue_ids();
    world.bulk_edit(&ids, |issue| issue.summary.push('!')).expect("they are there");
    fleet.drain_within(Duration::from_secs(300)).await;
    (fleet.requests() - before) as f64
}
