//! Search: the cursor while issues change, the late index, page sizes, and refusals in the recorded words.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use simulator::{Config, Fault, Route};

use crate::client::{Site, ids};

#[tokio::test]
async fn a_traversal_by_creation_is_whole_while_issues_change() {
    for jql in ["project in (ACME, WEB, OPS) ORDER BY created ASC, key ASC", "project in (ACME, WEB, OPS)"] {
        let site = Site::start(Config { issues: 60, ..Config::default() }).await;
        let before = site.world.issue_ids();
        let keys = site.world.issue_keys();
        let mut turn = 0;
        let found = site
            .traverse(jql, 7, |world| {
                turn += 5;
                world.edit(&keys[turn % keys.len()], |issue| issue.summary.push('!')).unwrap();
                world.create("WEB", "Came in between").unwrap();
            })
            .await;
        let distinct: BTreeSet<u64> = found.iter().copied().collect();
        assert_eq!(distinct.len(), found.len(), "nothing comes twice");
        assert!(before.iter().all(|id| distinct.contains(id)), "nothing is lost");
    }
}

#[tokio::test]
async fn by_last_change_a_changed_issue_comes_again_and_none_is_lost() {
    let site = Site::start(Config { issues: 60, ..Config::default() }).await;
    let before = site.world.issue_ids();
    let (first, mut touched) = (before[0].to_string(), false);
    let found = site
        .traverse("updated >= 0 ORDER BY updated ASC, key ASC", 50, |world| {
            touched = true;
            world.edit(&first, |issue| issue.labels.push("again".into())).unwrap();
        })
        .await;
    assert!(touched && found.last() == Some(&before[0]), "a changed issue moves to the end");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), before.into_iter().collect());
}

#[tokio::test]
async fn keys_sort_by_project_and_number() {
    let site = Site::start(Config { issues: 40, ..Config::default() }).await;
    let reply = site.search(json!({"jql": "updated > 0 order by key", "fields": ["key"], "maxResults": 5000})).await;
    let keys = reply.json["issues"].as_array().unwrap();
    let parsed: Vec<(String, u64)> = keys.iter().map(|issue| split(issue["key"].as_str().unwrap())).collect();
    assert!(parsed.is_sorted() && parsed.len() == 40);
    let again = site.traverse("updated > 0 order by key", 3, |_| {}).await;
    assert_eq!(again, ids(&reply.json["issues"]));
}

fn split(key: &str) -> (String, u64) {
    let (project, number) = key.rsplit_once('-').unwrap();
    (project.to_owned(), number.parse().unwrap())
}

#[tokio::test]
async fn searches_see_changes_late_and_direct_reads_at_once() {
    let lag = Duration::from_secs(60)..=Duration::from_secs(90);
    let site = Site::start(Config { issues: 5, index_lag: lag, ..Config::default() }).await;
    let key = site.world.create("ACME", "Brand new").unwrap();
    let id = site.world.issue_id(&key).unwrap();
    let jql = json!({"jql": format!("id = {id}")});
    assert_eq!(site.get(&format!("/rest/api/3/issue/{key}")).await.status, 200);
    assert_eq!(ids(&site.search(jql.clone()).await.json["issues"]), [0; 0]);
    let count = site.post("/rest/api/3/search/approximate-count", &json!({"jql": "created > 0"})).await;
    assert_eq!(count.json["count"], 5);
    let mut reconciled = jql.clone();
    reconciled["reconcileIssues"] = json!([id]);
    assert_eq!(ids(&site.search(reconciled).await.json["issues"]), [id]);
    site.world.edit(&key, |issue| issue.summary = "Newer".into()).unwrap();
    let summary = json!({"jql": format!("id = {id}"), "fields": ["summary"]});
    assert_eq!(site.search(summary.clone()).await.json["issues"][0]["fields"]["summary"], "Brand new");
    site.world.advance(Duration::from_secs(91));
    assert_eq!(site.search(summary).await.json["issues"][0]["fields"]["summary"], "Newer");
}

