//! What goes wrong: a token that dies quietly or loudly, limits, errors, slowness, cut connections, one bad issue.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use simulator::{Config, Fault, Route};

use crate::client::{Site, reply};

#[tokio::test]
async fn an_expired_token_looks_like_an_empty_site() {
    let site = Site::start(Config { issues: 5, ..Config::default() }).await;
    site.world.expire_token();
    let search = site.search(json!({"jql": "project = NOSUCHPROJECT"})).await;
    assert_eq!((search.status, search.json), (200, json!({"issues": [], "isLast": true})));
    assert_eq!(search.headers["x-seraph-loginreason"], "AUTHENTICATED_FAILED");
    assert!(!search.headers.contains_key("x-aaccountid"));
    let ask = json!({"issueIdsOrKeys": ["10001"], "fields": ["*all"]});
    let fetched = site.post("/rest/api/3/issue/bulkfetch", &ask).await;
    assert_eq!(fetched.json, json!({"issues": [], "issueErrors": []}));
    assert_eq!(site.get("/rest/api/3/project/search").await.json["total"], 0);
    assert_eq!(site.get("/rest/api/3/users/search").await.json, json!([]));
    assert_eq!(site.get("/rest/api/3/issue/ACME-1").await.status, 404);
    assert_eq!(site.get("/rest/api/3/myself").await.status, 401);
    site.world.restore_token();
    assert_eq!(site.get("/rest/api/3/myself").await.status, 200);
}

#[tokio::test]
async fn wrong_credentials_are_nobody_and_a_refused_token_is_told_so() {
    let site = Site::start(Config { issues: 5, ..Config::default() }).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/rest/api/3/search/jql?jql=id%3E0", site.simulator.url());
    let wrong = reply(client.get(&url).basic_auth("mirror@example.com", Some("stolen"))).await;
    assert_eq!(wrong.json["issues"], json!([]));
    assert_eq!(wrong.headers["x-seraph-loginreason"], "AUTHENTICATED_FAILED");
    let nobody = reply(client.get(&url)).await;
    assert_eq!(nobody.json["issues"], json!([]));
    assert!(!nobody.headers.contains_key("x-seraph-loginreason"));
    site.world.require_auth_401();
    assert_eq!(site.search(json!({"jql": "id > 0"})).await.status, 401);
    site.world.lock_out();
    let locked = site.get("/rest/api/3/myself").await;
    assert_eq!(locked.headers["x-seraph-loginreason"], "AUTHENTICATION_DENIED");
    assert_eq!(locked.status, 403);
}

#[tokio::test]
async fn scripted_faults_happen_as_often_as_asked_and_are_counted() {
    let site = Site::start(Config { issues: 5, ..Config::default() }).await;
    let wait = Some(Duration::from_secs(7));
    site.world.fail_next(Route::Fields, 1, &Fault::RateLimited(wait));
    site.world.fail_next(Route::Fields, 1, &Fault::RateLimited(None));
    site.world.fail_next(Route::Fields, 1, &Fault::Status(503, wait));
    site.world.fail_any(1, &Fault::Status(500, None));
    let with = site.get("/rest/api/3/field").await;
    assert_eq!((with.status, with.headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(with.headers["ratelimit-reason"], "jira-burst-based");
    let without = site.get("/rest/api/3/field").await;
    assert_eq!((without.status, without.headers.get("retry-after")), (429, None));
    assert_eq!(site.get("/rest/api/3/field").await.status, 503);
    assert_eq!(site.get("/rest/api/3/myself").await.status, 500);
    assert_eq!(site.get("/rest/api/3/field").await.status, 200);
    let requests = site.world.requests();
    assert_eq!((requests.total, requests.of(Route::Fields), requests.of(Route::Myself)), (5, 4, 1));
}

#[tokio::test]
async fn answers_can_be_slow_or_break_off() {
    let site = Site::start(Config { issues: 5, ..Config::default() }).await;
    site.world.fail_next(Route::Myself, 1, &Fault::Slow(Duration::from_millis(80)));
    let start = Instant::now();
    assert_eq!(site.get("/rest/api/3/myself").await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(80));
    site.world.fail_next(Route::Myself, 1, &Fault::Cut);
    let broken = async { site.request(Method::GET, "/rest/api/3/myself").send().await?.bytes().await };
    assert!(broken.await.is_err());
    assert_eq!(site.get("/rest/api/3/myself").await.status, 200);
}

#[tokio::test]
async fn a_poisoned_issue_spoils_every_batch_it_is_in() {
    let site = Site::start(Config { issues: 10, ..Config::default() }).await;
    let ids: Vec<String> = site.world.issue_ids().iter().map(ToString::to_string).collect();
    site.world.poison(ids[4].parse().unwrap());
    let fetch = async |ids: &[String]| {
        let ask = json!({"issueIdsOrKeys": ids, "fields": ["*all"]});
        site.post("/rest/api/3/issue/bulkfetch", &ask).await.status
    };
    assert_eq!((fetch(&ids).await, fetch(&ids[..4]).await, fetch(&ids[4..5]).await), (500, 200, 500));
    site.world.cure(ids[4].parse().unwrap());
    assert_eq!(fetch(&ids).await, 200);
}
