//! What else can be read: single issues and what hangs on them, feeds, reference data, webhooks.

use chrono::DateTime;
use domain::{AccountId, CommentId, IssueId, IssueKey, ProjectId, StatusCategory};
use serde_json::{Value, json};

use super::site::{Reply, Site, answer, ours};
use crate::{DynamicWebhook, Error, NewWebhook};

const ABSENT: &str =
    r#"{"errorMessages":["Issue does not exist or you do not have permission to see it."],"errors":{}}"#;

fn reply(value: &Value) -> Reply {
    ours(value.to_string())
}

fn absent() -> Reply {
    answer(404, &[("x-aaccountid", "a1")], ABSENT)
}

fn issue(id: i64, histories: usize) -> Value {
    json!({"id": id.to_string(), "key": "NEW-1", "changelog": {"total": histories, "histories": []},
        "fields": {"summary": "s", "issuetype": {"id": "1", "name": "Task"}, "project": {"id": "10000", "key": "NEW"},
            "status": {"id": "1", "name": "To Do", "statusCategory": {"id": 2}},
            "created": "2026-01-01T09:00:00.000+0000", "updated": "2026-01-02T09:00:00.000+0000",
            "comment": {"total": 0, "comments": []},
            "issuelinks": [{"id": "7", "type": {"id": "2", "name": "Blocks"}, "inwardIssue": {"id": "9", "key": "A-9"}}]}})
}

#[tokio::test]
async fn a_moved_issue_is_found_by_its_old_key_and_comes_whole() {
    let site = Site::start(|_, asked| {
        reply(&match asked.path.as_str() {
            "/rest/api/3/issue/OLD-1" => issue(1, 2),
            // The bulk route is refused here: the issue's own changelog does.
            "/rest/api/3/changelog/bulkfetch" => return answer(403, &[("x-aaccountid", "a1")], "{}"),
            _ => json!({"isLast": true, "values": [
                {"id": "11", "created": "2026-01-01T09:00:00.000+0000", "items": []},
                {"id": "12", "created": "2026-01-01T09:00:00.000+0000", "items": []}]}),
        })
    })
    .await;
    let key: IssueKey = "OLD-1".parse().expect("a key");
    let found = site.client.issue(key).await.expect("an answer").expect("an issue");
    assert_eq!((found.issue.key.as_str(), found.changelog.len()), ("NEW-1", 2));
    assert_eq!(site.count("/rest/api/3/issue/1/changelog"), 1);
}

#[tokio::test]
async fn what_jira_does_not_show_is_none_and_another_issue_is_refused() {
    let site = Site::start(|_, asked| if asked.path.ends_with("/1") { absent() } else { reply(&issue(3, 0)) }).await;
    assert!(site.client.issue(IssueId(1)).await.expect("an answer").is_none());
    assert!(site.client.links(IssueId(1)).await.expect("an answer").is_none());
    assert!(matches!(site.client.issue(IssueId(2)).await, Err(Error::Malformed { .. })));
    assert_eq!(site.client.links(IssueId(3)).await.expect("an answer").expect("links")[0].id, 7);
}

