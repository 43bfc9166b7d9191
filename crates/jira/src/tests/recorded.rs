//! Issues as a real site once answered them, when they are at hand.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{IssueSnapshot, RawJson};

use crate::snapshot_from_json;

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/jira/recorded/issues.jsonl");

type Object = BTreeMap<String, RawJson>;

#[test]
fn recorded_issues_survive_without_loss() {
    let lines = lines();
    for line in &lines {
        let observed_at = DateTime::<Utc>::UNIX_EPOCH;
        let snapshot = snapshot_from_json(line, observed_at).expect("a recorded issue");
        check_raw(line, &snapshot);
        // NUL, recorded in a summary, is what columns cannot hold: there, and only there, it is replaced.
        check(&line.replace("\\u0000", "\\ufffd"), &snapshot);
    }
    eprintln!("{} recorded issues survived", lines.len());
}

/// The recorded issues, one a line; none, and a word about it, when they are not at hand.
pub(super) fn lines() -> Vec<String> {
    let Ok(text) = std::fs::read_to_string(RECORDED) else {
        eprintln!("skipped: no recorded issues beside the repository");
        return Vec::new();
    };
    let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    assert!(!lines.is_empty(), "the file is empty");
    lines
}

fn check_raw(line: &str, snapshot: &IssueSnapshot) {
    let mut whole: Object = serde_json::from_str(line).expect("an object");
    whole.remove("changelog").expect("a changelog");
    let mut fields: Object = whole["fields"].read().expect("an object");
    fields.retain(|name, _| name != "comment" && name != "worklog");
    whole.insert("fields".to_owned(), RawJson::of(&fields).expect("JSON"));
    assert_eq!(RawJson::of(&whole).expect("JSON"), snapshot.raw, "{}", snapshot.issue.key);
}

fn check(line: &str, snapshot: &IssueSnapshot) {
    let whole: Object = serde_json::from_str(line).expect("an object");
    let changelog: Object = whole["changelog"].read().expect("an object");
    let histories: Vec<Object> = changelog["histories"].read().expect("a list");
    assert_eq!(snapshot.changelog.len(), histories.len());
    for history in &histories {
        check_history(history, snapshot);
    }
    let fields: Object = whole["fields"].read().expect("an object");
    let comments: Object = fields["comment"].read().expect("an object");
    let comments: Vec<Object> = comments["comments"].read().expect("a list");
    assert_eq!(snapshot.comments.len(), comments.len());
    for comment in &comments {
        let id: String = comment["id"].read().expect("a text");
        let kept = snapshot.comments.iter().find(|kept| kept.id.to_string() == id).expect("the comment is there");
        assert_eq!(kept.body, comment["body"]);
        assert_eq!(kept.author.as_ref().map(|author| author.0.clone()), account(comment));
    }
}

fn check_history(history: &Object, snapshot: &IssueSnapshot) {
    let id: String = history["id"].read().expect("a text");
    let kept = snapshot.changelog.iter().find(|kept| kept.id.to_string() == id).expect("the entry is there");
    assert_eq!(kept.author.as_ref().map(|author| author.0.clone()), account(history));
    let items: Vec<Object> = history["items"].read().expect("a list");
    assert_eq!(kept.changes.len(), items.len());
    let rest: Object = kept.more.as_ref().map(|more| more.read().expect("an object")).unwrap_or_default();
    assert_eq!(rest.get("historyMetadata"), history.get("historyMetadata"));
    for (change, item) in kept.changes.iter().zip(&items) {
        let more: Object = change.more.as_ref().map(|more| more.read().expect("an object")).unwrap_or_default();
        let text =
            |name: &str| item.get(name).and_then(|value| value.read::<Option<String>>().expect("a text or null"));
        assert_eq!(Some(change.field.clone()), text("field"));
        for (kept, name) in [
            (&change.field_id, "fieldId"),
            (&change.field_type, "fieldtype"),
            (&change.from, "from"),
            (&change.from_text, "fromString"),
            (&change.to, "to"),
            (&change.to_text, "toString"),
        ] {
            assert_eq!(*kept, text(name), "{name} of {id}");
        }
        let known = ["field", "fieldId", "fieldtype", "from", "fromString", "to", "toString"];
        let rest: Object = item.clone().into_iter().filter(|(name, _)| !known.contains(&name.as_str())).collect();
        assert_eq!(more, rest);
    }
}

fn account(of: &Object) -> Option<String> {
    let author: Object = of.get("author")?.read().ok()?;
    author.get("accountId")?.read::<String>().ok().filter(|account| !account.is_empty())
}
