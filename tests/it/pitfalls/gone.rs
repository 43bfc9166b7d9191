//! Issues that are gone, or only seem so: deleted, moved, hidden.

use std::time::Duration;

use chrono::Utc;
use domain::IssueId;
use serde_json::{Value, json};
use simulator::Config;
use tests::{FleetOptions, TestFleet};

use super::desk::{Desk, issue_id, rename};
use crate::bad_input::signature;

/// As if a webhook had named these issues.
async fn touch(fleet: &TestFleet, issues: &[IssueId]) {
    fleet.producer.touch(fleet.instance.id, issues, Utc::now()).await.unwrap();
    fleet.drain().await;
}

/// Deleted issues and worklogs live on in a mirror that only asks for updates. The webhook of a deletion hides an issue at
/// once, one that nobody told of is found when the roll is called, an issue that is merely hidden comes back, and Jira's
/// feed of deleted worklogs is read.
#[tokio::test]
async fn p07_what_was_deleted_does_not_live_on() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let world = fleet.jira();
    let [gone, hidden] = ["deleted", "hidden"].map(|title| world.create("ACME", title).unwrap());
    let id = issue_id(world.issue_id(&hidden).unwrap());
    fleet.drain().await;
    assert!(fleet.row(&gone).await.is_some() && fleet.row(&hidden).await.is_some());
    world.delete(&gone).unwrap();
    world.hide(&hidden).unwrap();
    touch(&fleet, &[id]).await;
    assert!(fleet.row(&gone).await.is_none() && fleet.row(&hidden).await.is_none());
    fleet.assert_mirror_equals_jira().await;
    world.unhide(&hidden).unwrap();
    touch(&fleet, &[id]).await;
    assert!(fleet.row(&hidden).await.is_some(), "what was not seen was never called deleted");
    fleet.lose_webhooks();
    let told_by_nobody = world.create("ACME", "deleted unseen").unwrap();
    let id = issue_id(world.issue_id(&told_by_nobody).unwrap());
    touch(&fleet, &[id]).await;
    world.delete(&told_by_nobody).unwrap();
    fleet.poll().await;
    assert!(fleet.row(&told_by_nobody).await.is_some(), "a poll is blind to it");
    fleet.census().await;
    assert!(fleet.row(&told_by_nobody).await.is_none());
    fleet.assert_mirror_equals_jira().await;

    let desk = Desk::start(Config { issues: 3, ..Default::default() }).await;
    let (key, since) = (desk.world.issue_keys()[0].clone(), desk.world.now());
    let [kept, deleted] = [600, 1200].map(|seconds| desk.world.log_work(&key, seconds).unwrap());
    desk.world.delete_worklog(&key, deleted).unwrap();
    // The feeds leave out the last minute.
    desk.world.advance(Duration::from_secs(61));
    let id = |worklog: u64| i64::try_from(worklog).unwrap();
    let gone = desk.client.worklogs_deleted(since).await.unwrap().worklogs;
    assert_eq!(gone.iter().map(|(worklog, _)| *worklog).collect::<Vec<_>>(), [id(deleted)]);
    let there = desk.client.worklogs(&[id(kept), id(deleted)]).await.unwrap();
    assert_eq!(there.iter().map(|(_, worklog)| (worklog.id.0, worklog.seconds)).collect::<Vec<_>>(), [(id(kept), 600)]);
}

/// A key is only a name: by it, a moved issue is stored twice, or the wrong one is found after two have swapped.
#[tokio::test]
async fn p10_a_moved_issue_stays_one_issue_under_all_its_keys() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let (world, keys) = (fleet.jira(), fleet.jira().issue_keys());
    let [one, other, moved] = [0, 1, 2].map(|n| keys[n].clone());
    let ids = [&one, &other, &moved].map(|key| issue_id(world.issue_id(key).unwrap()));
    world.swap_keys(&one, &other).unwrap();
    let project = world.project_keys().into_iter().find(|key| !moved.starts_with(&format!("{key}-"))).unwrap();
    let first = world.move_issue(&moved, &project).unwrap();
    fleet.drain().await;
    let home = world.project_keys().into_iter().find(|key| moved.starts_with(&format!("{key}-"))).unwrap();
    let second = world.move_issue(&first, &home).unwrap();
    fleet.drain().await;
    for (key, id) in [(&one, ids[1]), (&other, ids[0]), (&moved, ids[2]), (&first, ids[2]), (&second, ids[2])] {
        assert_eq!(fleet.row(key).await.unwrap().id, id, "{key}");
    }
    fleet.assert_mirror_equals_jira().await;
    let desk = Desk::start(Config { issues: 3, ..Default::default() }).await;
    let old = desk.world.issue_keys()[0].clone();
    let new = desk.world.move_issue(&old, "OPS").unwrap();
    let found = desk.client.issue(old.parse::<domain::IssueKey>().unwrap()).await.unwrap().unwrap().issue;
    assert_eq!((found.id, found.key.as_str()), (desk.id(&new), new.as_str()), "asked for by its old key");
}

