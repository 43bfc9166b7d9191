//! Issues that a database may choke on: each is stored, or refused by the name of its field, and stops nobody else.

use domain::IssueSnapshot;
use jira::snapshot_from_json;
use serde_json::{Value, json};
use tests::TestFleet;

use crate::store::sample::{Mirror, at, said};

/// An issue of Jira's with some fields of its own.
fn issue(id: i64, fields: &Value) -> String {
    let mut all = json!({
        "summary": "plain", "issuetype": {"id": "10001", "name": "Task", "subtask": false},
        "project": {"id": "10000", "key": "ACME"},
        "status": {"id": "3", "name": "Open", "statusCategory": {"id": 2, "key": "new"}},
        "labels": [], "issuelinks": [], "comment": {"total": 0, "comments": []},
        "created": "2026-01-01T09:00:00.000+0000", "updated": "2026-01-02T09:00:00.000+0000",
    });
    for (name, value) in fields.as_object().unwrap() {
        all[name] = value.clone();
    }
    let text = json!({"id": id.to_string(), "key": format!("ACME-{id}"), "fields": all,
        "changelog": {"total": 0, "histories": []}});
    // Halves of surrogate pairs and bare numbers, which no JSON value of ours can hold.
    text.to_string()
        .replace("LONE", "\\ud83d")
        .replace("NUL", "\\u0000")
        .replace("\"HUGE\"", &format!("1{}", "0".repeat(140_000)))
}

fn read(id: i64, fields: &Value) -> Result<IssueSnapshot, String> {
    snapshot_from_json(&issue(id, fields), at(20)).map_err(|error| error.to_string())
}

/// What becomes of an issue in the middle of a page: its reason, or `None` when it is stored. The others must be there.
async fn fate(mirror: &Mirror, snapshot: IssueSnapshot) -> Option<String> {
    let id = snapshot.issue.id.0;
    let mut page: Vec<IssueSnapshot> = (1..=9).map(|n| said(n, (1, 1), "neighbour")).collect();
    page.insert(4, snapshot);
    let mut tx = mirror.tenant.begin().await.unwrap();
    let whole = tx.apply(mirror.instance, &page).await;
    let refused = match whole {
        Ok(_) => {
            tx.commit().await.unwrap();
            None
        }
        Err(error) => {
            assert!(error.is_about_content(), "{error}");
            drop(tx);
            let mut tx = mirror.tenant.begin().await.unwrap();
            let (applied, spoilt) = tx.apply_storable(mirror.instance, &page).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!((applied.written + applied.unchanged, spoilt.len()), (9, 1), "{error}");
            assert_eq!(spoilt[0].0.0, id);
            Some(spoilt[0].1.to_string())
        }
    };
    for n in 1..=9 {
        assert_eq!(mirror.summary(n).await.as_deref(), Some("neighbour"));
    }
    assert_eq!(mirror.shown(id).await.is_some(), refused.is_none(), "{refused:?}");
    refused
}

