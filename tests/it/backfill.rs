//! Walk (b): an operator runs a backfill.

use queue::{Enqueued, Job};
use simulator::Route;
use tests::{FleetOptions, TestFleet};

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
