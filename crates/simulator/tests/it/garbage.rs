//! Answers that are none: connections that end, pages for people, half a body, a hundred megabytes, other hosts; and
//! what an observer is told of all this.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::json;
use simulator::{Config, Exchange, Fault, Observer, Route};

use crate::client::{Site, reply};

async fn site() -> Site {
    Site::start(Config { issues: 5, ..Config::default() }).await
}

#[tokio::test]
async fn a_connection_can_end_before_the_answer_or_after_the_deed() {
    let site = site().await;
    let hook = json!({"name": "n", "url": "http://127.0.0.1:1/x", "events": ["jira:issue_created"]});
    let create = || site.request(Method::POST, "/rest/webhooks/1.0/webhook").json(&hook).send();
    let known = async || site.get("/rest/webhooks/1.0/webhook").await.json.as_array().unwrap().len();
    site.world.fail_next(Route::AdminWebhooks, 1, &Fault::CutBefore);
    assert!(create().await.unwrap_err().status().is_none());
    assert_eq!(known().await, 0, "nothing was done");
    site.world.fail_next(Route::AdminWebhooks, 1, &Fault::CutAfter);
    assert!(create().await.unwrap_err().status().is_none());
    assert_eq!(known().await, 1, "it was done, and nobody was told");
}

#[tokio::test]
async fn bodies_can_be_pages_halves_nothing_or_of_the_wrong_kind() {
    let site = site().await;
    let ask = async |fault: Fault| {
        site.world.fail_next(Route::Fields, 1, &fault);
        let response = site.request(Method::GET, "/rest/api/3/field").send().await.unwrap();
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        (response.status().as_u16(), kind.unwrap_or_default(), response.bytes().await.unwrap())
    };
    let whole = ask(Fault::WrongType).await;
    assert_eq!((whole.0, whole.1.as_str()), (200, "text/plain;charset=UTF-8"));
    assert!(serde_json::from_slice::<serde_json::Value>(&whole.2).is_ok());
    let page = ask(Fault::Html).await;
    assert!(page.0 == 200 && page.1.starts_with("text/html") && page.2.starts_with(b"<!DOCTYPE"));
    let half = ask(Fault::Truncated).await;
    assert_eq!((half.0, half.2.len()), (200, whole.2.len() / 2));
    assert_eq!(&half.2[..], &whole.2[..half.2.len()]);
    assert_eq!(&ask(Fault::Empty).await.2[..], b"{}");
}

#[tokio::test]
async fn a_body_can_be_larger_than_anybody_wants() {
    let site = site().await;
    site.world.fail_next(Route::Search, 1, &Fault::Huge(100_000_000));
    let response = site.request(Method::POST, "/rest/api/3/search/jql").json(&json!({"jql": "id > 0"})).send().await;
    let (mut response, mut bytes) = (response.unwrap(), 0);
    while let Some(piece) = response.chunk().await.unwrap() {
        bytes += piece.len();
    }
    assert_eq!(bytes, 100_000_000);
}

#[tokio::test]
async fn a_redirect_names_another_host() {
    let site = site().await;
    site.world.fail_any(1, &Fault::Redirect("https://elsewhere.example.com/login".into()));
    let moved = site.get("/rest/api/3/myself").await;
    assert_eq!(
        (moved.status, moved.headers["location"].to_str().unwrap()),
        (302, "https://elsewhere.example.com/login")
    );
}

#[tokio::test]
async fn every_answer_has_headers_of_its_own() {
    let site = site().await;
    let refused = site.bare(Method::GET, "/rest/api/3/myself");
    let answers = [
        site.get("/rest/api/3/myself").await,
        reply(refused).await,
        site.get("/rest/api/3/nowhere").await,
        site.get("/ex/jira/nobody/rest/api/3/myself").await,
        site.get("/_edge/tenant_info").await,
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 401, 404, 404, 200]);
    let mut traces: Vec<&str> = answers.iter().map(|it| it.headers["atl-traceid"].to_str().unwrap()).collect();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), answers.len());
    for answer in &answers {
        assert_eq!(answer.headers["atl-request-id"], answer.headers["x-arequestid"]);
        assert_eq!(
            (&answer.headers["server"], &answer.headers["timing-allow-origin"]),
            (&"AtlassianEdge".parse().unwrap(), &"*".parse().unwrap())
        );
    }
    let named: Vec<bool> = answers.iter().map(|it| it.headers.contains_key("x-aaccountid")).collect();
    assert_eq!(named, [true, false, true, false, false]);
}

#[tokio::test]
async fn an_observer_is_told_of_every_exchange_and_warned_of_garbage() {
    let told = Arc::new(Mutex::new(Vec::<Exchange>::new()));
    let ears = told.clone();
    let observer = Observer::new(move |exchange| ears.lock().unwrap().push(exchange.clone()));
    let site = Site::start(Config { issues: 5, observer: Some(observer), ..Config::default() }).await;
    let body = json!({"jql": "id > 0", "maxResults": 3});
    let found = site.search(body.clone()).await;
    let base = format!("/ex/jira/{}", site.world.cloud_id());
    site.get(&format!("{base}/rest/api/3/issue/ACME-1?fields=summary")).await;
    site.world.fail_next(Route::Fields, 1, &Fault::Html);
    site.get("/rest/api/3/field").await;
    site.world.fail_next(Route::Fields, 1, &Fault::RateLimited(None));
    site.get("/rest/api/3/field").await;
    site.get("/rest/api/3/nowhere?a=b").await;
    let told = told.lock().unwrap();
    let brief: Vec<_> =
        told.iter().map(|it| (it.route.as_deref().unwrap_or("-"), it.status.as_u16(), it.garbage)).collect();
    let expected = [
        ("/rest/api/3/search/jql", 200, false),
        ("/rest/api/3/issue/{id}", 200, false),
        ("/rest/api/3/field", 200, true),
        ("/rest/api/3/field", 429, false),
        ("-", 404, false),
    ];
    assert_eq!(brief, expected);
    assert_eq!((&told[0].method, told[0].path.as_str()), (&Method::POST, "/rest/api/3/search/jql"));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&told[0].request).unwrap(), body);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&told[0].response).unwrap(), found.json);
    assert_eq!(told[0].headers["content-type"], "application/json;charset=UTF-8");
    assert_eq!(told[1].path, format!("{base}/rest/api/3/issue/ACME-1?fields=summary"));
    assert!(told[2].response.is_empty());
    assert_eq!(told[4].path, "/rest/api/3/nowhere?a=b");
}
