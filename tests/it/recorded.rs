//! Real issues, as a real Jira Cloud site answered them, through the whole house and back.

use std::{collections::BTreeMap, fs, path::Path};

use chrono::Utc;
use domain::{IssueId, RawJson};
use tests::{FleetOptions, TestFleet};

/// Kept beside the repository, not in it.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/jira/recorded/issues.jsonl");

#[tokio::test]
async fn recorded_issues_lose_nothing_on_their_way_through_the_rows() {
    let Ok(recorded) = fs::read_to_string(Path::new(RECORDED)) else {
        eprintln!("skipped: the recorded issues are not beside this repository");
        return;
    };
    let fleet = TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await;
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let mut histories = 0;
    for line in recorded.lines() {
        let said = jira::snapshot_from_json(line, Utc::now()).unwrap();
        let mut tx = tenant.begin().await.unwrap();
        tx.apply(fleet.instance.id, std::slice::from_ref(&said)).await.unwrap();
        tx.commit().await.unwrap();
        let rows = tenant.snapshots(fleet.instance.id, &[said.issue.id]).await.unwrap();
        let row = rows.first().unwrap_or_else(|| panic!("{} has no row", said.issue.key));
        assert_eq!(said.differences(row), Vec::<&str>::new(), "{}", said.issue.key);
        assert_eq!(without_rows(line), row.raw, "{}: the raw document", said.issue.key);
        // NUL, recorded in a summary, is what columns cannot hold: only the raw document keeps it.
        histories += assert_every_history_is_a_row(&line.replace("\\u0000", "\\ufffd"), row);
    }
    assert!(recorded.lines().count() >= 33 && histories > 0);
    let held = tenant.count_issues(fleet.instance.id).await.unwrap();
    assert_eq!(held, recorded.lines().count() as u64);
    assert!(tenant.snapshots(fleet.instance.id, &[IssueId(1)]).await.unwrap().is_empty());
}

/// The document without what has rows of its own.
fn without_rows(line: &str) -> RawJson {
    let mut members: BTreeMap<String, RawJson> = serde_json::from_str(line).unwrap();
    members.remove("changelog");
    let mut fields: BTreeMap<String, RawJson> = members["fields"].read().unwrap();
    fields.retain(|name, _| name != "comment" && name != "worklog");
    members.insert("fields".to_owned(), RawJson::of(&fields).unwrap());
    RawJson::of(&members).unwrap()
}

/// Compares against the text itself, read by nobody's types but serde_json's.
fn assert_every_history_is_a_row(line: &str, row: &domain::IssueSnapshot) -> usize {
    let document: serde_json::Value = serde_json::from_str(line).unwrap();
    let histories = document["changelog"]["histories"].as_array().map(Vec::as_slice).unwrap_or_default();
    for history in histories {
        let id = history["id"].as_str().unwrap();
        let kept = row.changelog.iter().find(|kept| kept.id.to_string() == id);
        let kept = kept.unwrap_or_else(|| panic!("history {id} has no row"));
        let items = history["items"].as_array().unwrap();
        assert_eq!(kept.changes.len(), items.len(), "history {id}");
        for (change, item) in kept.changes.iter().zip(items) {
            assert_eq!(Some(change.field.as_str()), item["field"].as_str());
            assert_eq!(change.from.as_deref(), item["from"].as_str());
            assert_eq!(change.from_text.as_deref(), item["fromString"].as_str());
            assert_eq!(change.to.as_deref(), item["to"].as_str());
            assert_eq!(change.to_text.as_deref(), item["toString"].as_str());
        }
    }
    assert_eq!(row.changelog.len(), histories.len());
    histories.len()
}
