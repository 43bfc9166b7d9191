//! Writes: what is sent, when it is sent again, and what is said when nobody knows.

use std::time::Duration;

use axum::body::{Body, Bytes};
use domain::{AccountId, CommentId, IssueId, ProjectId, RawJson};
use serde_json::{Value, json};

use super::site::{MYSELF, Reply, Site, answer, ours};
use crate::{Assignee, Error, Landed, Mark, NewComment, NewIssue, NewTransition, Trouble, Visible};

const ISSUE: IssueId = IssueId(1);

fn json_of(value: &Value) -> RawJson {
    RawJson::of(value).expect("JSON")
}

fn document(text: &str) -> Value {
    json!({"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]})
}

fn new_issue() -> NewIssue {
    NewIssue {
        project: ProjectId(10000),
        kind: 10001,
        summary: "s".into(),
        labels: vec!["a".into()],
        fields: vec![("description".into(), json_of(&document("d")))],
        mark: Mark::new("01J").expect("a mark"),
        visible: Visible::Label,
    }
}

fn new_comment() -> NewComment {
    NewComment { body: json_of(&document("hi")), visibility: None, mark: Mark::new("01J").expect("a mark") }
}

fn made() -> Reply {
    answer(201, &[("x-aaccountid", "a1")], r#"{"id":"7","key":"ACME-7"}"#)
}

fn comment(id: i64, author: &str, text: &str) -> Value {
    json!({"id": id.to_string(), "author": {"accountId": author}, "body": document(text),
        "created": "2026-01-01T09:00:00.000+0000", "properties": [{"key": "jirafleet.operation", "value": {"op": "01J"}}]})
}

#[tokio::test]
async fn an_issue_is_made_with_its_mark() {
    let site = Site::start(|_, _| made()).await;
    let issue = site.client.create(&new_issue()).await.expect("an issue");
    assert_eq!((issue.id, issue.key.as_str()), (IssueId(7), "ACME-7"));
    let asked = &site.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/rest/api/3/issue"));
    let expected = json!({
        "fields": {"project": {"id": "10000"}, "issuetype": {"id": "10001"}, "summary": "s", "labels": ["a", "op-01J"], "description": document("d")},
        "properties": [{"key": "jirafleet.operation", "value": {"op": "01J"}}],
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn what_surely_did_not_happen_is_sent_again() {
    for (status, header) in [(429, "x-none"), (429, "retry-after"), (503, "retry-after")] {
        let site =
            Site::start(move |before, _| if before == 0 { answer(status, &[(header, "1")], "") } else { made() });
        let site = site.await;
        site.client.create(&new_issue()).await.expect("an issue");
        assert_eq!(site.asked().len(), 2, "{status} {header}");
    }
}

#[tokio::test]
async fn a_refusal_is_final() {
    for status in [400, 403, 404, 409, 413] {
        let site = Site::start(move |_, _| answer(status, &[("x-aaccountid", "a1")], "{}")).await;
        assert!(
            matches!(site.client.create(&new_issue()).await, Err(Error::Refused { status: told, .. }) if told == status)
        );
        assert_eq!(site.asked().len(), 1);
    }
}

/// An answer of which nothing but the beginning comes.
fn endless() -> Reply {
    ours(Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>()))
}

#[tokio::test]
async fn what_may_have_happened_is_unknown_and_never_sent_again() {
    let scripts: [fn() -> Reply; 6] = [
        || answer(500, &[("x-aaccountid", "a1")], ""),
        || answer(502, &[], ""),
        || answer(503, &[], ""),
        endless,
        || answer(200, &[("content-type", "text/html")], "<html>"),
        || ours(r#"{"id":"#),
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let site = Site::start(move |_, _| script()).await;
        let client = site.client_with(|config| config.timeout = Duration::from_millis(300));
        let error = client.create(&new_issue()).await.expect_err("unknown");
        assert!(matches!(&error, Error::Unknown { settle, .. } if settle.contains("label")), "{number}: {error:?}");
        assert!(error.is_final() && site.asked().len() == 1, "{number}");
    }
}

#[tokio::test]
async fn an_anonymous_answer_to_a_write_is_unknown() {
    let site =
        Site::start(|_, asked| if asked.path.ends_with("/myself") { ours(MYSELF) } else { answer(201, &[], "{}") });
    let site = site.await;
    assert!(matches!(site.client.create(&new_issue()).await, Err(Error::Unknown { .. })));
    assert_eq!(site.count("/issue"), 1);
}

#[tokio::test]
async fn a_write_that_nobody_was_allowed_did_not_happen() {
    let site = Site::start(|_, asked| {
        let refused = asked.path.ends_with("/myself");
        answer(if refused { 401 } else { 400 }, &[], r#"{"errorMessages":["no"]}"#)
    })
    .await;
    assert!(matches!(site.client.create(&new_issue()).await, Err(Error::NotOurselves { .. })));
}

#[tokio::test]
async fn a_write_that_was_never_sent_is_no_riddle() {
    let site = Site::start(|_, _| made()).await;
    let client = site.client_with(|config| config.site = domain::Site::trusted("http://127.0.0.1:1".into()));
    let result = client.create(&new_issue()).await;
    assert!(matches!(result, Err(Error::Unavailable { trouble: Trouble::Connection, .. })), "{result:?}");
}

#[tokio::test]
async fn texts_that_are_too_long_are_not_sent() {
    let site = Site::start(|_, _| made()).await;
    let mut new = new_issue();
    new.fields[0].1 = json_of(&document(&"x".repeat(32_768)));
    let error = site.client.create(&new).await.expect_err("too long").to_string();
    assert!(error.contains("description") && site.asked().is_empty(), "{error}");
}

#[tokio::test]
async fn fields_are_set_and_issues_assigned_and_linked() {
    let site = Site::start(|_, _| answer(204, &[("x-aaccountid", "a1")], "")).await;
    let client = &site.client;
    client.edit(ISSUE, &[("summary".to_owned(), json_of(&json!("new")))], None).await.expect("edited");
    for assignee in [Assignee::Account(AccountId("a2".into())), Assignee::Default, Assignee::Nobody] {
        client.assign(ISSUE, &assignee).await.expect("assigned");
    }
    client.link(5, ISSUE, IssueId(2)).await.expect("linked");
    client.delete_link(9).await.expect("removed");
    client.delete_comment(ISSUE, CommentId(3)).await.expect("removed");
    let asked = site.asked();
    assert_eq!(asked[0].body, json!({"update": {"summary": [{"set": "new"}]}}));
    let accounts: Vec<&Value> = asked[1..4].iter().map(|asked| &asked.body["accountId"]).collect();
    assert_eq!(accounts, [&json!("a2"), &json!("-1"), &Value::Null]);
    assert_eq!(asked[4].body, json!({"type": {"id": "5"}, "inwardIssue": {"id": "1"}, "outwardIssue": {"id": "2"}}));
    let last: Vec<_> = asked[5..].iter().map(|asked| (asked.method.as_str(), asked.path.as_str())).collect();
    assert_eq!(last, [("DELETE", "/rest/api/3/issueLink/9"), ("DELETE", "/rest/api/3/issue/1/comment/3")]);
}

/// A site where a transition keeps its comment, or drops it without a word.
async fn site_with_transitions(keeps: bool) -> Site {
    Site::start(move |before, asked| {
        let moved = before > 1 && keeps;
        ours(match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", _) => {
                let others = [json!({"id": "3"}), json!({"id": "2"})];
                let all: Vec<Value> = moved.then(|| json!({"id": "4"})).into_iter().chain(others).collect();
                json!({"total": all.len(), "comments": all}).to_string()
            }
            (_, "/rest/api/3/comment/list") => json!({"values": [comment(4, "a1", "hi")]}).to_string(),
            (_, "/rest/api/3/issue/1/comment") => comment(5, "a1", "hi").to_string(),
            _ => return answer(204, &[("x-aaccountid", "a1")], ""),
        })
    })
    .await
}

#[tokio::test]
async fn a_comment_that_a_transition_dropped_is_made_by_itself() {
    let new = NewTransition { id: "31".into(), fields: Vec::new(), comment: Some(new_comment()), mark: None };
    let site = site_with_transitions(true).await;
    assert_eq!(site.client.transition(ISSUE, &new).await.expect("moved"), Landed::Along(CommentId(4)));
    assert_eq!(site.asked()[1].body["update"]["comment"][0]["add"]["body"], document("hi"));
    let site = site_with_transitions(false).await;
    assert_eq!(site.client.transition(ISSUE, &new).await.expect("moved"), Landed::Apart(CommentId(5)));
    let silent = NewTransition { comment: None, ..new };
    let site = site_with_transitions(false).await;
    assert_eq!(site.client.transition(ISSUE, &silent).await.expect("moved"), Landed::NoComment);
    assert_eq!(site.asked().len(), 1);
}

#[tokio::test]
async fn marks_are_found() {
    let site = Site::start(|_, asked| {
        ours(
            match asked.path.as_str() {
                "/rest/api/3/search/jql" => json!({"issues": [{"id": "7"}], "isLast": true}),
                "/rest/api/3/comment/list" => {
                    let mut other = comment(3, "a1", "x");
                    other["properties"][0]["value"]["op"] = json!("another");
                    json!({"values": [other, comment(4, "a1", "hi")]})
                }
                _ => json!({"total": 2, "comments": [{"id": "4"}, {"id": "3"}]}),
            }
            .to_string(),
        )
    })
    .await;
    let mark = Mark::new("01J").expect("a mark");
    assert_eq!(site.client.find_issues(ProjectId(1), &mark).await.expect("a search"), [IssueId(7)]);
    assert_eq!(site.asked()[0].body["jql"], r#"project = 1 AND labels = "op-01J""#);
    assert_eq!(site.client.find_comments(ISSUE, &mark).await.expect("comments"), Some(vec![CommentId(4)]));
}

#[tokio::test]
async fn a_throttled_issue_stops_nobody_else() {
    let headers = [("ratelimit-reason", "jira-per-issue-on-write"), ("retry-after", "30")];
    let site = Site::start(move |_, asked| {
        if asked.path.contains("/1/") { answer(429, &headers, "") } else { ours(comment(5, "a1", "hi").to_string()) }
    })
    .await;
    assert!(matches!(site.client.comment(ISSUE, &new_comment()).await, Err(Error::Throttled { .. })));
    assert!(site.held().is_empty(), "the fleet goes on");
    site.client.comment(IssueId(2), &new_comment()).await.expect("a comment");
    assert!(matches!(site.client.comment(ISSUE, &new_comment()).await, Err(Error::Throttled { .. })));
    assert_eq!(site.asked().len(), 2, "the issue rests");
}
