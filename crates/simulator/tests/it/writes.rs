//! Edits, transitions, assignments, deletions, the archive: what they change, and what they refuse.

use std::sync::Arc;

use serde_json::{Value, json};
use simulator::{Config, Status, TransitionComments};

use crate::client::{Site, doc};

async fn site() -> Site {
    Site::start(Config { issues: 40, ..Config::default() }).await
}

/// An issue to do, by its id.
async fn fresh(site: &Site) -> String {
    site.id(&site.world.create("ACME", "Fresh").unwrap())
}

#[tokio::test]
async fn an_edit_is_written_down_as_the_callers() {
    let site = site().await;
    let id = fresh(&site).await;
    let path = format!("/rest/api/3/issue/{id}");
    let edit = json!({
        "fields": {"summary": "Edited", "customfield_10016": 5.0, "customfield_10041": {"value": "Major"},
                   "duedate": "2026-08-12", "fixVersions": [{"name": "2.0"}], "customfield_10020": 3},
        "update": {"labels": [{"add": "x"}, {"add": "y"}, {"remove": "x"}], "comment": [{"add": {"body": doc("why")}}],
                   "components": [{"add": {"name": "Backend"}}]},
    });
    let reply = site.put(&path, &edit).await;
    assert_eq!((reply.status, reply.json), (204, Value::Null));
    let issue = site.get(&format!("{path}?expand=changelog")).await.json;
    let fields = &issue["fields"];
    assert_eq!((&fields["summary"], &fields["labels"]), (&json!("Edited"), &json!(["y"])));
    assert_eq!((&fields["customfield_10016"], &fields["customfield_10041"]["value"]), (&json!(5.0), &json!("Major")));
    assert_eq!(
        (&fields["fixVersions"][0]["name"], &fields["components"][0]["name"]),
        (&json!("2.0"), &json!("Backend"))
    );
    assert_eq!((&fields["customfield_10020"][0]["id"], &fields["comment"]["total"]), (&json!(3), &json!(1)));
    let entry = &issue["changelog"]["histories"][0];
    assert_eq!(entry["author"]["accountId"], *site.world.service_account());
    let items = entry["items"].as_array().unwrap();
    let changed = |name: &str| items.iter().any(|item| item["fieldId"] == name);
    assert!(["summary", "labels", "duedate", "fixVersions", "components"].into_iter().all(changed));
    let whole = site.put(&format!("{path}?returnIssue=true"), &json!({"fields": {"summary": "Again"}})).await;
    assert_eq!((whole.status, &whole.json["fields"]["summary"]), (200, &json!("Again")));
}

#[tokio::test]
async fn one_wrong_field_fails_the_whole_edit() {
    let site = site().await;
    let id = fresh(&site).await;
    let before = site.world.store_view(id.parse().unwrap());
    let long = "x".repeat(32_768);
    let wrong = [
        (json!({"fields": {"summary": "ok", "priority": {"id": "99"}}}), "priority"),
        (json!({"fields": {"summary": ""}}), "summary"),
        (json!({"fields": {"summary": "x".repeat(256)}}), "summary"),
        (json!({"fields": {"labels": ["a"]}, "update": {"labels": [{"add": "b"}]}}), "labels"),
        (json!({"fields": {"description": doc(&long)}}), "description"),
        (json!({"fields": {"status": {"id": "10003"}}}), "status"),
        (json!({"update": {"summary": [{"add": "z"}]}}), "summary"),
        (json!({"update": {"comment": [{"add": {"body": "plain"}}]}}), "comment"),
        (json!({"fields": {"issuetype": {"name": "Sub-task"}}}), "issuetype"),
    ];
    for (edit, field) in wrong {
        let reply = site.put(&format!("/rest/api/3/issue/{id}"), &edit).await;
        assert_eq!(reply.status, 400, "{edit}");
        assert!(reply.json["errors"][field].is_string(), "{}", reply.json);
    }
    assert_eq!(site.world.store_view(id.parse().unwrap()), before);
    assert_eq!(site.put("/rest/api/3/issue/NOPE-1", &json!({"fields": {}})).await.status, 404);
    let broken = site.request(reqwest::Method::PUT, &format!("/rest/api/3/issue/{id}")).body("{");
    let words = "There was an error parsing JSON. Check that your request body is valid.";
    assert_eq!(crate::client::reply(broken).await.json, json!({"errorMessages": [words]}));
}

