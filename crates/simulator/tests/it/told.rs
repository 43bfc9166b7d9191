//! What webhooks tell of writes over HTTP and of changes that are not about one issue: in whose name, in what shape.

use serde_json::{Value, json};
use simulator::Config;

use crate::client::{Site, doc};
use crate::webhooks::{Gateway, bodies, site_with_gateway};

async fn start() -> (Site, Gateway) {
    site_with_gateway(Config { issues: 20, ..Config::default() }, &[]).await
}

/// The events so far, in order.
async fn events(site: &Site, gateway: &Gateway) -> Vec<String> {
    site.world.webhooks_idle().await;
    bodies(gateway).iter().map(|body| body["webhookEvent"].as_str().unwrap().to_owned()).collect()
}

/// The last body.
async fn last(site: &Site, gateway: &Gateway) -> Value {
    site.world.webhooks_idle().await;
    bodies(gateway).pop().unwrap()
}

#[tokio::test]
async fn writes_are_told_in_the_callers_name() {
    let (site, gateway) = start().await;
    let me = json!(*site.world.service_account());
    let fields =
        json!({"project": {"key": "ACME"}, "issuetype": {"name": "Task"}, "summary": "s", "description": doc("rich")});
    let key = site.post("/rest/api/3/issue", &json!({"fields": fields})).await.json["key"].clone();
    let path = format!("/rest/api/3/issue/{}", key.as_str().unwrap());
    let created = last(&site, &gateway).await;
    assert_eq!((&created["user"]["accountId"], &created["issue"]["fields"]["description"]), (&me, &json!("rich")));
    site.put(&path, &json!({"fields": {"summary": "t"}})).await;
    let updated = last(&site, &gateway).await;
    assert_eq!((&updated["user"]["accountId"], &updated["changelog"]["items"][0]["toString"]), (&me, &json!("t")));
    site.post(&format!("{path}/transitions"), &json!({"transition": {"id": "11"}})).await;
    assert_eq!(last(&site, &gateway).await["issue_event_type_name"], "issue_generic");
    site.put(&format!("{path}/assignee"), &json!({"accountId": me})).await;
    assert_eq!(last(&site, &gateway).await["issue_event_type_name"], "issue_assigned");
    let comment = site.post(&format!("{path}/comment"), &json!({"body": doc("hi")})).await.json;
    let told = last(&site, &gateway).await;
    assert_eq!((&told["comment"]["id"], &told["comment"]["body"]), (&comment["id"], &json!("hi")));
    assert_eq!(told["comment"]["updateAuthor"]["accountId"], me);
    site.world.edit(key.as_str().unwrap(), |issue| issue.summary = "by a script".into()).unwrap();
    assert_ne!(last(&site, &gateway).await["user"]["accountId"], me);
    site.delete(&path).await;
    site.world.webhooks_idle().await;
    let all = bodies(&gateway);
    let deleted = all.iter().find(|body| body["webhookEvent"] == "jira:issue_deleted").unwrap();
    assert_eq!((&deleted["user"]["accountId"], &deleted["issue"]["key"]), (&me, &key));
    let fallout = all.iter().filter(|body| body["webhookEvent"] == "comment_deleted").count();
    assert_eq!(fallout, 1, "the comment went with the issue");
}

#[tokio::test]
async fn a_refused_write_is_told_to_nobody() {
    let (site, gateway) = start().await;
    site.put("/rest/api/3/issue/ACME-1", &json!({"fields": {"summary": ""}})).await;
    site.put("/rest/api/3/issue/ACME-1", &json!({"properties": [{"key": "op", "value": 1}]})).await;
    site.post("/rest/api/3/issue/ACME-1/comment", &json!({"body": "plain"})).await;
    site.post("/rest/api/3/issue", &json!({"fields": {}})).await;
    assert_eq!(events(&site, &gateway).await, [""; 0]);
}

