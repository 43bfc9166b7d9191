//! Issues with something wrong about them: what can be read is read, the rest is an error, and nothing panics.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use domain::{IssueSnapshot, RawJson};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};

use super::recorded::lines;
use crate::{Error, snapshot_from_json};

/// What is done to an issue at one place.
#[derive(Clone, Debug)]
enum Change {
    Drop,
    Null,
    /// A number becomes a text, and a text of digits a number: it means the same.
    Respell,
    /// A member that nobody knows.
    Add(Value),
    Replace(Value),
    /// More nesting than a stack holds.
    Bury,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => Just(Change::Drop),
        2 => Just(Change::Null),
        3 => Just(Change::Respell),
        2 => odd().prop_map(Change::Add),
        3 => odd().prop_map(Change::Replace),
        1 => Just(Change::Bury),
    ]
}

fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!([])),
        Just(json!(["1", "ACME-1", null])),
        Just(json!([{"id": "1"}, 2])),
        Just(json!({})),
        Just(json!({"id": {"id": []}, "key": [7]})),
    ]
}

/// Where something is, from the root.
type Path = Vec<String>;

/// Members that are kept as they came.
const RAW: [&str; 5] = ["description", "body", "visibility", "historyMetadata", "tmpToAccountId"];

fn is_kept(path: &Path) -> bool {
    path.iter().any(|name| RAW.contains(&name.as_str()))
}

/// Stands for a very deep list.
const BURIED: &str = "a very deep list";

fn paths(value: &Value, here: &Path, all: &mut Vec<Path>) {
    all.push(here.clone());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        paths(child, &[&here[..], &[name]].concat(), all);
    }
}

fn at<'a>(root: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(root, |value, name| match value {
        Value::Array(items) => &mut items[name.parse::<usize>().expect("a position")],
        value => &mut value[name],
    })
}

/// Changes a place of the issue; the answer is the path whose meaning changed, if it did.
fn mutate(issue: &mut Value, place: &Index, change: &Change) -> Option<Path> {
    let mut all = Vec::new();
    paths(issue, &Path::new(), &mut all);
    let path = place.get(&all).clone();
    let (name, parent) = path.split_last()?;
    match change {
        Change::Drop => match at(issue, parent) {
            Value::Object(members) => drop(members.remove(name)),
            Value::Array(items) => drop(items.remove(name.parse().expect("a position"))),
            _ => {}
        },
        Change::Null => *at(issue, &path) = Value::Null,
        Change::Replace(value) => *at(issue, &path) = value.clone(),
        Change::Bury => *at(issue, &path) = Value::from(BURIED),
        Change::Add(value) => {
            let place = at(issue, &path).as_object_mut()?;
            place.insert("nobodyKnowsThis".to_owned(), value.clone());
            // Only the changelog keeps such members, and what is kept as it came.
            return (path[0] == "changelog" || is_kept(&path)).then_some(path);
        }
        Change::Respell => {
            let place = at(issue, &path);
            *place = match &place {
                Value::Number(number) => Value::from(number.to_string()),
                Value::String(text) => Value::from(text.parse::<i64>().ok().filter(|n| n.to_string() == *text)?),
                _ => return None,
            };
            // In what is kept as it came, a number is not what a text is.
            return is_kept(&path).then_some(path);
        }
    }
    Some(path)
}

fn text_of(issue: &Value) -> String {
    let depth = 5_000;
    issue.to_string().replace(&format!("\"{BURIED}\""), &format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
}

/// Every part of a snapshot, with the place in Jira's answer that it is read from.
fn parts(snapshot: &IssueSnapshot) -> Vec<(&'static [&'static str], String)> {
    let issue = &snapshot.issue;
    let description = issue.description.as_ref().map(RawJson::as_str);
    let comments: Vec<_> = snapshot.comments.iter().map(|comment| (comment, comment.body.as_str())).collect();
    vec![
        (&["id"], format!("{:?}", issue.id)),
        (&["key"], format!("{:?}", issue.key)),
        (&["fields", "summary"], format!("{:?}", issue.summary)),
        (&["fields", "description"], format!("{description:?}")),
        (&["fields", "issuetype"], format!("{:?}", issue.issue_type)),
        (&["fields", "project"], format!("{:?}", issue.project)),
        (&["fields", "status"], format!("{:?}", issue.status)),
        (&["fields", "priority"], format!("{:?}", issue.priority)),
        (&["fields", "resolution"], format!("{:?}", issue.resolution)),
        (&["fields", "assignee"], format!("{:?}", issue.assignee)),
        (&["fields", "reporter"], format!("{:?}", issue.reporter)),
        (&["fields", "creator"], format!("{:?}", issue.creator)),
        (&["fields", "labels"], format!("{:?}", issue.labels)),
        (&["fields", "parent"], format!("{:?}", issue.parent)),
        (&["fields", "created"], format!("{:?}", issue.created_at)),
        (&["fields", "updated"], format!("{:?}", issue.updated_at)),
        (&["fields", "resolutiondate"], format!("{:?}", issue.resolved_at)),
        (&["fields", "duedate"], format!("{:?}", issue.due_on)),
        (&["fields", "issuelinks"], format!("{:?}", snapshot.links)),
        (&["fields", "comment"], format!("{comments:?}")),
        (&["changelog"], format!("{:?}", snapshot.changelog)),
    ]
}

/// Whether one place is within the other, either way.
fn touches(path: &Path, part: &[&str]) -> bool {
    path.iter().zip(part).all(|(a, b)| a == b)
}