#[tokio::test]
async fn properties_do_not_count_as_a_change() {
    let site = site().await;
    let id = fresh(&site).await;
    let before = site.world.store_view(id.parse().unwrap());
    let edit = json!({"properties": [{"key": "op", "value": 7}]});
    assert_eq!(site.put(&format!("/rest/api/3/issue/{id}"), &edit).await.status, 204);
    assert_eq!(site.world.store_view(id.parse().unwrap()), before);
    let read = site.get(&format!("/rest/api/3/issue/{id}?properties=op&fields=id")).await.json;
    assert_eq!(read["properties"], json!({"op": 7}));
    let found = site.search(json!({"jql": format!("id = {id}"), "fields": ["summary"], "properties": ["op"]})).await;
    assert_eq!(found.json["issues"][0]["properties"], json!({"op": 7}));
    let six = json!({"jql": "id > 0", "properties": ["1", "2", "3", "4", "5", "6"]});
    assert_eq!(site.search(six).await.status, 400);
}

#[tokio::test]
async fn the_workflow_decides_what_can_be_done() {
    let site = site().await;
    let id = fresh(&site).await;
    let path = format!("/rest/api/3/issue/{id}/transitions");
    let ways = async || {
        let list = site.get(&path).await.json["transitions"].clone();
        list.as_array().unwrap().iter().map(|way| way["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ways().await, ["11", "31"]);
    assert_eq!(site.post(&path, &json!({"transition": {"id": "11"}})).await.status, 204);
    assert_eq!(site.field(&id, "status").await["name"], "In Progress");
    let stale = site.post(&path, &json!({"transition": {"id": "11"}})).await;
    assert_eq!(stale.status, 400);
    assert!(stale.json["errorMessages"][0].as_str().unwrap().contains("is not valid"));
    let missing = site.post(&path, &json!({})).await;
    assert_eq!(missing.json, json!({"errorMessages": ["Missing 'transition' identifier"], "errors": {}}));
    let done = json!({"transition": {"id": 31}, "fields": {"resolution": {"name": "Done"}},
                      "update": {"comment": [{"add": {"body": doc("finished")}}]}});
    assert_eq!(site.post(&path, &done).await.status, 204);
    let fields = site.get(&format!("/rest/api/3/issue/{id}")).await.json["fields"].clone();
    assert_eq!((&fields["resolution"]["name"], &fields["comment"]["total"]), (&json!("Done"), &json!(1)));
    let offscreen = json!({"transition": {"id": "61"}, "fields": {"summary": "no"}});
    assert!(site.post(&path, &offscreen).await.json["errors"]["summary"].as_str().unwrap().contains("screen"));
    assert_eq!(site.get(&format!("{path}?transitionId=999")).await.json["transitions"], json!([]));
    let shown = site.get(&format!("{path}?expand=transitions.fields")).await.json;
    assert!(shown["transitions"][0]["fields"].is_object());
}

#[tokio::test]
async fn a_screen_without_a_comment_field_drops_the_comment() {
    let config = Config { issues: 5, transition_comments: TransitionComments::Dropped, ..Config::default() };
    let site = Site::start(config).await;
    let id = fresh(&site).await;
    let ask = json!({"transition": {"id": "31"}, "update": {"comment": [{"add": {"body": doc("lost")}}]}});
    assert_eq!(site.post(&format!("/rest/api/3/issue/{id}/transitions"), &ask).await.status, 204);
    let fields = site.get(&format!("/rest/api/3/issue/{id}")).await.json["fields"].clone();
    assert_eq!((&fields["status"]["name"], &fields["comment"]["total"]), (&json!("Done"), &json!(0)));
}

#[tokio::test]
async fn a_scripted_conflict_is_met_once() {
    let site = site().await;
    let id = fresh(&site).await;
    site.world.conflict(id.parse().unwrap(), 1);
    let edit = json!({"fields": {"summary": "Late"}});
    assert_eq!(site.put(&format!("/rest/api/3/issue/{id}"), &edit).await.status, 409);
    assert_eq!(site.field(&id, "summary").await, "Fresh");
    assert_eq!(site.put(&format!("/rest/api/3/issue/{id}"), &edit).await.status, 204);
}

#[tokio::test]
async fn assignment_takes_an_account_nobody_or_the_default() {
    let site = site().await;
    let id = fresh(&site).await;
    let path = format!("/rest/api/3/issue/{id}/assignee");
    let who: Arc<str> = site.world.service_account();
    assert_eq!(site.put(&path, &json!({"accountId": *who})).await.status, 204);
    assert_eq!(site.field(&id, "assignee").await["accountId"], *who);
    assert_eq!(site.put(&path, &json!({"accountId": null})).await.status, 204);
    assert_eq!(site.field(&id, "assignee").await, Value::Null);
    assert_eq!(site.put(&path, &json!({"accountId": "-1"})).await.status, 204);
    let lead = site.get("/rest/api/3/project/ACME").await.json["lead"]["accountId"].clone();
    assert_eq!(site.field(&id, "assignee").await["accountId"], lead);
    for wrong in [json!({}), json!({"accountId": "nobody"}), json!({"accountId": 7})] {
        assert_eq!(site.put(&path, &wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn sub_tasks_go_only_when_they_are_meant_to() {
    let site = site().await;
    let id = fresh(&site).await;
    let fields =
        json!({"project": {"key": "ACME"}, "issuetype": {"name": "Sub-task"}, "summary": "s", "parent": {"id": id}});
    let child = site.post("/rest/api/3/issue", &json!({"fields": fields})).await.json["key"].clone();
    let (path, child) = (format!("/rest/api/3/issue/{id}"), format!("/rest/api/3/issue/{}", child.as_str().unwrap()));
    assert_eq!(site.delete(&path).await.status, 400);
    assert_eq!(site.get(&child).await.status, 200);
    assert_eq!(site.delete(&format!("{path}?deleteSubtasks=true")).await.status, 204);
    assert_eq!((site.get(&path).await.status, site.get(&child).await.status), (404, 404));
    assert_eq!(site.delete(&path).await.status, 404);
}

#[tokio::test]
async fn archived_issues_are_read_but_neither_found_nor_changed() {
    let site = site().await;
    let id = fresh(&site).await;
    let ask = json!({"issueIdsOrKeys": [id, "NOPE-1"]});
    let reply = site.put("/rest/api/3/issue/archive", &ask).await.json;
    assert_eq!((&reply["numberOfIssuesUpdated"], &reply["errors"]["issuesNotFound"]["count"]), (&json!(1), &json!(1)));
    assert_eq!(site.get(&format!("/rest/api/3/issue/{id}")).await.status, 200);
    let jql = json!({"jql": format!("id = {id}")});
    assert_eq!(site.search(jql.clone()).await.json["issues"], json!([]));
    let edit = json!({"fields": {"summary": "no"}});
    assert_eq!(site.put(&format!("/rest/api/3/issue/{id}"), &edit).await.status, 400);
    assert!(!site.world.issue_ids().contains(&id.parse().unwrap()));
    site.put("/rest/api/3/issue/unarchive", &json!({"issueIdsOrKeys": [id]})).await;
    assert_eq!(site.search(jql).await.json["issues"].as_array().unwrap().len(), 1);
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    assert_eq!(site.put("/rest/api/3/issue/archive", &json!({"issueIdsOrKeys": many})).await.status, 412);
}

#[tokio::test]
async fn nobody_writes_without_signing_in() {
    let site = site().await;
    let (id, count) = (fresh(&site).await, site.world.issue_count());
    site.world.expire_token();
    let issue = format!("/rest/api/3/issue/{id}");
    let edit = json!({"fields": {"summary": "no", "project": {"key": "ACME"}, "issuetype": {"name": "Task"}}});
    let statuses = [
        site.post("/rest/api/3/issue", &edit).await.status,
        site.put(&issue, &edit).await.status,
        site.delete(&issue).await.status,
        site.post(&format!("{issue}/comment"), &json!({"body": doc("no")})).await.status,
        site.post(&format!("{issue}/transitions"), &json!({"transition": {"id": "31"}})).await.status,
        site.put("/rest/api/3/issue/archive", &json!({"issueIdsOrKeys": [id]})).await.status,
    ];
    assert_eq!(statuses, [401; 6]);
    site.world.restore_token();
    assert_eq!((site.world.issue_count(), site.field(&id, "status").await["name"].clone()), (count, json!("To Do")));
    site.world.edit(&id, |issue| assert_eq!(issue.status, Status::ToDo)).unwrap();
}
