//! Jira is away for a while: everything waits, nothing is given up, and it goes on by itself.

use queue::{Job, QueueName};
use simulator::Fault;
use tests::{FleetOptions, TestFleet};

#[tokio::test]
async fn a_backfill_and_a_poll_outlive_an_outage_of_jira() {
    let mut fleet = TestFleet::with(FleetOptions {
        jira: simulator::Config { issues: 300, ..Default::default() },
        worker: false,
        ..Default::default()
    })
    .await;
    // More refusals than four attempts with their quick retries could swallow.
    fleet.jira().fail_any(60, &Fault::Status(503, None));
    let instance = fleet.instance.id;
    let asked =
        vec![Job::Backfill { instance, projects: Vec::new(), since: None }, Job::PollUpdates { instance, page: None }];
    fleet.producer.enqueue_all(asked).await.unwrap();
    fleet.start_worker().await;
    until_tried(&fleet, 20).await;
    assert_eq!(fleet.dead().await, 0);
    fleet.jira().clear_faults();
    fleet.drain().await;
    assert_eq!(fleet.dead().await, 0);
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn a_backfill_that_redis_forgot_goes_on_with_the_next_poll() {
    let mut fleet = TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await;
    plan(&fleet).await;
    assert_eq!(fleet.producer.depth(QueueName::Bulk).await.unwrap().ready, 0, "nobody asks for these pages");
    fleet.start_worker().await;
    fleet.poll().await;
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn a_backfill_that_was_given_up_with_its_instance_goes_on_when_that_is_resumed() {
    let mut fleet = TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await;
    plan(&fleet).await;
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let rows = tenant.backfill_progress(fleet.instance.id).await.unwrap();
    let (instance, row) = (fleet.instance.id, &rows[0]);
    let chain = Job::BackfillProject { instance, project: row.project, run: row.run, page: row.page };
    fleet.producer.enqueue(chain).await.unwrap();
    fleet.jira().expire_token();
    fleet.start_worker().await;
    fleet.drain().await;
    let rows = tenant.backfill_progress(fleet.instance.id).await.unwrap();
    assert!(rows[0].has_failed() && rows[0].reason.as_deref().unwrap().contains("token"), "{:?}", rows[0].reason);
    fleet.jira().restore_token();
    crate::cli::Cli::of(&fleet, "resume").ok(&["instance", "resume", "acme"]).await;
    fleet.drain().await;
    fleet.assert_mirror_equals_jira().await;
}

/// Plans a backfill of every project without asking anybody to begin.
async fn plan(fleet: &TestFleet) {
    let run = uuid::Uuid::now_v7();
    let plans: Vec<_> = fleet
        .jira()
        .project_keys()
        .iter()
        .enumerate()
        .map(|(n, _)| store::BackfillPlan {
            project: domain::ProjectId(10_000 + i64::try_from(n).unwrap()),
            run,
            since: None,
            expected: None,
        })
        .collect();
    let mut tx = fleet.store.tenant(fleet.instance.tenant).begin().await.unwrap();
    tx.backfill_plan(fleet.instance.id, &plans).await.unwrap();
    tx.commit().await.unwrap();
}

/// Waits until Jira was asked this often.
async fn until_tried(fleet: &TestFleet, requests: u64) {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    while fleet.requests() < requests {
        tick.tick().await;
    }
}
