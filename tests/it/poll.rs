//! Walk (c), and what it is for: whatever no webhook told is found by the next poll.

use std::time::Duration;

use tests::{FleetOptions, TestFleet};

#[tokio::test]
async fn what_no_webhook_told_is_found() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    let key = fleet.jira().issue_keys()[9].clone();
    fleet.jira().edit(&key, |issue| issue.summary = "Told by nobody".into()).unwrap();
    let project = fleet.jira().project_keys()[0].clone();
    let born = fleet.jira().create(&project, "Born unseen").unwrap();
    fleet.poll().await;
    assert_eq!(fleet.row(&key).await.unwrap().summary, "Told by nobody");
    assert!(fleet.row(&born).await.is_some());
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn what_the_index_learns_late_is_not_lost() {
    let late = Duration::from_secs(120);
    let fleet = TestFleet::with(FleetOptions {
        jira: simulator::Config { issues: 20, index_lag: late..=late, ..Default::default() },
        ..Default::default()
    })
    .await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    let keys = fleet.jira().issue_keys();
    fleet.jira().edit(&keys[0], |issue| issue.summary = "Indexed late".into()).unwrap();
    fleet.poll().await;
    assert_ne!(fleet.row(&keys[0]).await.unwrap().summary, "Indexed late", "the index does not know it yet");
    // A later edit is read first; a mark at the newest update seen would now be past the earlier one.
    fleet.jira().settle_index();
    fleet.poll().await;
    assert_eq!(fleet.row(&keys[0]).await.unwrap().summary, "Indexed late");
}

#[tokio::test]
async fn a_quiet_poll_costs_one_request_and_touches_nothing() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.poll().await;
    let before = fleet.requests();
    fleet.poll().await;
    assert_eq!(fleet.requests() - before, 1);
}
