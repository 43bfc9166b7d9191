//! Walk (a): a webhook becomes a row.

use tests::TestFleet;

#[tokio::test]
async fn a_webhook_becomes_a_row() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let key = fleet.jira().issue_keys()[7].clone();
    fleet.jira().edit(&key, |issue| issue.summary = "New words".into()).unwrap();
    fleet.drain().await;
    assert_eq!(fleet.row(&key).await.unwrap().summary, "New words");
    fleet.assert_mirror_equals_jira().await;
    assert_eq!(fleet.dead().await, 0);
}

#[tokio::test]
async fn a_new_issue_and_a_comment_arrive() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let project = fleet.jira().project_keys()[0].clone();
    let key = fleet.jira().create(&project, "Born after the backfill").unwrap();
    fleet.jira().comment(&key, "first!").unwrap();
    fleet.drain().await;
    assert_eq!(fleet.row(&key).await.unwrap().summary, "Born after the backfill");
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn a_deleted_issue_is_hidden_and_a_moved_one_answers_to_both_keys() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let keys = fleet.jira().issue_keys();
    let (gone, moved) = (keys[3].clone(), keys[4].clone());
    fleet.jira().delete(&gone).unwrap();
    let other = fleet.jira().project_keys().into_iter().find(|key| !moved.starts_with(&format!("{key}-"))).unwrap();
    let fresh = fleet.jira().move_issue(&moved, &other).unwrap();
    fleet.drain().await;
    assert!(fleet.row(&gone).await.is_none(), "a deleted issue is not shown");
    let (old_name, new_name) = (fleet.row(&moved).await.unwrap(), fleet.row(&fresh).await.unwrap());
    assert_eq!(old_name.id, new_name.id, "the old key still leads to the issue");
    assert_eq!(new_name.key.as_str(), fresh);
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn a_storm_costs_one_request_per_hundred_issues() {
    let mut fleet = TestFleet::with(tests::FleetOptions {
        jira: simulator::Config { issues: 1000, ..Default::default() },
        worker: false,
        ..Default::default()
    })
    .await;
    let world = fleet.jira();
    for key in world.issue_keys() {
        world.edit(&key, |issue| issue.summary = "storm".into()).unwrap();
        world.edit(&key, |issue| issue.summary = "and storm again".into()).unwrap();
    }
    world.webhooks_idle().await;
    let before = world.requests().total;
    fleet.start_worker().await;
    fleet.drain().await;
    let spent = world.requests().total - before;
    // Ten full batches, one short one per lane at most, and who we are.
    assert!(spent <= 10 + 4 + 1, "2,000 edits of 1,000 issues cost {spent} requests: {:?}", world.requests().by_route);
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn an_issue_the_search_index_does_not_know_yet_is_found() {
    let hour = std::time::Duration::from_secs(3600);
    let fleet = TestFleet::with(tests::FleetOptions {
        jira: simulator::Config { issues: 20, index_lag: hour..=hour, ..Default::default() },
        ..Default::default()
    })
    .await;
    let project = fleet.jira().project_keys()[0].clone();
    let key = fleet.jira().create(&project, "Not indexed yet").unwrap();
    fleet.drain().await;
    assert_eq!(fleet.row(&key).await.unwrap().summary, "Not indexed yet");
}
