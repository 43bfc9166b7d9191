//! Direct reads: bulk fetch, one issue, its changelog and comments, and the reference lists.

use serde_json::{Value, json};
use simulator::{Config, Simulator};

use crate::client::{Site, ids};

fn id_text(id: u64) -> String {
    id.to_string()
}

#[tokio::test]
async fn the_oracle_agrees_with_what_is_served() {
    let site = Site::start(Config { issues: 80, ..Config::default() }).await;
    let ids: Vec<String> = site.world.issue_ids().into_iter().map(id_text).collect();
    let ask = json!({"issueIdsOrKeys": ids, "fields": ["*all"], "expand": ["changelog"]});
    let served = site.post("/rest/api/3/issue/bulkfetch", &ask).await;
    let issues = served.json["issues"].as_array().unwrap();
    assert_eq!(issues.len(), 80);
    for (issue, id) in issues.iter().zip(&ids) {
        assert_eq!(*issue, site.world.store_view(id.parse().unwrap()).unwrap());
    }
    let one = site.get(&format!("/rest/api/3/issue/{}?expand=changelog", ids[3])).await;
    assert_eq!(one.json, issues[3]);
    assert!(one.headers.contains_key("atl-traceid") && one.headers.contains_key("x-arequestid"));
    assert_eq!(one.headers["x-aaccountid"].to_str().unwrap(), &*site.world.service_account());
}

#[tokio::test]
async fn embedded_lists_lose_their_oldest_and_say_how_many_there_were() {
    let site = Site::start(Config { issues: 3, embedded_comment_cap: 10, ..Config::default() }).await;
    let key = site.world.create("ACME", "Busy").unwrap();
    let comments: Vec<u64> = (0..25).map(|n| site.world.comment(&key, format!("Comment {n}")).unwrap()).collect();
    for n in 0..120 {
        site.world.edit(&key, |issue| issue.summary = format!("Busy {n}")).unwrap();
    }
    let ask = json!({"issueIdsOrKeys": [key], "fields": ["comment"], "expand": ["changelog"]});
    let issue = site.post("/rest/api/3/issue/bulkfetch", &ask).await.json["issues"][0].clone();
    let embedded = &issue["fields"]["comment"];
    assert_eq!((&embedded["total"], embedded["comments"].as_array().unwrap().len()), (&json!(25), 10));
    assert_eq!(embedded["comments"][0]["id"], id_text(comments[15]));
    let log = &issue["changelog"];
    assert_eq!((&log["total"], log["histories"].as_array().unwrap().len()), (&json!(120), 40));
    assert_eq!(log["histories"][0]["items"][0]["toString"], "Busy 119", "the newest comes first");

    let page = site.get(&format!("/rest/api/3/issue/{key}/changelog?startAt=100")).await.json;
    assert_eq!((&page["isLast"], page["values"].as_array().unwrap().len()), (&json!(true), 20));
    assert_eq!(page["values"][0]["items"][0]["toString"], "Busy 100", "the oldest come first");
    let page = site.get(&format!("/rest/api/3/issue/{key}/comment?startAt=20&maxResults=100")).await.json;
    assert_eq!(page["comments"].as_array().unwrap().len(), 5);
    let oracle = site.world.store_view(site.world.issue_id(&key).unwrap()).unwrap();
    assert_eq!(oracle["fields"]["comment"]["comments"].as_array().unwrap().len(), 25);
    assert_eq!(oracle["changelog"]["histories"].as_array().unwrap().len(), 120);
}

#[tokio::test]
async fn bulk_fetch_omits_what_is_gone_and_follows_moves() {
    let site = Site::start(Config { issues: 30, ..Config::default() }).await;
    let keys = site.world.issue_keys();
    site.world.hide(&keys[0]).unwrap();
    site.world.delete(&keys[1]).unwrap();
    let (old, old_id) = (keys[2].clone(), site.world.issue_id(&keys[2]).unwrap());
    let new = site.world.move_issue(&old, "WEB").unwrap();
    let ask = json!({"issueIdsOrKeys": [old.to_lowercase(), keys[1], keys[0], new, "NOPE-1"], "fields": ["summary"]});
    let reply = site.post("/rest/api/3/issue/bulkfetch", &ask).await;
    assert_eq!(ids(&reply.json["issues"]), [old_id]);
    assert_eq!(reply.json["issues"][0]["key"], new);
    assert_eq!(reply.json["issueErrors"], json!([]));
    for gone in [&keys[0], &keys[1]] {
        let reply = site.get(&format!("/rest/api/3/issue/{gone}")).await;
        assert_eq!(reply.status, 404);
        let words = "Issue does not exist or you do not have permission to see it.";
        assert_eq!(reply.json, json!({"errorMessages": [words], "errors": {}}));
    }
    site.world.unhide(&keys[0]).unwrap();
    assert_eq!(site.get(&format!("/rest/api/3/issue/{}", keys[0])).await.status, 200);
}