#[tokio::test]
async fn links_and_worklogs_are_told_without_the_issue() {
    let (site, gateway) = start().await;
    let (one, other) = (site.world.create("ACME", "one").unwrap(), site.world.create("ACME", "other").unwrap());
    let link = site.world.link("Blocks", &one, &other).unwrap();
    let told = last(&site, &gateway).await;
    let ends = &told["issueLink"];
    assert_eq!((told.get("issue"), &ends["id"]), (None, &json!(link)));
    let (from, to) = (site.world.issue_id(&one).unwrap(), site.world.issue_id(&other).unwrap());
    assert_eq!((&ends["sourceIssueId"], &ends["destinationIssueId"]), (&json!(from), &json!(to)));
    assert_eq!(ends["issueLinkType"]["outwardName"], "blocks");
    site.world.link("Blocks", &one, &other).unwrap();
    let log = site.world.log_work(&one, 600).unwrap();
    let told = last(&site, &gateway).await;
    assert_eq!((told.get("issue"), &told["worklog"]["issueId"]), (None, &json!(from.to_string())));
    site.world.edit_worklog(&one, log, 1200).unwrap();
    site.world.delete_worklog(&one, log).unwrap();
    site.world.unlink(link).unwrap();
    let tail = events(&site, &gateway).await.split_off(2);
    let expected = ["issuelink_created", "worklog_created", "worklog_updated", "worklog_deleted", "issuelink_deleted"];
    assert_eq!(tail, expected);
}

#[tokio::test]
async fn projects_and_people_have_events_of_their_own() {
    let (site, gateway) = start().await;
    let world = &site.world;
    world.archive_project("OPS").unwrap();
    world.restore_project("OPS").unwrap();
    world.trash_project("OPS").unwrap();
    world.restore_project("OPS").unwrap();
    world.rekey_project("OPS", "RUN").unwrap();
    let told = last(&site, &gateway).await;
    assert_eq!((&told["project"]["key"], &told["project"]["id"]), (&json!("RUN"), &json!(10_002)));
    world.rename_project("RUN", "Running").unwrap();
    world.anonymise(&world.accounts()[1]).unwrap();
    world.hide("ACME-1").unwrap();
    world.deny_project("RUN").unwrap();
    world.archive_issue("ACME-2").unwrap();
    let expected = [
        "project_archived",
        "project_restored_archived",
        "project_soft_deleted",
        "project_restored_deleted",
        "project_updated",
        "project_updated",
        "user_deleted",
    ];
    assert_eq!(events(&site, &gateway).await, expected, "hiding, forbidding and archiving issues is silent");
}

#[tokio::test]
async fn deleting_takes_sub_tasks_and_links_along() {
    let (site, gateway) = start().await;
    let (parent, friend) = (site.world.create("ACME", "parent").unwrap(), site.world.create("ACME", "friend").unwrap());
    let (project, kind) = (json!({"key": "ACME"}), json!({"name": "Sub-task"}));
    let fields = json!({"project": project, "issuetype": kind, "summary": "s", "parent": {"key": parent}});
    site.post("/rest/api/3/issue", &json!({"fields": fields})).await;
    site.world.link("Relates", &parent, &friend).unwrap();
    let before = events(&site, &gateway).await.len();
    site.delete(&format!("/rest/api/3/issue/{parent}?deleteSubtasks=true")).await;
    let tail = events(&site, &gateway).await.split_off(before);
    assert_eq!(tail.iter().filter(|event| *event == "jira:issue_deleted").count(), 2);
    assert_eq!(tail.iter().filter(|event| *event == "issuelink_deleted").count(), 1);
}

#[tokio::test]
async fn each_login_writes_in_its_own_name() {
    let (site, gateway) = start().await;
    let accounts = site.world.accounts();
    site.world.sign_in_as(&accounts[1]);
    let edit = json!({"fields": {"summary": "by another"}, "update": {"comment": [{"add": {"body": doc("hi")}}]}});
    assert_eq!(site.put("/rest/api/3/issue/ACME-1", &edit).await.status, 204);
    let comment = last(&site, &gateway).await;
    assert_eq!(comment["comment"]["author"]["accountId"], *accounts[1]);
    assert_eq!(bodies(&gateway)[0]["user"]["accountId"], *accounts[1]);
    let log = site.get("/rest/api/3/issue/ACME-1?expand=changelog").await.json["changelog"].clone();
    assert_eq!(log["histories"][0]["author"]["accountId"], *accounts[1]);
}
