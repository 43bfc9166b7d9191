//! Lists of what issues refer to, and the parts of answers that have to be asked for.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulator::Config;

use crate::client::{Site, ids};

async fn site() -> Site {
    Site::start(Config { issues: 60, users: 30, ..Config::default() }).await
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_two_lists_of_statuses_differ() {
    let site = site().await;
    let used = site.get("/rest/api/3/status").await.json;
    let all = site.get("/rest/api/3/statuses/search").await.json["values"].clone();
    assert!(used[0]["statusCategory"].is_object() && all[0]["statusCategory"].is_string());
    let (used, all) = (names(&used), names(&all));
    assert!(!used.is_subset(&all) && !all.is_subset(&used));
    let types = site.get("/rest/api/3/project/ACME/statuses").await.json;
    assert!(names(&types[0]["statuses"]).is_subset(&used));
    assert_eq!(types.as_array().unwrap().len(), site.get("/rest/api/3/issuetype").await.json.as_array().unwrap().len());
}

#[tokio::test]
async fn priorities_types_and_links_are_listed() {
    let site = site().await;
    let priorities = site.get("/rest/api/3/priority").await.json;
    let page = site.get("/rest/api/3/priority/search").await.json;
    assert_eq!(names(&priorities), names(&page["values"]));
    assert!(page["values"].as_array().unwrap().iter().all(|it| it["isDefault"] == false));
    let links = site.get("/rest/api/3/issueLinkType").await.json["issueLinkTypes"].clone();
    assert!(names(&links).contains("Blocks"));
    let users = site.get("/rest/api/3/users/search?maxResults=100").await.json;
    let accounts: Vec<String> = users.as_array().unwrap()[..15]
        .iter()
        .map(|user| format!("accountId={}", user["accountId"].as_str().unwrap()))
        .collect();
    let page = site.get(&format!("/rest/api/3/user/bulk?{}", accounts.join("&"))).await.json;
    assert_eq!(
        (&page["total"], page["values"].as_array().unwrap().len(), &page["isLast"]),
        (&json!(15), 10, &json!(false))
    );
    let next = page["nextPage"].as_str().unwrap().split_once("/rest").unwrap().1.to_owned();
    let rest = site.get(&format!("/rest{next}")).await.json;
    assert_eq!((rest["values"].as_array().unwrap().len(), &rest["isLast"]), (5, &json!(true)));
    let refused = site.get("/rest/api/3/mypermissions?permissions=FLY").await.status;
    assert_eq!((refused, site.get("/rest/api/3/mypermissions").await.status), (400, 400));
}

#[tokio::test]
async fn boards_have_sprints_unless_they_are_kanban() {
    let site = site().await;
    let boards = site.get("/rest/agile/1.0/board").await.json["values"].clone();
    let kanban = boards.as_array().unwrap().iter().find(|board| board["type"] == "kanban").unwrap();
    assert_eq!(site.get(&format!("/rest/agile/1.0/board/{}/sprint", kanban["id"])).await.status, 400);
    let sprints = site.get("/rest/agile/1.0/board/2/sprint").await.json;
    let active = site.get("/rest/agile/1.0/board/2/sprint?state=active").await.json;
    assert_eq!((&sprints["total"], &active["total"]), (&json!(4), &json!(1)));
    let sprint = &active["values"][0];
    assert!(sprint["originBoardId"] == 2 && sprint["startDate"].as_str().unwrap().ends_with('Z'));
    assert_eq!(site.get(&format!("/rest/agile/1.0/sprint/{}", sprint["id"])).await.json, *sprint);
    assert_eq!(site.get("/rest/agile/1.0/board/77/sprint").await.status, 404);
}

#[tokio::test]
async fn expansions_come_on_request() {
    let site = site().await;
    let all = "names,schema,changelog,transitions,operations,editmeta,renderedFields,versionedRepresentations";
    let issue = site.get(&format!("/rest/api/3/issue/ACME-1?fields=summary,status&expand={all}")).await.json;
    for word in all.split(',') {
        assert!(!issue[word].is_null(), "{word}");
    }
    assert_eq!(issue["names"], json!({"summary": "Summary", "status": "Status"}));
    let search = json!({"jql": "key = ACME-1", "fields": ["summary"], "expand": "names,schema,changelog"});
    let found = site.search(search).await.json;
    assert_eq!(found["schema"]["summary"], json!({"type": "string", "system": "summary"}));
    let issue = &found["issues"][0];
    assert!(issue.get("names").is_none() && issue["changelog"].is_object(), "once for all issues");
    let plain = site.get("/rest/api/3/issue/ACME-1").await.json;
    assert!(plain.get("changelog").is_none() && plain.get("transitions").is_none());
}

#[tokio::test]
async fn a_field_that_cannot_be_loaded_is_missing_or_fails_fast() {
    let site = site().await;
    let id = site.world.issue_id("ACME-1").unwrap();
    site.world.break_field(id, "priority");
    let lenient = site.get("/rest/api/3/issue/ACME-1").await.json;
    assert!(lenient["fields"].get("priority").is_none() && lenient["fields"]["summary"].is_string());
    assert_eq!(site.get("/rest/api/3/issue/ACME-1?failFast=true").await.status, 500);
    assert_eq!(site.get("/rest/api/3/issue/ACME-1?failFast=true&fields=summary").await.status, 200);
    let jql = "/rest/api/3/search/jql?jql=key%20%3D%20ACME-1&fields=priority,summary";
    let found = site.get(jql).await.json["issues"][0]["fields"].clone();
    assert!(found.get("priority").is_none() && found["summary"].is_string());
    assert_eq!(site.get(&format!("{jql}&failFast=true")).await.status, 500);
    assert!(site.world.store_view(id).unwrap()["fields"]["priority"].is_object(), "the oracle knows it");
    site.world.mend_fields(id);
    assert!(site.field("ACME-1", "priority").await.is_object());
}

#[tokio::test]
async fn a_failed_fetch_is_told_apart_from_a_missing_issue() {
    let site = site().await;
    let all = site.world.issue_ids();
    site.world.fail_fetch(all[1], 1, "The issue could not be loaded in time.");
    let asked: Vec<String> = all[..3].iter().map(ToString::to_string).collect();
    let ask = json!({"issueIdsOrKeys": asked, "fields": ["summary"]});
    let reply = site.post("/rest/api/3/issue/bulkfetch", &ask).await.json;
    assert_eq!(ids(&reply["issues"]), [all[0], all[2]]);
    let error = json!({"id": asked[1], "errorMessage": "The issue could not be loaded in time."});
    assert_eq!(reply["issueErrors"], json!([error]));
    let reply = site.post("/rest/api/3/issue/bulkfetch", &ask).await.json;
    assert_eq!((ids(&reply["issues"]).len(), &reply["issueErrors"]), (3, &json!([])));
}

#[tokio::test]
async fn changelogs_can_be_filtered_and_are_limited() {
    let site = site().await;
    let asked: Vec<String> = site.world.issue_ids().iter().map(ToString::to_string).collect();
    let ask = json!({"issueIdsOrKeys": asked, "fieldIds": ["priority"]});
    let logs = site.post("/rest/api/3/changelog/bulkfetch", &ask).await.json["issueChangeLogs"].clone();
    let entries = logs.as_array().unwrap().iter().flat_map(|log| log["changeHistories"].as_array().unwrap());
    let entries: Vec<_> = entries.collect();
    let about = |entry: &&Value| entry["items"].as_array().unwrap().iter().any(|item| item["fieldId"] == "priority");
    assert!(!entries.is_empty() && entries.iter().all(about));
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let reply = site.post("/rest/api/3/changelog/bulkfetch", &json!({"issueIdsOrKeys": many})).await;
    let words = "You may only load changelogs for a maximum of 1,000 issues by ID or key at a time.";
    assert_eq!((reply.status, &reply.json["errorMessages"][0]), (400, &json!(words)));
    let none = site.post("/rest/api/3/changelog/bulkfetch", &json!({"issueIdsOrKeys": ["NOPE-1"]})).await.json;
    assert_eq!(none, json!({"issueChangeLogs": []}));
}
