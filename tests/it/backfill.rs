//! Walk (b): an operator runs a backfill.

use queue::{Enqueued, Job};
use simulator::Route;
use store::{BackfillPlan, BackfillRow};
use tests::{FleetOptions, TestFleet};
use uuid::Uuid;

use crate::cli::Cli;

/// A run whose chains wait for a worker, which is yet to start.
async fn planned(fleet: &TestFleet) -> Vec<BackfillRow> {
    let (tenant, instance) = (fleet.store.tenant(fleet.instance.tenant), fleet.instance.id);
    let projects = tenant.projects(instance).await.unwrap();
    let run = Uuid::now_v7();
    let plan = |project| BackfillPlan { project, run, since: None, expected: None };
    let plans: Vec<BackfillPlan> = projects.iter().map(|project| plan(project.id)).collect();
    let mut tx = tenant.begin().await.unwrap();
    tx.backfill_plan(instance, &plans).await.unwrap();
    tx.commit().await.unwrap();
    let rows = rows(fleet).await;
    fleet.producer.enqueue_all(rows.iter().map(|row| worker::chain(instance, row)).collect()).await.unwrap();
    rows
}

async fn rows(fleet: &TestFleet) -> Vec<BackfillRow> {
    fleet.store.tenant(fleet.instance.tenant).backfill_progress(fleet.instance.id).await.unwrap()
}

/// A fleet that knows its projects and has no worker.
async fn at_rest() -> TestFleet {
    let mut fleet = TestFleet::start().await;
    fleet.producer.enqueue(Job::SyncDirectory { instance: fleet.instance.id }).await.unwrap();
    fleet.drain().await;
    fleet.stop_workers().await;
    fleet
}

async fn copied(fleet: &TestFleet) -> u64 {
    fleet.store.tenant(fleet.instance.tenant).count_issues(fleet.instance.id).await.unwrap()
}

#[tokio::test]
async fn a_backfill_copies_everything_in_few_requests() {
    let fleet = TestFleet::with(FleetOptions {
        jira: simulator::Config { issues: 1000, projects: 4, ..Default::default() },
        ..Default::default()
    })
    .await;
    fleet.backfill().await;
    fleet.assert_mirror_equals_jira().await;
    let spent = fleet.requests();
    assert!(spent <= 40, "1,000 issues cost {spent} requests");
    assert_eq!(fleet.dead().await, 0);
}

#[tokio::test]
async fn cut_comments_and_changelogs_are_completed() {
    let fleet = TestFleet::with(FleetOptions {
        jira: simulator::Config {
            issues: 12,
            comments_per_issue: 20..=40,
            histories_per_issue: 50..=70,
            embedded_comment_cap: 10,
            ..Default::default()
        },
        ..Default::default()
    })
    .await;
    fleet.backfill().await;
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn a_second_backfill_costs_no_writes_and_changes_nothing() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.backfill().await;
    fleet.assert_mirror_equals_jira().await;
    assert_eq!(fleet.dead().await, 0);
}

#[tokio::test]
async fn only_the_projects_asked_for_are_copied() {
    let fleet = TestFleet::start().await;
    let project = fleet.jira().project_keys()[1].clone();
    let projects = vec![project.parse().unwrap()];
    fleet.producer.enqueue(Job::Backfill { instance: fleet.instance.id, projects, since: None }).await.unwrap();
    fleet.drain().await;
    for key in fleet.jira().issue_keys() {
        let copied = fleet.row(&key).await.is_some();
        assert_eq!(copied, key.starts_with(&format!("{project}-")), "{key}");
    }
}

#[tokio::test]
async fn a_backfill_is_asked_for_once() {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await;
    let job = Job::Backfill { instance: fleet.instance.id, projects: Vec::new(), since: None };
    assert!(matches!(fleet.producer.enqueue(job.clone()).await.unwrap(), Enqueued::New(_)));
    assert!(matches!(fleet.producer.enqueue(job).await.unwrap(), Enqueued::Already { .. }));
}

#[tokio::test]
async fn a_spoilt_issue_is_quarantined_and_the_others_arrive() {
    let fleet = TestFleet::start().await;
    let keys = fleet.jira().issue_keys();
    fleet.jira().poison(fleet.jira().issue_id(&keys[5]).unwrap());
    fleet.backfill().await;
    for key in &keys {
        assert_eq!(fleet.row(key).await.is_some(), *key != keys[5], "{key}");
    }
    assert_eq!(fleet.dead().await, 1, "the spoilt one lies with the dead letters");
}