#[tokio::test]
async fn a_thousand_light_issues_or_a_hundred_heavy_ones() {
    let site = Site::start(Config { issues: 150, ..Config::default() }).await;
    let ids: Vec<String> = site.world.issue_ids().into_iter().map(id_text).collect();
    let status = async |fields: &[&str], expand: &[&str]| {
        let ask = json!({"issueIdsOrKeys": ids, "fields": fields, "expand": expand});
        site.post("/rest/api/3/issue/bulkfetch", &ask).await.status
    };
    assert_eq!(status(&["summary", "status"], &[]).await, 200);
    assert_eq!(status(&["*all"], &[]).await, 400);
    assert_eq!(status(&[], &[]).await, 400);
    assert_eq!(status(&["summary", "comment"], &[]).await, 400);
    assert_eq!(status(&["summary"], &["changelog"]).await, 400);
}

#[tokio::test]
async fn changelogs_in_bulk_come_by_date_and_page_by_token() {
    let site = Site::start(Config { issues: 40, ..Config::default() }).await;
    let all = site.world.issue_ids();
    let expected: usize = all.iter().map(|id| histories(&site.world.store_view(*id).unwrap())).sum();
    let ids: Vec<String> = all.into_iter().map(id_text).collect();
    let (mut entries, mut pages, mut token) = (std::collections::BTreeSet::new(), 0, Value::Null);
    loop {
        let ask = json!({"issueIdsOrKeys": ids, "maxResults": 17, "nextPageToken": token});
        let reply = site.post("/rest/api/3/changelog/bulkfetch", &ask).await.json;
        for log in reply["issueChangeLogs"].as_array().unwrap() {
            for entry in log["changeHistories"].as_array().unwrap() {
                assert!(entry["created"].as_i64().unwrap() > 1_600_000_000_000, "epoch milliseconds");
                assert!(entries.insert(entry["id"].as_str().unwrap().to_owned()), "no entry comes twice");
            }
        }
        (pages, token) = (pages + 1, reply["nextPageToken"].clone());
        if token.is_null() {
            break;
        }
    }
    assert_eq!(entries.len(), expected);
    assert_eq!(pages, expected.div_ceil(17));
}

fn histories(issue: &Value) -> usize {
    issue["changelog"]["histories"].as_array().unwrap().len()
}

#[tokio::test]
async fn reference_lists_are_whole() {
    let site = Site::start(Config { issues: 50, projects: 12, users: 60, ..Config::default() }).await;
    let page = site.get("/rest/api/3/project/search?maxResults=5&startAt=10&expand=insight").await.json;
    assert_eq!((&page["total"], &page["isLast"]), (&json!(12), &json!(true)));
    let all = site.get("/rest/api/3/project/search?maxResults=9999&expand=insight,lead").await.json;
    let counted: u64 =
        all["values"].as_array().unwrap().iter().filter_map(|it| it["insight"]["totalIssueCount"].as_u64()).sum();
    assert_eq!((counted, &all["maxResults"]), (50, &json!(100)));
    let first = site.get("/rest/api/3/users/search?startAt=0").await.json;
    let second = site.get("/rest/api/3/users/search?startAt=50").await.json;
    let third = site.get("/rest/api/3/users/search?startAt=61").await.json;
    assert_eq!((first.as_array().unwrap().len(), second.as_array().unwrap().len(), third), (50, 11, json!([])));
    let me = site.get("/rest/api/3/myself").await.json;
    assert_eq!((&me["timeZone"], &me["accountId"]), (&json!("Europe/Berlin"), &first[0]["accountId"]));
    let fields = site.get("/rest/api/3/field").await.json;
    let sprint = fields.as_array().unwrap().iter().find(|field| field["name"] == "Sprint").unwrap();
    assert_eq!(sprint["schema"]["custom"], "com.pyxis.greenhopper.jira:gh-sprint");
    assert_eq!(site.get("/rest/api/3/serverInfo").await.json["deploymentType"], "Cloud");
    let nowhere = site.get("/rest/api/3/issue/X-1/nope").await;
    assert_eq!(nowhere.json["detail"], "No endpoint GET /rest/api/3/issue/X-1/nope.");
    assert_eq!(nowhere.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn times_are_in_the_callers_zone() {
    let zone = "Asia/Tokyo".parse().unwrap();
    let site = Site::start(Config { issues: 3, account_time_zone: zone, ..Config::default() }).await;
    let issue = site.get("/rest/api/3/issue/ACME-1?fields=created").await.json;
    let created = issue["fields"]["created"].as_str().unwrap();
    assert!(created.ends_with("+0900") && created.len() == "2026-02-03T10:11:12.345+0900".len(), "{created}");
}

#[tokio::test]
async fn a_stopped_site_refuses_connections() {
    let simulator = Simulator::start(Config { issues: 1, ..Config::default() }).await.unwrap();
    let url = simulator.url();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(client.get(format!("{url}/rest/api/3/serverInfo")).send().await.is_ok());
    simulator.stop().await;
    assert!(client.get(format!("{url}/rest/api/3/serverInfo")).send().await.is_err());
}
