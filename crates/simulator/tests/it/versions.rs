//! The older version of the API: the same site and the same rules, with texts as strings and links of its own.

use serde_json::{Value, json};
use simulator::{Config, Links, Route};

use crate::client::{Site, doc};

#[tokio::test]
async fn texts_are_strings_in_version_2_and_documents_in_version_3() {
    let site = Site::start(Config { issues: 3, ..Config::default() }).await;
    let key = site.world.create("ACME", "Both ways").unwrap();
    let edit = json!({"fields": {"description": "First.\n\nSecond."}});
    assert_eq!(site.put(&format!("/rest/api/2/issue/{key}"), &edit).await.status, 204);
    let old = site.get(&format!("/rest/api/2/issue/{key}")).await.json;
    assert_eq!(old["fields"]["description"], "First.\n\nSecond.");
    let new = site.field(&key, "description").await;
    assert_eq!((&new["type"], new["content"].as_array().unwrap().len()), (&json!("doc"), 2));

    let path = |version: u8| format!("/rest/api/{version}/issue/{key}/comment");
    let made = site.post(&path(2), &json!({"body": "As a string."})).await;
    assert_eq!((made.status, &made.json["body"]), (201, &json!("As a string.")));
    let id = made.json["id"].as_str().unwrap();
    assert_eq!(site.get(&format!("{}/{id}", path(3))).await.json["body"], doc("As a string."));
    assert_eq!(site.post(&path(3), &json!({"body": doc("As a document.")})).await.status, 201);
    let all = site.get(&path(2)).await.json;
    let bodies: Vec<&Value> = all["comments"].as_array().unwrap().iter().map(|comment| &comment["body"]).collect();
    assert_eq!(bodies, [&json!("As a string."), &json!("As a document.")]);
}

#[tokio::test]
async fn neither_version_takes_the_texts_of_the_other() {
    let site = Site::start(Config { issues: 3, ..Config::default() }).await;
    let key = site.world.issue_keys()[0].clone();
    for (version, text) in [(2, doc("Not here.")), (3, json!("Nor here."))] {
        let path = format!("/rest/api/{version}/issue/{key}");
        let comment = site.post(&format!("{path}/comment"), &json!({"body": text})).await;
        assert_eq!((comment.status, &comment.json["errors"]["comment"]), (400, &json!("Comment body is not valid!")));
        let edit = site.put(&path, &json!({"fields": {"description": text}})).await;
        assert!(edit.status == 400 && edit.json["errors"]["description"].is_string(), "{edit:?}");
    }
    let words = site.put(&format!("/rest/api/2/issue/{key}"), &json!({"fields": {"description": doc("No.")}})).await;
    assert_eq!(words.json["errors"]["description"], "Operation value must be a string");
}

#[tokio::test]
async fn links_stay_in_the_version_that_was_asked() {
    let site = Site::start(Config { issues: 3, ..Config::default() }).await;
    let key = site.world.issue_keys()[0].clone();
    for version in [2, 3] {
        let base = format!("https://acme.atlassian.net/rest/api/{version}");
        let issue = site.get(&format!("/rest/api/{version}/issue/{key}")).await.json;
        assert_eq!(issue["self"], format!("{base}/issue/{}", site.id(&key)));
        assert!(issue["fields"]["status"]["self"].as_str().unwrap().starts_with(&base));
        let ask = json!({"jql": "id > 0", "fields": ["status"]});
        let found = site.post(&format!("/rest/api/{version}/search/jql"), &ask).await.json;
        assert!(found["issues"][0]["self"].as_str().unwrap().starts_with(&base));
        let projects = site.get(&format!("/rest/api/{version}/project/search?maxResults=1")).await.json;
        assert!(projects["nextPage"].as_str().unwrap().starts_with(&base));
    }
}

#[tokio::test]
async fn only_webhooks_name_accounts_twice() {
    let site = Site::start(Config { issues: 3, histories_per_issue: 0..=0, ..Config::default() }).await;
    let key = site.world.issue_keys()[0].clone();
    let account = site.world.service_account();
    let assign = json!({"accountId": &*account});
    site.put(&format!("/rest/api/2/issue/{key}/assignee"), &json!({"accountId": null})).await;
    assert_eq!(site.put(&format!("/rest/api/2/issue/{key}/assignee"), &assign).await.status, 204);
    let log = site.get(&format!("/rest/api/2/issue/{key}/changelog")).await.json;
    let item = &log["values"].as_array().unwrap().last().unwrap()["items"][0];
    assert_eq!(item["to"], *account);
    assert!(item.get("tmpToAccountId").is_none());
}

#[tokio::test]
async fn both_versions_are_one_route_to_faults_and_counts() {
    let site = Site::start(Config { issues: 3, ..Config::default() }).await;
    for version in [2, 3] {
        assert_eq!(site.get(&format!("/rest/api/{version}/myself")).await.status, 200);
    }
    assert_eq!(site.world.requests().of(Route::Myself), 2);
    assert_eq!(site.get("/rest/api/2/search").await.status, 410);
    assert_eq!(site.get("/rest/api/4/myself").await.json["detail"], "No endpoint GET /rest/api/4/myself.");
}

#[tokio::test]
async fn all_projects_come_at_once_where_older_clients_ask() {
    let site = Site::start(Config { issues: 30, projects: 4, ..Config::default() }).await;
    let keys = |list: &Value| {
        let keys = list.as_array().unwrap().iter().map(|project| project["key"].as_str().unwrap().to_owned());
        keys.collect::<Vec<_>>()
    };
    let paged = site.get("/rest/api/3/project/search").await.json;
    for version in [2, 3] {
        let all = site.get(&format!("/rest/api/{version}/project")).await.json;
        assert_eq!(keys(&all), keys(&paged["values"]));
        let base = format!("https://acme.atlassian.net/rest/api/{version}/project/");
        assert!(all[0]["self"].as_str().unwrap().starts_with(&base));
    }
    let expanded = site.get("/rest/api/3/project?expand=insight,projectKeys&status=archived").await.json;
    assert_eq!(keys(&expanded), keys(&paged["values"]), "it has no filters");
    assert!(expanded[0]["insight"]["totalIssueCount"].is_u64() && expanded[0]["projectKeys"].is_array());
    let nobody = site.bare(reqwest::Method::GET, "/rest/api/3/project");
    assert_eq!(crate::client::reply(nobody).await.json, json!([]));
}

#[tokio::test]
async fn links_can_be_followed_where_the_site_is_told_so() {
    let site = Site::start(Config { issues: 3, links: Links::Served, ..Config::default() }).await;
    let url = site.simulator.url();
    let key = site.world.issue_keys()[0].clone();
    let issue = site.get(&format!("/rest/api/2/issue/{key}")).await.json;
    let path = issue["self"].as_str().unwrap().strip_prefix(&url).unwrap();
    assert_eq!(site.get(path).await.json, issue);
    assert_eq!(site.get("/rest/api/3/serverInfo").await.json["baseUrl"], url);
    let next = site.get("/rest/api/3/project/search?maxResults=1").await.json["nextPage"].clone();
    let next = site.get(next.as_str().unwrap().strip_prefix(&url).unwrap()).await.json;
    assert_eq!((&next["startAt"], next["values"].as_array().unwrap().len()), (&json!(1), 1));
}
