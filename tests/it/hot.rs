//! An issue that changes all the time costs a look a second, and ends up right.

use std::time::{Duration, Instant};

use simulator::Route;
use tests::TestFleet;

#[tokio::test]
async fn fifty_edits_within_a_second_cost_two_fetches() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let (world, key) = (fleet.jira(), fleet.jira().issue_keys()[5].clone());
    let before = world.requests().of(Route::BulkFetch);
    let began = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(18));
    for number in 1..=50 {
        pace.tick().await;
        world.edit(&key, |issue| issue.summary = format!("Edit {number}")).unwrap();
    }
    // On a busy machine they take longer.
    let seconds = began.elapsed().as_secs();
    fleet.drain().await;
    let fetches = world.requests().of(Route::BulkFetch) - before;
    assert!((1..=2 + seconds).contains(&fetches), "{fetches} fetches in {seconds} s");
    assert_eq!(fleet.row(&key).await.unwrap().summary, "Edit 50");
    fleet.assert_mirror_equals_jira().await;
}
