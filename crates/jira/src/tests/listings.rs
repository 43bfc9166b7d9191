//! Searches, counts and the directory.

use chrono::DateTime;
use domain::{IssueId, Lifecycle, ProjectId};
use serde_json::json;

use super::site::{Site, answer, ours};
use crate::Error;

#[tokio::test]
async fn a_listing_asks_for_ids_only_and_follows_the_token() {
    let site = Site::start(|_, asked| {
        ours(if asked.body["nextPageToken"] == "t2" {
            r#"{"issues":[{"id":10003}],"isLast":true}"#
        } else {
            r#"{"issues":[{"id":"10001"},{"id":"10002"}],"nextPageToken":"t2","isLast":false}"#
        })
    })
    .await;
    let first = site.client.issue_ids(ProjectId(10000), None, None).await.expect("a page");
    assert_eq!(first.ids, [IssueId(10001), IssueId(10002)]);
    let last = site.client.issue_ids(ProjectId(10000), None, first.next.as_deref()).await.expect("a page");
    assert_eq!((last.ids.len(), last.next), (1, None));
    let expected = json!({"jql": "project = 10000 ORDER BY created ASC, key ASC", "maxResults": 5000});
    assert_eq!(site.asked()[0].body, expected, "the schema is closed: nothing else may be in it");
}

#[tokio::test]
async fn the_poll_reads_when_each_issue_was_updated() {
    let page = r#"{"issues":[{"id":"1","fields":{"updated":"2026-02-03T10:11:12.345+0100"}}],"isLast":true}"#;
    let site = Site::start(move |_, _| ours(page)).await;
    let from = DateTime::from_timestamp_millis(1_732_877_091_000).expect("in range");
    let page = site.client.updated_since(from, None).await.expect("a page");
    assert_eq!(page.issues, [(IssueId(1), DateTime::from_timestamp_millis(1_770_109_872_345).expect("in range"))]);
    assert_eq!(site.asked()[0].body["fields"], json!(["updated"]));
}

#[tokio::test]
async fn an_expired_page_token_begins_the_listing_again() {
    let said = r#"{"errorMessages":["The provided next page token is invalid or expired."],"errors":{}}"#;
    let site = Site::start(move |_, _| answer(400, &[("x-aaccountid", "a1")], said)).await;
    let result = site.client.issue_ids(ProjectId(1), None, Some("old")).await;
    assert!(matches!(result, Err(Error::TokenExpired)));
}

#[tokio::test]
async fn projects_are_read_in_all_three_states() {
    let site = Site::start(|_, asked| {
        let start = |n| asked.query.contains(&format!("startAt={n}&"));
        ours(match asked.query.as_str() {
            live if live.contains("status=live") && start(0) => {
                r#"{"isLast":false,"values":[{"id":"10000","key":"ACME","name":"Acme","lead":{"accountId":"a5"},"insight":{"totalIssueCount":7}}]}"#
            }
            live if live.contains("status=live") && start(1) => r#"{"isLast":true,"values":[{"id":10002,"key":"B"}]}"#,
            archived if archived.contains("status=archived") => r#"{"isLast":true,"values":[{"id":"10001","key":"OLD"}]}"#,
            _ => r#"{"isLast":true,"values":[]}"#,
        })
    })
    .await;
    let projects = site.client.projects().await.expect("projects");
    let states: Vec<_> = projects.iter().map(|project| (project.id.0, project.lifecycle)).collect();
    assert_eq!(states, [(10000, Lifecycle::Live), (10001, Lifecycle::Archived), (10002, Lifecycle::Live)]);
    assert_eq!((projects[0].issue_count, projects[0].lead.as_ref().map(|lead| lead.0.as_str())), (Some(7), Some("a5")));
    assert!(site.asked()[0].query.contains("expand=insight%2Clead"));
}

#[tokio::test]
async fn a_site_that_does_not_sort_its_projects_has_live_ones() {
    let page = r#"{"isLast":true,"values":[{"id":"1","key":"A"},{"id":"2","key":"B","archived":true},{"id":"3","key":"C","deleted":true}]}"#;
    let site = Site::start(move |_, _| ours(page)).await;
    let projects = site.client.projects().await.expect("projects");
    let states: Vec<_> = projects.iter().map(|project| project.lifecycle).collect();
    assert_eq!(states, [Lifecycle::Live, Lifecycle::Archived, Lifecycle::Deleted]);
}

#[tokio::test]
async fn people_are_read_until_nobody_is_left() {
    let site = Site::start(|_, asked| {
        let first = asked.query.contains("startAt=0&");
        ours(if first { r#"[{"accountId":"a1","displayName":"Mia","active":true},{"accountId":""}]"# } else { "[]" })
    })
    .await;
    let users = site.client.users().await.expect("people");
    assert_eq!((users.len(), users.withheld.is_none()), (1, true));
    assert!(site.asked()[1].query.contains("startAt=2&"), "people without an account count for the position");
}

#[tokio::test]
async fn a_site_that_hides_its_people_is_no_failure() {
    let site = Site::start(|_, _| answer(403, &[("x-aaccountid", "a1")], r#"{"errorMessages":["no"]}"#)).await;
    let users = site.client.users().await.expect("a mark");
    assert!(users.is_empty() && users.withheld.is_some());
}

#[tokio::test]
async fn fields_are_known_by_their_type() {
    let site = Site::start(|_, _| {
        ours(r#"[{"id":"summary","name":"Summary","custom":false,"schema":{"type":"string"}},{"id":"customfield_10020","name":"Sprint","custom":true,"schema":{"custom":"com.pyxis.greenhopper.jira:gh-sprint"}}]"#)
    })
    .await;
    let fields = site.client.fields().await.expect("fields");
    assert_eq!(fields[1].custom_type.as_deref(), Some("com.pyxis.greenhopper.jira:gh-sprint"));
    assert!(!fields[0].custom && fields[0].custom_type.is_none());
}

#[tokio::test]
async fn a_count_is_a_number() {
    let site = Site::start(|_, _| ours(r#"{"count":153}"#)).await;
    assert_eq!(site.client.approximate_count(ProjectId(10000)).await.expect("a count"), 153);
    assert_eq!(site.asked()[0].body, json!({"jql": "project = 10000"}));
}
