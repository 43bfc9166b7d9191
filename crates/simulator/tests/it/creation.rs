//! New issues: what is required, in Jira's words, and what they look like afterwards, to reads and to searches.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Config;

use crate::client::{Site, doc, ids};

async fn site() -> Site {
    Site::start(Config { issues: 40, ..Config::default() }).await
}

fn task(summary: &str) -> Value {
    json!({"project": {"key": "ACME"}, "issuetype": {"name": "Task"}, "summary": summary})
}

#[tokio::test]
async fn a_new_issue_is_read_at_once_and_found_later() {
    let lag = Duration::from_secs(30)..=Duration::from_secs(30);
    let site = Site::start(Config { issues: 10, index_lag: lag, ..Config::default() }).await;
    let mut fields = task("Born over HTTP");
    fields["description"] = doc("words");
    fields["labels"] = json!(["op-01"]);
    let ask = json!({"fields": fields, "properties": [{"key": "mirror.op", "value": {"op": "01"}}]});
    let made = site.post("/rest/api/3/issue", &ask).await;
    assert_eq!(made.status, 201);
    let (id, key) = (made.json["id"].as_str().unwrap(), made.json["key"].as_str().unwrap());
    let read = site.get(&format!("/rest/api/3/issue/{key}?properties=mirror.op,other")).await.json;
    assert_eq!((&read["id"], &read["fields"]["description"]), (&json!(id), &doc("words")));
    assert_eq!(read["properties"], json!({"mirror.op": {"op": "01"}}));
    let me = &*site.world.service_account();
    assert_eq!(
        (&read["fields"]["creator"]["accountId"], &read["fields"]["reporter"]["accountId"]),
        (&json!(me), &json!(me))
    );
    let jql = json!({"jql": "project = ACME AND labels = \"op-01\""});
    assert_eq!(ids(&site.search(jql.clone()).await.json["issues"]), [0; 0]);
    site.world.advance(Duration::from_secs(31));
    assert_eq!(ids(&site.search(jql).await.json["issues"]), [id.parse::<u64>().unwrap()]);
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named() {
    let site = site().await;
    let errors = async |fields: Value| {
        let before = site.world.issue_count();
        let reply = site.post("/rest/api/3/issue", &json!({"fields": fields})).await;
        assert_eq!((reply.status, site.world.issue_count()), (400, before));
        reply.json
    };
    assert_eq!(errors(json!({})).await["errors"], json!({"project": "Specify a valid project ID or key"}));
    let nowhere = errors(json!({"project": {"key": "NOPE"}})).await;
    assert_eq!(nowhere, json!({"errorMessages": [], "errors": {"project": "Specify a valid project ID or key"}}));
    let untyped = errors(json!({"project": {"key": "ACME"}})).await;
    assert_eq!(untyped["errors"], json!({"issuetype": "Specify an issue type"}));
    let unnamed = errors(json!({"project": {"key": "ACME"}, "issuetype": {"id": "10002"}})).await;
    assert_eq!(unnamed["errors"]["summary"], "You must specify a summary of the issue.");
    let orphan = errors(json!({"project": {"key": "ACME"}, "issuetype": {"name": "Sub-task"}, "summary": "s"})).await;
    assert!(orphan["errorMessages"][0].as_str().unwrap().contains("parent issue key or id not specified"));
    let mut all = task("Two\nlines");
    let wrong = [
        ("description", json!("plain"), "Atlassian Document"),
        ("labels", json!(["with blank"]), "contains spaces"),
        ("status", json!({"id": "10003"}), "cannot be set"),
        ("assignee", json!({"accountId": "nobody"}), "does not exist"),
        ("parent", json!({"key": "ACME-1"}), ""),
        ("fixVersions", json!([{"name": "9.9"}]), "not valid"),
        ("duedate", json!("tomorrow"), "yyyy-MM-dd"),
        ("customfield_10016", json!("many"), "number"),
        ("priority", json!({"id": "77"}), "invalid"),
    ];
    for (field, value, _) in &wrong {
        all[field] = value.clone();
    }
    let errors = errors(all).await["errors"].clone();
    assert!(errors["summary"].as_str().unwrap().contains("newline"));
    for (field, _, words) in wrong.iter().filter(|(field, ..)| *field != "parent") {
        assert!(errors[field].as_str().is_some_and(|said| said.contains(words)), "{field}: {errors}");
    }
}

#[tokio::test]
async fn parents_are_one_level_up_and_know_their_sub_tasks() {
    let site = site().await;
    let make = async |kind: &str, project: &str, parent: Value| {
        let mut fields = json!({"project": {"key": project}, "issuetype": {"name": kind}, "summary": "kin"});
        if !parent.is_null() {
            fields["parent"] = parent;
        }
        let reply = site.post("/rest/api/3/issue", &json!({"fields": fields})).await;
        (reply.status, reply.json["key"].clone())
    };
    let (_, epic) = make("Epic", "ACME", Value::Null).await;
    let (status, story) = make("Story", "ACME", json!({"key": epic})).await;
    assert_eq!(status, 201);
    let (status, child) = make("Sub-task", "ACME", json!({"key": story})).await;
    assert_eq!(status, 201);
    assert_eq!(make("Sub-task", "ACME", json!({"key": epic})).await.0, 400, "not two levels up");
    assert_eq!(make("Sub-task", "WEB", json!({"key": story})).await.0, 400, "not across projects");
    assert_eq!(make("Epic", "ACME", json!({"key": story})).await.0, 400, "not downwards");
    let subtasks = site.field(story.as_str().unwrap(), "subtasks").await;
    assert_eq!((&subtasks[0]["key"], subtasks.as_array().unwrap().len()), (&child, 1));
    let found =
        site.search(json!({"jql": format!("parent = {}", epic.as_str().unwrap()), "fields": ["subtasks"]})).await;
    assert_eq!(found.json["issues"][0]["fields"]["subtasks"][0]["key"], child, "searches see the new sub-task, too");
}

#[tokio::test]
async fn in_bulk_each_stands_for_itself() {
    let site = site().await;
    let ask = json!({"issueUpdates": [{"fields": task("one")}, {"fields": {}}, {"fields": task("three")}]});
    let reply = site.post("/rest/api/3/issue/bulk", &ask).await;
    assert_eq!((reply.status, reply.json["issues"].as_array().unwrap().len()), (201, 2));
    let error = &reply.json["errors"][0];
    assert_eq!((&error["failedElementNumber"], &error["status"]), (&json!(1), &json!(400)));
    assert_eq!(error["elementErrors"]["errors"]["project"], "Specify a valid project ID or key");
    let reply = site.post("/rest/api/3/issue/bulk", &json!({"issueUpdates": [{"fields": {}}]})).await;
    assert_eq!((reply.status, &reply.json["issues"]), (400, &json!([])));
    let many = json!({"issueUpdates": vec![json!({"fields": task("x")}); 51]});
    assert_eq!(site.post("/rest/api/3/issue/bulk", &many).await.status, 400);
}

#[tokio::test]
async fn the_creation_screen_tells_what_creation_takes() {
    let site = site().await;
    let types = site.get("/rest/api/3/issue/createmeta/ACME/issuetypes").await.json;
    let subtask = types["issueTypes"].as_array().unwrap().iter().find(|it| it["subtask"] == true).unwrap();
    let path = format!("/rest/api/3/issue/createmeta/ACME/issuetypes/{}", subtask["id"].as_str().unwrap());
    let page = site.get(&format!("{path}?maxResults=200")).await.json;
    let fields = page["fields"].as_array().unwrap();
    assert_eq!(page["total"], fields.len());
    let required = fields.iter().filter(|field| field["required"] == true);
    let mut required: Vec<_> = required.map(|field| field["fieldId"].as_str().unwrap()).collect();
    required.sort_unstable();
    assert_eq!(required, ["issuetype", "parent", "project", "reporter", "summary"]);
    let refused = site.get(&format!("{path}?maxResults=201")).await;
    assert_eq!(refused.json["errorMessages"][0], "Parameter 'maxResults' must not exceed the limit '200'");
    assert_eq!(site.get("/rest/api/3/issue/createmeta/NOPE/issuetypes").await.status, 404);
}