/// Places without which an answer is no issue, or not a whole one: an error may come of them.
const ESSENTIAL: [&[&str]; 9] = [
    &["id"],
    &["key"],
    &["fields", "issuetype"],
    &["fields", "project"],
    &["fields", "status"],
    &["fields", "created"],
    &["fields", "updated"],
    &["fields", "comment"],
    &["changelog"],
];

fn check(issue: &Value, changes: &[(Index, Change)]) -> Result<(), TestCaseError> {
    let before = snapshot(&text_of(issue)).expect("a valid issue");
    let mut issue = issue.clone();
    let changed: Vec<Path> = changes.iter().filter_map(|(at, change)| mutate(&mut issue, at, change)).collect();
    let text = text_of(&issue);
    let after = match snapshot(&text) {
        Ok(after) => after,
        Err(Error::Malformed { .. }) => {
            let essential = changed.iter().any(|path| ESSENTIAL.iter().any(|part| touches(path, part)));
            prop_assert!(essential, "refused for {:?}", changed);
            return Ok(());
        }
        Err(other) => return Err(TestCaseError::fail(format!("another error: {other:?}"))),
    };
    for ((part, was), (_, is)) in parts(&before).into_iter().zip(parts(&after)) {
        if !changed.iter().any(|path| touches(path, part)) {
            prop_assert_eq!(was, is, "{:?} for {:?}", part, changed);
        }
    }
    let of_site = |path: &Path| path.get(1).is_none_or(|field| field.starts_with("customfield_"));
    if !changed.iter().any(of_site) {
        prop_assert_eq!(&before.issue.sprints, &after.issue.sprints, "sprints for {:?}", changed);
    }
    if let Some(members) = issue.as_object_mut() {
        members.remove("changelog");
    }
    if let Some(fields) = issue.get_mut("fields").and_then(Value::as_object_mut) {
        fields.retain(|name, _| name != "comment" && name != "worklog");
    }
    let kept = RawJson::parse(text_of(&issue)).expect("valid JSON");
    prop_assert_eq!(kept, after.raw, "the raw document is kept");
    Ok(())
}

fn snapshot(text: &str) -> Result<IssueSnapshot, Error> {
    snapshot_from_json(text, DateTime::<Utc>::UNIX_EPOCH)
}

fn whole() -> Value {
    let people =
        |account: &str| json!({"accountId": account, "displayName": "Mia", "active": true, "accountType": "atlassian"});
    let document = json!({"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": "7"}]}]});
    json!({
        "expand": "names", "id": "20007", "self": "https://acme.atlassian.net/rest/api/3/issue/20007", "key": "ACME-7",
        "fields": {
            "summary": "Größe 7", "description": document, "environment": null, "labels": ["red", "7"],
            "issuetype": {"id": "10001", "name": "Task", "subtask": false, "hierarchyLevel": 0},
            "project": {"id": "10000", "key": "ACME", "name": "Acme", "simplified": false},
            "status": {"id": "3", "name": "Fertig", "statusCategory": {"id": 3, "key": "done", "name": "Done"}},
            "priority": {"id": "2", "name": "High"}, "resolution": {"id": "10100", "name": "Done"},
            "assignee": people("a1"), "reporter": people("a2"), "creator": people("557058:a3"),
            "parent": {"id": "20001", "key": "ACME-1", "fields": {"summary": "Epic"}},
            "created": "2026-01-01T09:00:00.000+0000", "updated": "2026-01-02T09:00:00.000+0100",
            "resolutiondate": "2026-01-02T08:00:00.000+0000", "duedate": "2026-02-01",
            "customfield_10020": [{"id": 7, "name": "Sprint 7", "state": "closed", "boardId": 8}],
            "customfield_10050": 1.5, "workratio": -1, "watches": {"watchCount": 1, "isWatching": true},
            "issuelinks": [
                {"id": "10111", "type": {"id": "10000", "name": "Blocks"}, "inwardIssue": {"id": "20006", "key": "ACME-6"}},
                {"id": "10112", "type": {"id": "10001", "name": "Relates"}, "outwardIssue": {"id": "20008", "key": "ACME-8"}}
            ],
            "comment": {"startAt": 0, "maxResults": 20, "total": 1, "comments": [{
                "id": "30001", "author": people("a4"), "updateAuthor": people("a1"), "body": document, "jsdPublic": true,
                "created": "2026-01-01T10:00:00.000+0000", "updated": "2026-01-01T11:00:00.000+0000"
            }]}
        },
        "changelog": {"startAt": 0, "maxResults": 1, "total": 1, "histories": [{
            "id": "40001", "author": people("a1"), "created": 1_767_258_000_000_u64, "historyMetadata": {"type": "t"},
            "items": [{"field": "status", "fieldtype": "jira", "fieldId": "status", "from": "1", "fromString": "To Do", "to": "3", "toString": "Fertig"}]
        }]}
    })
}

static WHOLE: LazyLock<Value> = LazyLock::new(whole);

static RECORDED: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let read = |line: &String| serde_json::from_str(&line.replace("\\u0000", "\\ufffd")).expect("JSON");
    lines().iter().map(read).collect()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn what_was_not_changed_is_still_right(changes in vec((any::<Index>(), change()), 1..4)) {
        check(&WHOLE, &changes)?;
    }
}

proptest! {
    #[test]
    fn recorded_issues_bear_changes(issue in any::<Index>(), changes in vec((any::<Index>(), change()), 1..4)) {
        if !RECORDED.is_empty() {
            check(issue.get(&RECORDED), &changes)?;
        }
    }

    #[test]
    fn any_text_is_an_issue_or_an_error(text in any::<String>(), json in odd()) {
        for text in [text, json.to_string()] {
            let refused = matches!(snapshot(&text), Err(Error::Malformed { .. }));
            prop_assert!(refused);
        }
    }
}