#[tokio::test]
async fn pages_are_long_for_ids_and_short_for_fields() {
    let site = Site::start(Config { issues: 250, ..Config::default() }).await;
    let page = async |fields: &[&str]| {
        let reply = site.search(json!({"jql": "created > 0", "maxResults": 5000, "fields": fields})).await;
        reply.json["issues"].as_array().unwrap().len()
    };
    assert_eq!(page(&[]).await, 250);
    assert_eq!(page(&["id", "key"]).await, 250);
    assert_eq!(page(&["summary"]).await, 100);
    assert_eq!(page(&["*all"]).await, 100);
    let item = site.search(json!({"jql": "key = ACME-1"})).await;
    assert_eq!(item.json["issues"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id"]);
    let named = site.get("/rest/api/3/search/jql?jql=key%20%3D%20ACME-1&fields=summary,status&expand=names").await;
    assert_eq!(named.json["names"], json!({"summary": "Summary", "status": "Status"}));
}

#[tokio::test]
async fn refusals_use_the_recorded_words() {
    let site = Site::start(Config { issues: 5, ..Config::default() }).await;
    let said = async |body| {
        let reply = site.search(body).await;
        assert_eq!(reply.status, 400);
        reply.json["errorMessages"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(
        said(json!({"jql": "order by key"})).await,
        "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
    );
    for most in [0, 6000] {
        let words = said(json!({"jql": "id > 1", "maxResults": most})).await;
        assert_eq!(words, "The max results parameter has to be between 1 and 5,000.");
    }
    let words = said(json!({"jql": "id > 1", "nextPageToken": "garbage"})).await;
    assert_eq!(words, "The provided next page token is invalid or expired.");
    let words = said(json!({"jql": "id > 1", "startAt": 50})).await;
    assert_eq!(words, "Invalid request payload. Refer to the REST API documentation and try again.");
    let gone = site.get("/rest/api/3/search?jql=id%3E1").await;
    assert_eq!(gone.status, 410);
    assert!(gone.json["errorMessages"][0].as_str().unwrap().starts_with("The requested API has been removed."));
}

#[tokio::test]
async fn short_pages_in_the_middle_lose_nothing() {
    for short_pages in [1, 3] {
        let site = Site::start(Config { issues: 60, short_pages, ..Config::default() }).await;
        let (mut lengths, mut found, mut token) = (Vec::new(), Vec::new(), json!(null));
        loop {
            let ask = json!({"jql": "id > 0 ORDER BY key", "maxResults": 8, "nextPageToken": token});
            let reply = site.search(ask).await.json;
            found.extend(ids(&reply["issues"]));
            lengths.push(reply["issues"].as_array().unwrap().len());
            token = reply["nextPageToken"].clone();
            if reply["isLast"] == true {
                break;
            }
        }
        found.sort_unstable();
        assert_eq!(found, site.world.issue_ids());
        assert!(lengths.iter().rev().skip(1).any(|length| *length == 4), "{lengths:?}");
    }
}

#[tokio::test]
async fn a_token_ends_with_its_week_and_with_its_query() {
    let site = Site::start(Config { issues: 20, ..Config::default() }).await;
    let first = site.search(json!({"jql": "id > 0", "maxResults": 5})).await.json["nextPageToken"].clone();
    let next = |jql: &str| json!({"jql": jql, "maxResults": 5, "nextPageToken": first});
    assert_eq!(site.search(next("id > 1")).await.status, 400);
    site.world.advance(Duration::from_secs(7 * 24 * 3600 - 60));
    let again = site.search(next("id > 0")).await;
    assert_eq!((again.status, ids(&again.json["issues"]).len()), (200, 5));
    assert_eq!(again.json["issues"], site.search(next("id > 0")).await.json["issues"], "a page can be asked for twice");
    site.world.advance(Duration::from_secs(120));
    let words = "The provided next page token is invalid or expired.";
    assert_eq!(site.search(next("id > 0")).await.json["errorMessages"][0], words);
}

#[tokio::test]
async fn nobody_is_told_that_a_name_is_unknown() {
    let site = Site::start(Config { issues: 5, ..Config::default() }).await;
    let unknown = ["project = NOPE", "wishes = 3", "id = made()", "updated >= someday", "id > 0 order by wishes"];
    for jql in unknown {
        assert_eq!(site.search(json!({"jql": jql})).await.status, 400, "{jql}");
    }
    let matched =
        site.post("/rest/api/3/jql/match", &json!({"issueIds": [10_001], "jqls": ["project = NOPE", "\""]})).await;
    let matches = &matched.json["matches"];
    assert_eq!(matches[0], json!({"matchedIssues": [], "errors": []}));
    assert_eq!(matches[1]["errors"].as_array().unwrap().len(), 1);
    site.world.expire_token();
    for jql in unknown {
        let reply = site.search(json!({"jql": jql})).await;
        assert_eq!((reply.status, reply.json), (200, json!({"issues": [], "isLast": true})), "{jql}");
    }
    for jql in ["order by key", "summary ~ \"unclosed"] {
        assert_eq!(site.search(json!({"jql": jql})).await.status, 400, "{jql}");
    }
}

#[tokio::test]
async fn no_request_makes_a_route_panic() {
    let site = Site::start(Config { issues: 5, ..Config::default() }).await;
    let paths = [
        "/",
        "/rest/api/3/issue/%00",
        "/rest/api/3/issue/%ff%fe",
        "/rest/api/3/issue/..%2F",
        "/rest/api/3/issue/-1",
        "/rest/api/3/issue/ACME-1/comment?startAt=99999999999&maxResults=-3",
        "/rest/api/3/users/search?startAt=-1",
        "/rest/api/3/issue/ACME-1/changelog?startAt=18446744073709551615",
        "/rest/api/3/search/jql?jql=%F0%9F%A6%80",
        "/rest/api/3/search/jql?maxResults=x",
        "/rest/api/3/project/search?maxResults=0&startAt=5&expand=insight",
        "/rest/api/3/search/jql?jql=id%3E0&fields=,,&expand=,",
        "/rest/api/3/issue/ACME-1/comment?orderBy=karma",
        "/rest/api/3/issue/ACME-1/comment/%F0%9F%A6%80",
        "/rest/api/3/issue/ACME-1/worklog/-1",
        "/rest/api/3/issue/ACME-1/worklog?startedAfter=9&startedBefore=1",
        "/rest/api/3/worklog/updated?since=-9223372036854775808",
        "/rest/api/3/worklog/deleted?since=x",
        "/rest/api/3/issueLink/99999999999999999999999",
        "/rest/api/3/issue/ACME-1/remotelink/x",
        "/rest/api/3/project/%00",
        "/rest/api/3/project/search?orderBy=luck",
        "/rest/api/3/user?accountId=%00",
        "/rest/api/3/user/bulk?maxResults=-1&accountId=x",
        "/rest/api/3/issue/createmeta/ACME/issuetypes/%00?startAt=99999",
        "/rest/agile/1.0/board/0/sprint",
        "/rest/agile/1.0/board/18446744073709551615/sprint",
        "/rest/agile/1.0/sprint/4294967295",
    ];
    for path in paths {
        assert!(site.get(path).await.status < 500, "{path}");
    }
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "{}",
        r#"{"jql":null}"#,
        r#"{"issueIdsOrKeys":[]}"#,
        r#"{"jql":7}"#,
        r#"{"issueIdsOrKeys":["10001"],"nextPageToken":"e30"}"#,
        r#"{"jql":"id > 0","reconcileIssues":[-1]}"#,
        r#"{"ids":[-1]}"#,
        r#"{"fields":[],"update":7}"#,
        r#"{"fields":{"project":7,"issuetype":[],"parent":"x","labels":{"a":1}}}"#,
        r#"{"update":{"labels":[7,{"add":null},{"copy":1}],"comment":{}}}"#,
        r#"{"transition":7}"#,
        r#"{"type":7,"inwardIssue":{},"outwardIssue":{"id":{}}}"#,
        r#"{"timeSpentSeconds":18446744073709551615,"started":"2026-13-45"}"#,
        r#"{"object":[],"globalId":7}"#,
    ];
    let posts = [
        "search/jql",
        "search/approximate-count",
        "issue/bulkfetch",
        "changelog/bulkfetch",
        "comment/list",
        "worklog/list",
        "jql/match",
        "issue",
        "issue/bulk",
        "issueLink",
        "issue/ACME-1/comment",
        "issue/ACME-1/worklog",
        "issue/ACME-1/remotelink",
        "issue/ACME-1/transitions",
    ];
    let puts = ["issue/ACME-1", "issue/ACME-1/assignee", "issue/archive", "issue/unarchive"];
    let posts = posts.into_iter().map(|path| (reqwest::Method::POST, path));
    for (method, path) in posts.chain(puts.into_iter().map(|path| (reqwest::Method::PUT, path))) {
        for body in bodies {
            let request = site.request(method.clone(), &format!("/rest/api/3/{path}")).body(body);
            let reply = crate::client::reply(request).await;
            assert!(reply.status < 500, "{path} {body}");
        }
    }
    site.world.fail_next(Route::Myself, 1, &Fault::Status(9999, None));
    assert_eq!(site.get("/rest/api/3/myself").await.status, 500);
    assert_eq!(site.get("/rest/api/3/myself").await.status, 200);
}
