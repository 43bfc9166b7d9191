//! What is refused, and how.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::Scope;
use reqwest::{Method, StatusCode};
use store::{ApiToken, NewApiKey};

use super::{Desk, problem, stranger};

#[tokio::test]
async fn all_reasons_against_a_key_sound_the_same() {
    let desk = Desk::open().await;
    let tenant = desk.fleet.store.tenant(desk.fleet.instance.tenant);
    let make = async |name: &str, network: &[&str], expired: bool| {
        let new = NewApiKey {
            name: name.to_owned(),
            environment: "test".to_owned(),
            scopes: vec![Scope::ReadIssues],
            networks: network.iter().map(|network| network.parse().unwrap()).collect(),
            expires_at: expired.then(|| Utc::now() - TimeDelta::minutes(1)),
        };
        tenant.create_api_key(new).await.unwrap().1
    };
    let (elsewhere, expired) = (make("elsewhere", &["10.0.0.0/8"], false).await, make("expired", &[], true).await);
    let here = make("here", &["127.0.0.0/8"], false).await;
    let unknown = ApiToken::generate("test").unwrap();
    let mut said = Vec::new();
    for token in [elsewhere.expose(), expired.expose(), unknown.expose(), "nonsense", ""] {
        let response = desk.client.get(desk.url("/issues")).bearer_auth(token).send().await.unwrap();
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        let mut body = problem(response, StatusCode::UNAUTHORIZED, "unauthorized").await;
        body["request_id"].take();
        said.push(body);
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(desk.ask_with(Method::GET, "/issues", &here).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_a_second_later() {
    let desk = Desk::open().await;
    let tenant = desk.fleet.store.tenant(desk.fleet.instance.tenant);
    let keys = tenant.api_keys().await.unwrap();
    desk.read("/tenants/me").await;
    tenant.revoke_api_key(&keys[0].name).await.unwrap();
    let revoked = tokio::time::Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    while desk.get("/tenants/me").await.status() == StatusCode::OK {
        assert!(revoked.elapsed() < Duration::from_secs(2), "the key still opens");
        tick.tick().await;
    }
    let response = desk.get("/tenants/me").await;
    problem(response, StatusCode::UNAUTHORIZED, "unauthorized").await;
}

#[tokio::test]
async fn another_tenants_things_are_not_there() {
    let desk = Desk::open().await;
    let other = stranger(&desk.fleet).await;
    let (issue, instance) = (desk.some_issue(), desk.fleet.instance.id);
    for path in [
        format!("/issues/{issue}?instance={instance}"),
        format!("/issues/{issue}/comments?instance=acme"),
        "/projects?instance=acme".to_owned(),
        "/sync?instance=acme".to_owned(),
        format!("/issues?instance={instance}"),
    ] {
        let response = desk.ask_with(Method::GET, &path, &other).send().await.unwrap();
        let body = problem(response, StatusCode::NOT_FOUND, "not_found").await;
        assert_eq!(body["detail"], "there is no such instance");
    }
    let response = desk.ask_with(Method::GET, "/issues", &other).send().await.unwrap();
    assert_eq!(response.json::<serde_json::Value>().await.unwrap()["items"], serde_json::json!([]));
}

#[tokio::test]
async fn what_nobody_asked_to_know_is_refused() {
    let desk = Desk::open().await;
    for (path, named) in [
        (
            "/issues?limit=0&sort=colour&sprint=x&category=open&due_from=today",
            vec!["category", "due_from", "limit", "sort", "sprint"],
        ),
        ("/issues?jql=colour%20%3D%20red", vec!["jql"]),
        ("/issues?text=--", vec!["text"]),
        (
            "/issues?status=&assignee=&label=&label_all=&field=%3D&due_from=2026-02-02&due_before=2026-02-02",
            vec!["assignee", "due_from", "field", "field", "label", "label_all", "status"],
        ),
        ("/issues/ACME", vec!["issue"]),
        ("/projects?limit=201", vec!["limit"]),
        ("/metrics/lead-times?done_from=yesterday", vec!["done_from"]),
        ("/audit?from=yesterday", vec!["from"]),
    ] {
        let body = problem(desk.get(path).await, StatusCode::BAD_REQUEST, "invalid").await;
        let errors = body["errors"].as_array().unwrap();
        let mut found: Vec<&str> = errors.iter().map(|error| error["parameter"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, named, "{path}: {body}");
    }
    for path in ["/issues?colour=red", "/issues?cursor=a&cursor=b", "/instances?x=1", "/tenants/me?x"] {
        problem(desk.get(path).await, StatusCode::BAD_REQUEST, "invalid").await;
    }
    problem(desk.get("/nowhere").await, StatusCode::NOT_FOUND, "not_found").await;
    let wrong = desk.ask(Method::DELETE, "/issues").send().await.unwrap();
    problem(wrong, StatusCode::METHOD_NOT_ALLOWED, "wrong_method").await;
    let huge = desk.ask(Method::GET, "/issues").body(vec![b' '; (1 << 20) + 1]).send().await.unwrap();
    problem(huge, StatusCode::PAYLOAD_TOO_LARGE, "too_large").await;
}

#[tokio::test]
async fn a_cursor_is_good_for_one_listing_of_one_tenant() {
    let desk = Desk::open().await;
    let first = desk.read("/issues?limit=2").await;
    let cursor = first["next"].as_str().unwrap();
    let bent = format!("{}{}", if cursor.starts_with('A') { 'B' } else { 'A' }, &cursor[1..]);
    let other = stranger(&desk.fleet).await;
    for (path, key) in [
        (format!("/issues?limit=2&cursor={bent}"), &desk.key),
        (format!("/issues?limit=2&cursor={}", &cursor[..cursor.len() - 4]), &desk.key),
        (format!("/issues?limit=2&label=x&cursor={cursor}"), &desk.key),
        (format!("/issues?limit=2&sort=key&cursor={cursor}"), &desk.key),
        (format!("/projects?cursor={cursor}"), &desk.key),
        ("/issues?cursor=%00".to_owned(), &desk.key),
        (format!("/issues?limit=2&cursor={cursor}"), &other),
    ] {
        let response = desk.ask_with(Method::GET, &path, key).send().await.unwrap();
        let body = problem(response, StatusCode::BAD_REQUEST, "invalid").await;
        assert_eq!(body["errors"][0]["parameter"], "cursor", "{path}");
    }
    let good = desk.read(&format!("/issues?limit=2&cursor={cursor}")).await;
    assert_eq!(good["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_request_is_called_what_its_sender_calls_it() {
    let desk = Desk::open().await;
    let named = desk.ask(Method::GET, "/tenants/me").header("X-Request-Id", "my-7").send().await.unwrap();
    assert_eq!(named.headers()["x-request-id"], "my-7");
    let unfit = desk.ask(Method::GET, "/nowhere").header("X-Request-Id", "my 7").send().await.unwrap();
    assert_ne!(unfit.headers()["x-request-id"], "my 7");
    problem(unfit, StatusCode::NOT_FOUND, "not_found").await;
}