#[tokio::test]
async fn odd_texts_are_stored() {
    let mirror = Mirror::new().await;
    let long = "x\u{1F980}".repeat(16_383);
    let labels: Vec<String> = (0..5_000).map(|n| format!("label-{n}")).collect();
    for (n, fields) in [
        json!({"summary": "a NUL b LONE c", "labels": ["NUL", "LONE", "\u{FFFF}"], "customfield_1": {"NUL": "LONE"}}),
        json!({"summary": long, "description": {"type": "doc", "text": long}, "customfield_2": long}),
        json!({"labels": labels}),
        json!({"created": "0001-01-01T00:00:00.000+0000", "updated": "9999-12-31T23:59:59.999+0000",
            "resolutiondate": "0001-01-01T00:00:00.000+1400", "duedate": "9999-12-31"}),
        json!({"duedate": "99999-99-99", "resolutiondate": "soon", "priority": "LONE", "labels": ["a", 7, null, {}]}),
        json!({"summary": "'; DROP TABLE mirror.issues; --", "labels": ["{\"a\",NULL}", "\\", "\"", ","]}),
    ]
    .iter()
    .enumerate()
    {
        let id = 100 + i64::try_from(n).unwrap();
        let snapshot = read(id, fields).unwrap_or_else(|error| panic!("{n}: {error}"));
        let (labels, length) = (snapshot.issue.labels.clone(), snapshot.issue.summary.chars().count());
        assert_eq!(fate(&mirror, snapshot).await, None, "{n}");
        let kept = mirror.shown(id).await.unwrap();
        assert_eq!(kept.issue.labels, labels, "{n}");
        assert_eq!(kept.issue.summary.chars().count(), length, "{n}");
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_told_by_its_field() {
    let mirror = Mirror::new().await;
    let mut random = (0_u32..).map(|n| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000).unwrap());
    let noise: String = random.by_ref().take(5_000).collect();
    let base = read(100, &json!({})).unwrap();
    let mut cases: Vec<(IssueSnapshot, &str)> = Vec::new();
    for (change, field) in [
        (
            Box::new(|s: &mut IssueSnapshot| s.issue.created_at = chrono::DateTime::<chrono::Utc>::MIN_UTC)
                as Box<dyn Fn(&mut IssueSnapshot)>,
            "the time of creation of issue 100",
        ),
        (
            Box::new(|s| s.issue.updated_at = chrono::DateTime::<chrono::Utc>::MIN_UTC),
            "the time of update of issue 100",
        ),
        (Box::new(|s| s.issue.due_on = Some(chrono::NaiveDate::MIN)), "the due date of issue 100"),
        (Box::new(|s| s.issue.labels = vec![noise.clone()]), "a label of issue 100"),
    ] {
        let mut snapshot = base.clone();
        change(&mut snapshot);
        cases.push((snapshot, field));
    }
    // What only PostgreSQL knows: a document that nests too deep for it, a number too large for it.
    let deep = format!("{}1{}", "[".repeat(15_000), "]".repeat(15_000));
    let mut snapshot = base.clone();
    snapshot.raw = domain::RawJson::parse(format!(r#"{{"id":"100","fields":{{"customfield_1":{deep}}}}}"#)).unwrap();
    cases.push((snapshot, "54001"));
    let huge = read(100, &json!({"customfield_1": "HUGE"})).unwrap();
    cases.push((huge, "22003"));
    for (snapshot, field) in cases {
        let refused = fate(&mirror, snapshot).await;
        assert!(refused.as_deref().is_some_and(|refused| refused.contains(field)), "{field}: {refused:?}");
        assert!(refused.is_none_or(|refused| refused.len() < 300), "{field}: no content is repeated");
    }
}

#[tokio::test]
async fn times_that_nobody_can_mean_fail_before_they_are_stored() {
    for fields in [
        json!({"created": "+999999999-01-01T00:00:00.000+0000"}),
        json!({"updated": null}),
        json!({"updated": "9999-99-99T99:99:99.999+0000"}),
    ] {
        let refused = read(1, &fields).unwrap_err();
        assert!(refused.contains("time of"), "{refused}");
    }
}

/// The whole way: the simulated Jira says it, a backfill reads it, and the next job brings it up to date.
#[tokio::test]
async fn one_bad_issue_never_stops_a_page() {
    let fleet = TestFleet::start().await;
    let keys = fleet.jira().issue_keys();
    let noise: String =
        (0_u32..5_000).map(|n| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000).unwrap()).collect();
    fleet.jira().edit(&keys[3], |issue| issue.labels = vec![noise.clone()]).unwrap();
    fleet.backfill().await;
    for key in &keys {
        assert_eq!(fleet.row(key).await.is_some(), *key != keys[3], "{key}");
    }
    // Found out by the webhook of its edit, by the backfill, or by both.
    let dead = fleet.dead().await;
    assert!((1..=2).contains(&dead), "{dead} dead letters");
    // Through the other door, in a batch with a good one.
    fleet.jira().edit(&keys[4], |issue| issue.labels = vec![noise.clone()]).unwrap();
    fleet.jira().edit(&keys[5], |issue| issue.summary = "New words".to_owned()).unwrap();
    fleet.drain().await;
    assert_eq!(fleet.row(&keys[5]).await.unwrap().summary, "New words");
    assert_eq!(fleet.dead().await, dead + 1);
    // Put right in Jira, it comes.
    fleet.jira().edit(&keys[3], |issue| issue.labels.clear()).unwrap();
    fleet.drain().await;
    assert!(fleet.row(&keys[3]).await.is_some());
}