#[tokio::test]
async fn a_chain_of_an_earlier_run_holds_a_later_one_up_only_until_it_ends() {
    let fleet = TestFleet::start().await;
    fleet.producer.enqueue(Job::SyncDirectory { instance: fleet.instance.id }).await.unwrap();
    fleet.drain().await;
    let rows = fleet.store.tenant(fleet.instance.tenant).projects(fleet.instance.id).await.unwrap();
    let (instance, run) = (fleet.instance.id, uuid::Uuid::now_v7());
    let earlier = Job::BackfillProject { instance, project: rows[0].id, run, page: 3 };
    fleet.producer.enqueue_in(earlier, std::time::Duration::from_secs(2)).await.unwrap();
    let directory = || fleet.jira().requests().of(Route::Fields);
    let before = directory();
    fleet.backfill().await;
    assert_eq!(directory() - before, 1, "only the first look at the earlier chain reads the directory");
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn what_was_called_off_ends_and_is_not_begun_again_by_itself() {
    let mut fleet = at_rest().await;
    let cli = Cli::of(&fleet, "call-off");
    assert!(cli.fails(3, &["backfill", "acme", "--cancel"]).await.contains("no backfill of acme"));
    planned(&fleet).await;
    cli.ok(&["backfill", "acme", "--cancel"]).await;
    fleet.lose_webhooks();
    fleet.start_worker().await;
    fleet.drain().await;
    let unfinished = |row: &BackfillRow| !row.was_cancelled();
    assert_eq!((copied(&fleet).await, rows(&fleet).await.iter().filter(|row| unfinished(row)).count()), (0, 0));

    fleet.stop_workers().await;
    let first = planned(&fleet).await.remove(0);
    let listed = cli.ok(&["jobs", "list", "--kind", "backfill_project", "-o", "jsonl"]).await;
    let jobs = listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let ids: Vec<String> = jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.len() > 1, "{listed}");
    cli.ok(&["jobs", "cancel", &ids[0], "--yes"]).await;
    let called_off: Vec<BackfillRow> = rows(&fleet).await.into_iter().filter(BackfillRow::was_cancelled).collect();
    assert_eq!(called_off.len(), 1);
    assert_eq!(called_off[0].run, first.run);
    fleet.start_worker().await;
    fleet.drain().await;
    fleet.poll().await;
    let left: Vec<BackfillRow> = rows(&fleet).await.into_iter().filter(|row| row.state != "done").collect();
    assert_eq!(left, called_off, "the others are done, and nobody went on with this one");
    assert_eq!(left[0].synced, 0);
}

/// Five workers were lost to it; the next poll must not bring it upon five more.
#[tokio::test]
async fn a_project_whose_chain_is_poison_has_failed() {
    let mut fleet = at_rest().await;
    let planned = planned(&fleet).await;
    let redis = redis::Client::open(fleet.queues.url.as_str()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let stream = format!("{}:{{bulk}}:s", fleet.queues.prefix);
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg("g").arg("lost").arg("COUNT").arg(1).arg("STREAMS").arg(&stream).arg(">");
    read.query_async::<redis::Value>(&mut redis).await.unwrap();
    let mut pending = redis::cmd("XPENDING");
    pending.arg(&stream).arg("g").arg("-").arg("+").arg(1);
    let delivered: Vec<(String, String, u64, u64)> = pending.query_async(&mut redis).await.unwrap();
    let mut lose = redis::cmd("XCLAIM");
    lose.arg(&stream).arg("g").arg("lost").arg(0).arg(&delivered[0].0).arg("IDLE").arg(3_600_000);
    lose.arg("RETRYCOUNT").arg(5).arg("JUSTID").query_async::<()>(&mut redis).await.unwrap();
    fleet.lose_webhooks();
    fleet.start_worker().await;
    fleet.drain().await;
    fleet.poll().await;
    assert_eq!(fleet.dead().await, 1);
    let failed: Vec<BackfillRow> = rows(&fleet).await.into_iter().filter(BackfillRow::has_failed).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].reason.as_deref(), Some("its worker was lost 5 times while it had this job"));
    assert!(rows(&fleet).await.len() == planned.len() && copied(&fleet).await > 0, "the others were copied");
}
