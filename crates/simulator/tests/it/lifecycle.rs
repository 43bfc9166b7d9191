//! What happens to whole projects and to people, as every route shows it.

use serde_json::{Value, json};
use simulator::{Config, EditError};

use crate::client::{Site, ids};

async fn site() -> Site {
    Site::start(Config { issues: 60, ..Config::default() }).await
}

/// What searches, bulk fetch and direct reads say about an issue.
async fn shown(site: &Site, id: &str) -> (usize, usize, u16) {
    let found = site.search(json!({"jql": format!("id = {id}")})).await;
    let fetched = site.post("/rest/api/3/issue/bulkfetch", &json!({"issueIdsOrKeys": [id]})).await;
    let count = |list: &Value| list.as_array().unwrap().len();
    let read = site.get(&format!("/rest/api/3/issue/{id}")).await;
    (count(&found.json["issues"]), count(&fetched.json["issues"]), read.status)
}

async fn roster(site: &Site, status: &str) -> Vec<String> {
    let page = site.get(&format!("/rest/api/3/project/search?status={status}")).await.json;
    page["values"].as_array().unwrap().iter().map(|it| it["key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn projects_leave_and_come_back_with_their_issues() {
    let site = site().await;
    let (id, before) = (site.id("WEB-1"), site.world.issue_count());
    site.world.archive_project("WEB").unwrap();
    assert_eq!(shown(&site, &id).await, (0, 0, 404));
    assert_eq!(
        (roster(&site, "live").await, roster(&site, "archived").await),
        (vec!["ACME".into(), "OPS".into()], vec!["WEB".to_owned()])
    );
    assert_eq!(site.get("/rest/api/3/project/WEB").await.json["archived"], true);
    let unknown = site.search(json!({"jql": "project = WEB"})).await;
    assert_eq!(unknown.json["errorMessages"][0], "The value 'WEB' does not exist for the field 'project'.");
    site.world.restore_project("WEB").unwrap();
    assert_eq!((shown(&site, &id).await, site.world.issue_count()), ((1, 1, 200), before));
    site.world.trash_project("WEB").unwrap();
    assert_eq!(
        (roster(&site, "deleted").await, site.get("/rest/api/3/project/WEB").await.status),
        (vec!["WEB".to_owned()], 404)
    );
    let gone = site.get("/rest/api/3/project/search?status=deleted").await.json["values"][0].clone();
    assert!(gone["deleted"] == true && gone["retentionTillDate"].is_string());
    let create = json!({"fields": {"project": {"key": "WEB"}, "issuetype": {"name": "Task"}, "summary": "s"}});
    assert_eq!(site.post("/rest/api/3/issue", &create).await.status, 400);
    site.world.restore_project("WEB").unwrap();
    assert_eq!(roster(&site, "live,archived,deleted").await.len(), 3);
    assert_eq!(site.world.archive_project("NOPE"), Err(EditError::NoSuchProject("NOPE".into())));
}

#[tokio::test]
async fn a_lost_permission_looks_like_nothing_ever_was() {
    let site = site().await;
    let id = site.id("OPS-1");
    site.world.deny_project("OPS").unwrap();
    assert_eq!(shown(&site, &id).await, (0, 0, 404));
    assert_eq!(roster(&site, "live,archived,deleted").await, ["ACME", "WEB"]);
    let missing = site.get("/rest/api/3/project/OPS").await;
    let words = "No project could be found with key 'OPS'.";
    assert_eq!((missing.status, missing.json), (404, json!({"errorMessages": [words], "errors": {}})));
    let boards = site.get("/rest/agile/1.0/board?projectKeyOrId=OPS").await.json;
    assert_eq!(boards["values"], json!([]));
    assert_eq!(site.get("/rest/api/3/mypermissions?permissions=BROWSE_PROJECTS&projectKey=OPS").await.status, 404);
    site.world.allow_project("OPS").unwrap();
    assert_eq!(shown(&site, &id).await, (1, 1, 200));
}

#[tokio::test]
async fn a_new_project_key_renames_every_issue_and_the_old_ones_still_lead_there() {
    let site = site().await;
    let (id, updated) = (site.id("WEB-1"), site.field("WEB-1", "updated").await);
    site.world.rekey_project("WEB", "NET").unwrap();
    let issue = site.get("/rest/api/3/issue/web-1").await.json;
    assert_eq!((&issue["id"], &issue["key"]), (&json!(id), &json!("NET-1")));
    assert_eq!((&issue["fields"]["project"]["key"], &issue["fields"]["updated"]), (&json!("NET"), &updated));
    for key in ["NET", "WEB"] {
        let found = site.search(json!({"jql": format!("project = {key}"), "fields": ["key"]})).await.json;
        assert!(found["issues"].as_array().unwrap().iter().all(|it| it["key"].as_str().unwrap().starts_with("NET-")));
        let project = site.get(&format!("/rest/api/3/project/{key}?expand=projectKeys")).await.json;
        assert_eq!((&project["key"], &project["projectKeys"]), (&json!("NET"), &json!(["NET", "WEB"])));
    }
    assert_eq!(site.get("/rest/api/3/project/net").await.status, 404, "keys of projects are case sensitive");
    let new = site.world.create("NET", "after").unwrap();
    assert!(new.starts_with("NET-"));
}

#[tokio::test]
async fn moves_take_sub_tasks_along_and_keys_can_swap() {
    let site = site().await;
    let parent = site.world.create("ACME", "parent").unwrap();
    let (project, kind) = (json!({"key": "ACME"}), json!({"name": "Sub-task"}));
    let fields = json!({"project": project, "issuetype": kind, "summary": "s", "parent": {"key": parent}});
    let child = site.post("/rest/api/3/issue", &json!({"fields": fields})).await.json["key"].clone();
    let child = child.as_str().unwrap();
    let moved = site.world.move_issue(&parent, "OPS").unwrap();
    let read = site.get(&format!("/rest/api/3/issue/{child}")).await.json;
    assert!(read["key"].as_str().unwrap().starts_with("OPS-"));
    assert_eq!(read["fields"]["parent"]["key"], moved);
    let (one, other) = (site.id("ACME-1"), site.id("WEB-1"));
    site.world.swap_keys("ACME-1", "WEB-1").unwrap();
    assert_eq!((site.id("ACME-1"), site.id("WEB-1")), (other.clone(), one.clone()));
    let read = site.get(&format!("/rest/api/3/issue/{one}")).await.json;
    assert_eq!((&read["key"], &read["fields"]["project"]["key"]), (&json!("WEB-1"), &json!("WEB")));
    let found = site.search(json!({"jql": "key = WEB-1 AND project = WEB"})).await;
    assert_eq!(ids(&found.json["issues"]), [one.parse::<u64>().unwrap()]);
}

#[tokio::test]
async fn a_forgotten_person_keeps_only_the_account_id() {
    let site = site().await;
    let who = site.world.accounts()[2].clone();
    site.world.set_email(&who, Some("seen@example.com")).unwrap();
    let path = format!("/rest/api/3/user?accountId={who}");
    assert_eq!(site.get(&path).await.json["emailAddress"], "seen@example.com");
    let id = site.id("ACME-1");
    site.world.edit(&id, |issue| issue.assignee = Some(who.clone())).unwrap();
    let updated = site.field(&id, "updated").await;
    site.world.anonymise(&who).unwrap();
    let profile = site.get(&path).await.json;
    assert_eq!((&profile["displayName"], &profile["active"]), (&json!("Former user"), &json!(false)));
    assert!(profile.get("emailAddress").is_none() && profile.get("timeZone").is_none());
    assert_eq!(site.field(&id, "assignee").await["displayName"], "Former user");
    assert_eq!(site.field(&id, "updated").await, updated);
    let users = site.get("/rest/api/3/users/search?maxResults=1000").await.json;
    assert!(users.as_array().unwrap().iter().any(|user| user["accountId"] == *who));
    assert!(site.world.anonymise("nobody").is_err());
}

#[tokio::test]
async fn what_pointed_to_a_deleted_issue_forgets_it_everywhere() {
    let site = site().await;
    let (one, other) = (site.world.create("ACME", "one").unwrap(), site.world.create("ACME", "other").unwrap());
    site.world.link("Blocks", &one, &other).unwrap();
    let found = json!({"jql": format!("key = {one}"), "fields": ["issuelinks"]});
    assert_eq!(site.search(found.clone()).await.json["issues"][0]["fields"]["issuelinks"].as_array().unwrap().len(), 1);
    site.world.delete(&other).unwrap();
    assert_eq!(site.search(found).await.json["issues"][0]["fields"]["issuelinks"], json!([]));
    assert_eq!(site.get(&format!("/rest/api/3/issue/{other}")).await.status, 404);
}