#[tokio::test]
async fn times_are_read_by_the_thousand_where_the_site_takes_that_many() {
    let site = Site::start(|_, asked| {
        let ids = asked.body["issueIdsOrKeys"].as_array().expect("ids");
        if ids.len() > 100 {
            return answer(400, &[("x-aaccountid", "a1")], r#"{"errorMessages":["at most 100"]}"#);
        }
        let found: Vec<Value> = ids
            .iter()
            .filter(|id| !["2", "3"].contains(&id.as_str().expect("a text")))
            .map(|id| json!({"id": id, "fields": {"updated": "2026-01-02T09:00:00.000+0000"}}))
            .collect();
        reply(&json!({"issues": found, "issueErrors": [{"id": "3", "errorMessage": "busy"}]}))
    })
    .await;
    let ids: Vec<IssueId> = (1..=250).map(IssueId).collect();
    let times = site.client.update_times(&ids).await.expect("times");
    assert_eq!((times.issues.len(), times.absent, times.failed.len()), (248, vec![IssueId(2)], 1));
    assert_eq!(site.asked().len(), 4, "one refusal, then a hundred at a time");
    assert_eq!(site.asked()[1].body["fields"], json!(["updated"]));
}

#[tokio::test]
async fn a_listing_that_does_not_heed_its_start_is_refused() {
    let site = Site::start(|_, _| reply(&json!({"total": 9, "worklogs": [{"id": "1", "timeSpentSeconds": 60}]}))).await;
    let result = site.client.worklogs_of(IssueId(1)).await;
    assert!(matches!(&result, Err(Error::Malformed { what, .. }) if what.contains("startAt")), "{result:?}");
    assert_eq!(site.asked().len(), 2);
}

#[tokio::test]
async fn short_pages_do_not_end_a_listing() {
    let site = Site::start(|_, asked| {
        let start = (0..3).find(|n| asked.query.starts_with(&format!("startAt={n}&"))).expect("a start");
        reply(&json!({"total": 3, "worklogs": [{"id": start + 1, "timeSpentSeconds": "60", "author": {"accountId": "a1"}}]}))
    })
    .await;
    let worklogs = site.client.worklogs_of(IssueId(8)).await.expect("an answer").expect("worklogs");
    assert_eq!(worklogs.iter().map(|worklog| worklog.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(worklogs[0].seconds, 60);
}

#[tokio::test]
async fn a_feed_is_followed_by_its_links_and_to_no_other_host() {
    let site = Site::start(|before, asked| {
        let host = if asked.path.ends_with("/deleted") { "https://evil.example" } else { "" };
        let change = json!({"worklogId": before, "updatedTime": 1_438_013_671_562_i64});
        let mut page =
            json!({"values": [change], "until": 1_438_013_693_136_i64 + i64::try_from(before).expect("few")});
        if before == 0 || !host.is_empty() {
            page["nextPage"] = json!(format!("{host}/rest/api/3/worklog/updated?since=2"));
        }
        reply(&page)
    })
    .await;
    // The links are absolute in real answers; the scripted site does not know its own address.
    let since = DateTime::from_timestamp_millis(1).expect("in range");
    assert!(matches!(site.client.worklogs_updated(since).await, Err(Error::Malformed { .. })), "no address");
    let result = site.client.worklogs_deleted(since).await;
    assert!(matches!(&result, Err(Error::Malformed { what, .. }) if what.contains("another host")), "{result:?}");
    let changes = site.client.worklogs_updated(since).await.expect("a feed");
    assert_eq!((changes.worklogs.len(), changes.until.timestamp_millis()), (1, 1_438_013_693_138));
}

#[tokio::test]
async fn statuses_of_both_lists_are_known() {
    let site = Site::start(|_, asked| {
        if asked.path.ends_with("/status") {
            return reply(&json!([{"id": "1", "name": "To Do", "statusCategory": {"id": 2}},
                {"id": "2", "name": "Doing", "statusCategory": {"id": 4}, "scope": {"project": {"id": "10000"}}}]));
        }
        reply(&json!({"isLast": true, "values": [{"id": "2", "name": "Doing", "statusCategory": "IN_PROGRESS"},
            {"id": "3", "name": "Over", "statusCategory": "DONE"}]}))
    })
    .await;
    let statuses = site.client.statuses().await.expect("statuses");
    let summary: Vec<_> = statuses.iter().map(|status| (status.status.id, status.status.category)).collect();
    assert_eq!(summary, [(1, StatusCategory::New), (2, StatusCategory::Indeterminate), (3, StatusCategory::Done)]);
    assert_eq!(statuses[1].project, Some(ProjectId(10000)));
}

#[tokio::test]
async fn reference_data_is_read_in_its_many_envelopes() {
    let site = Site::start(|_, asked| {
        let path = asked.path.trim_start_matches("/rest/api/3/");
        reply(&match path {
            "issuetype" => json!([{"id": "5", "name": "Sub-task", "subtask": true, "hierarchyLevel": -1}]),
            "priority/search" => json!({"isLast": true, "values": [{"id": "1", "name": "High"}]}),
            "issueLinkType" => return absent(),
            "issue/1/transitions" => json!({"transitions": [{"id": "31", "name": "Done", "hasScreen": true,
                "to": {"id": "3", "name": "Done", "statusCategory": {"id": 3}}, "fields": {"resolution": {"required": true}}}]}),
            "issue/createmeta/1/issuetypes" => json!({"total": 1, "issueTypes": [{"id": "5", "name": "Task"}]}),
            "issue/createmeta/1/issuetypes/5" => json!({"total": 1, "results": [{"fieldId": "summary", "name": "Summary", "required": true}]}),
            "mypermissions" => json!({"permissions": {"BROWSE_PROJECTS": {"havePermission": true}}}),
            "user/bulk" => json!({"isLast": true, "values": [{"accountId": "a5", "displayName": "Mia"}]}),
            "project/1" => json!({"id": "1", "key": "A", "archived": true}),
            "comment/list" => json!({"values": [{"id": "3", "created": "2026-01-01T09:00:00.000+0000", "body": {}, "properties": [{"key": "k", "value": {"n": 1.10}}]}]}),
            _ => json!({"isLast": true, "values": [{"id": 4, "name": "Board", "type": "scrum", "location": {"projectId": 1}}]}),
        })
    })
    .await;
    let client = &site.client;
    assert_eq!(client.issue_types().await.expect("types")[0].level, Some(-1));
    assert_eq!(client.priorities().await.expect("priorities")[0].name, "High");
    assert!(client.link_types().await.expect("linking is switched off").is_empty());
    let transitions = client.transitions(IssueId(1)).await.expect("an answer").expect("transitions");
    assert_eq!(transitions[0].fields, [("resolution".to_owned(), true)]);
    assert_eq!(client.creatable_types(ProjectId(1)).await.expect("an answer").expect("types")[0].id, 5);
    assert!(client.creatable_fields(ProjectId(1), 5).await.expect("an answer").expect("fields")[0].required);
    assert!(client.permissions(&["BROWSE_PROJECTS"], None).await.expect("permissions")["BROWSE_PROJECTS"]);
    assert_eq!(client.users_by_account(&[AccountId("a5".into())]).await.expect("people").len(), 1);
    assert!(site.asked().last().expect("asked").query.contains("accountId=a5"));
    assert_eq!(
        client.project(ProjectId(1)).await.expect("an answer").expect("a project").lifecycle,
        domain::Lifecycle::Archived
    );
    let comments = client.comments(&[CommentId(3)]).await.expect("comments");
    assert_eq!(comments[0].properties[0].1.as_str(), r#"{"n":1.1}"#);
    let boards = client.boards().await.expect("boards");
    assert_eq!((boards[0].kind.as_str(), boards[0].project), ("scrum", Some(ProjectId(1))));
}

#[tokio::test]
async fn a_board_without_sprints_is_no_failure() {
    let site = Site::start(|_, asked| {
        if asked.path.contains("/4/") {
            return answer(400, &[("x-aaccountid", "a1")], r#"{"errorMessages":["The board does not support sprints"]}"#);
        }
        reply(&json!({"isLast": true, "values": [{"id": 34, "name": "S", "state": "active", "startDate": "2026-01-01T09:00:00.000Z", "originBoardId": 5}]}))
    })
    .await;
    assert!(site.client.sprints(4).await.expect("an answer").is_none());
    let sprints = site.client.sprints(5).await.expect("an answer").expect("sprints");
    assert!(sprints[0].starts_at.is_some() && sprints[0].ends_at.is_none());
}

#[tokio::test]
async fn webhooks_are_registered_listed_refreshed_and_removed() {
    let registered = json!({"name": "mirror", "url": "https://m.example.com", "events": ["x"], "enabled": true, "isSigned": true,
        "self": "https://acme.atlassian.net/rest/webhooks/1.0/webhook/72"});
    let site = Site::start(move |_, asked| {
        reply(&match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/rest/webhooks/1.0/webhook") => registered.clone(),
            ("GET", "/rest/webhooks/1.0/webhook") => json!([registered]),
            ("DELETE", "/rest/webhooks/1.0/webhook/72") => return absent(),
            ("POST", _) => json!({"webhookRegistrationResult": [{"createdWebhookId": 1000}, {"errors": ["unsupported"]}]}),
            ("PUT", _) => json!({"expirationDate": "2026-06-01T12:42:30.000+0000"}),
            ("DELETE", _) => return answer(202, &[("x-aaccountid", "a1")], ""),
            _ => json!({"isLast": true, "values": [{"id": 1000, "events": ["x"], "jqlFilter": "project = A", "expirationDate": 1_706_692_865_788_i64}]}),
        })
    })
    .await;
    let client = &site.client;
    let mut new = NewWebhook {
        name: "mirror".into(),
        url: "https://m.example.com".into(),
        events: vec!["x".into()],
        jql: Some("project = A".into()),
        secret: "s".to_owned().into(),
    };
    assert_eq!(client.register_webhook(&new).await.expect("a webhook").id, 72);
    assert_eq!(site.asked()[0].body["filters"], json!({"issue-related-events-section": "project = A"}));
    new.secret = String::new().into();
    assert!(matches!(client.register_webhook(&new).await, Err(Error::Invalid(_))));
    assert_eq!(client.webhooks().await.expect("webhooks")[0].signed, Some(true));
    client.delete_webhook(72).await.expect("it is gone");
    let wanted = DynamicWebhook { events: vec!["x".into()], jql_filter: "project = A".into() };
    let results = client.register_dynamic_webhooks("https://m.example.com", &[wanted.clone(), wanted]).await;
    assert_eq!(results.expect("results"), [Ok(1000), Err(vec!["unsupported".to_owned()])]);
    assert!(client.dynamic_webhooks().await.expect("webhooks")[0].expires_at.is_some());
    client.refresh_dynamic_webhooks(&[1000]).await.expect("a new end");
    client.delete_dynamic_webhooks(&[1000]).await.expect("removed");
    assert_eq!(site.asked().last().expect("asked").body, json!({"webhookIds": [1000]}));
}
