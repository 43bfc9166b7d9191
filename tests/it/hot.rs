//! An issue that changes all the time costs a look a second, starves nobody, and ends up right.

use std::time::Duration;

use simulator::Route;
use tests::TestFleet;

#[tokio::test]
async fn fifty_edits_within_a_second_cost_two_fetches() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let (world, key) = (fleet.jira(), fleet.jira().issue_keys()[5].clone());
    let before = world.requests().of(Route::BulkFetch);
    let mut pace = tokio::time::interval(Duration::from_millis(18));
    for number in 1..=50 {
        pace.tick().await;
        world.edit(&key, |issue| issue.summary = format!("Edit {number}")).unwrap();
    }
    fleet.drain().await;
    let fetches = world.requests().of(Route::BulkFetch) - before;
    assert!((1..=2).contains(&fetches), "{fetches} fetches");
    assert_eq!(fleet.row(&key).await.unwrap().summary, "Edit 50");
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn a_hot_issue_does_not_make_others_wait() {
    let mut fleet = TestFleet::start().await;
    fleet.backfill().await;
    let (world, keys) = (fleet.jira(), fleet.jira().issue_keys());
    for number in 0..20 {
        world.edit(&keys[0], |issue| issue.summary = format!("Hot {number}")).unwrap();
    }
    fleet.drain().await;
    while fleet.applied.try_recv().is_ok() {}
    // The hot one rests; all the others are brought up to date while it does.
    world.edit(&keys[0], |issue| issue.summary = "Hot again".to_owned()).unwrap();
    for key in &keys[1..] {
        world.edit(key, |issue| issue.summary = "Cold".to_owned()).unwrap();
    }
    let hot = domain::IssueId(i64::try_from(world.issue_id(&keys[0]).unwrap()).unwrap());
    for _ in &keys[1..] {
        let applied = tokio::time::timeout(Duration::from_secs(30), fleet.applied.recv()).await.unwrap().unwrap();
        assert_ne!(applied.issue, hot, "it rests for a second");
    }
    fleet.drain().await;
    assert_eq!(fleet.row(&keys[0]).await.unwrap().summary, "Hot again");
}