/// An issue is deleted after it was listed and before it is read: a 404 that ended whole readings.
#[tokio::test]
async fn p12_an_issue_that_goes_between_listing_and_reading_fails_nothing() {
    let desk = Desk::start(Config { issues: 12, projects: 1, ..Default::default() }).await;
    let listed = desk.client.issue_ids(domain::ProjectId(10_000), None, None).await.unwrap().ids;
    let key = desk.world.issue_keys()[5].clone();
    let gone = desk.id(&key);
    desk.world.delete(&key).unwrap();
    let hydrated = desk.client.hydrate(&listed).await.unwrap();
    assert!(hydrated.absent.contains(&gone) && hydrated.failed.is_empty());
    assert_eq!(hydrated.absent.len() + hydrated.snapshots.len(), listed.len());
    assert_eq!(desk.client.issue(gone).await.unwrap().map(|snapshot| snapshot.issue.key), None);

    let mut fleet = TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await;
    let (world, keys) = (fleet.jira(), fleet.jira().issue_keys());
    keys.iter().for_each(|key| rename(&world, key, "told of"));
    world.webhooks_idle().await;
    fleet.lose_webhooks();
    world.delete(&keys[8]).unwrap();
    fleet.start_worker().await;
    fleet.drain().await;
    assert_eq!(fleet.dead().await, 0);
    assert!(fleet.row(&keys[8]).await.is_none());
    fleet.assert_mirror_equals_jira().await;
}

/// Fields that a webhook had yesterday are missing today, `project` of a deleted issue first of all.
#[tokio::test]
async fn p22_webhooks_that_lack_everything_but_an_id_are_understood() {
    let fleet = TestFleet::start().await;
    let (world, gone) = (fleet.jira(), fleet.jira().create("ACME", "deleted").unwrap());
    fleet.backfill().await;
    fleet.lose_webhooks();
    let keys = &world.issue_keys()[20..23];
    let ids = [&gone, &keys[0], &keys[1], &keys[2]].map(|key| world.issue_id(key).unwrap());
    assert!(fleet.row(&gone).await.is_some());
    world.delete(&gone).unwrap();
    keys.iter().for_each(|key| rename(&world, key, "told in few words"));
    for body in [
        json!({"webhookEvent": "jira:issue_deleted", "issue": {"id": ids[0].to_string(), "fields": {}}}),
        json!({"webhookEvent": "jira:issue_updated", "issue": {"id": ids[1]}}),
        json!({"webhookEvent": "comment_created", "comment": null, "issue": {"id": ids[2], "fields": null}}),
        json!({"webhookEvent": "issuelink_created", "issueLink": {"sourceIssueId": ids[3]}}),
        json!({"webhookEvent": "jira:issue_updated"}),
        json!({"webhookEvent": "something_new", "issue": {"id": "7"}}),
    ] {
        assert_eq!(deliver(&fleet, &body).await, 202, "{body}");
    }
    fleet.drain().await;
    assert!(fleet.row(&gone).await.is_none());
    for key in keys {
        assert_eq!(fleet.row(key).await.unwrap().summary, "told in few words", "{key}");
    }
    assert_eq!(fleet.dead().await, 0);
}

/// Sends a body to the gateway as Jira would, and says how it was answered.
async fn deliver(fleet: &TestFleet, body: &Value) -> u16 {
    let body = body.to_string();
    let seal = signature(&fleet.webhook_secret, body.as_bytes());
    let url = format!("http://{}/webhooks/acme", fleet.gateway);
    let request = reqwest::Client::new().post(url).header("X-Hub-Signature", seal).body(body);
    request.send().await.unwrap().status().as_u16()
}
