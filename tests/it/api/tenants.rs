//! All tenants, for those who run the house, and for nobody else.

use std::time::Duration;

use domain::Scope;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use store::{ApiToken, AuditFilter};

use super::{Desk, key, problem};

async fn good(response: Response, status: StatusCode) -> Value {
    let (found, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(found, status, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// A key of a tenant of its own, good for all tenants and for nothing else.
async fn operator(desk: &Desk) -> ApiToken {
    let house = desk.fleet.store.system().create_tenant("house").await.unwrap();
    key(&desk.fleet, house.id, &[Scope::AdminTenants]).await
}

async fn change(desk: &Desk, operator: &ApiToken, tenant: &str, change: &Value) -> Response {
    desk.ask_with(Method::PATCH, &format!("/fleet/tenants/{tenant}"), operator).json(change).send().await.unwrap()
}

#[tokio::test]
async fn a_tenant_is_made_found_and_renamed() {
    let desk = Desk::open().await;
    let operator = operator(&desk).await;
    let make =
        async |body: &Value| desk.ask_with(Method::POST, "/fleet/tenants", &operator).json(body).send().await.unwrap();
    let made = make(&json!({"name": "globex"})).await;
    let place = made.headers()["location"].to_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
    let made = good(made, StatusCode::CREATED).await;
    assert_eq!((&made["name"], &made["suspended"]), (&json!("globex"), &json!(false)));
    problem(make(&json!({"name": "globex"})).await, StatusCode::CONFLICT, "conflict").await;
    let refused = problem(make(&json!({"name": "No Such"})).await, StatusCode::BAD_REQUEST, "invalid").await;
    assert_eq!(refused["errors"][0]["pointer"], "/name");
    let read = async |path: &str| desk.ask_with(Method::GET, path, &operator).send().await.unwrap();
    assert_eq!(good(read(&place).await, StatusCode::OK).await, made);
    let first = good(read("/fleet/tenants?limit=2").await, StatusCode::OK).await;
    let rest = format!("/fleet/tenants?limit=2&cursor={}", first["next"].as_str().unwrap());
    let rest = good(read(&rest).await, StatusCode::OK).await;
    let names = [&first, &rest].map(|page| page["items"].as_array().unwrap().clone()).concat();
    let names: Vec<&str> = names.iter().map(|tenant| tenant["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["acme", "globex", "house"]);
    let taken = change(&desk, &operator, "globex", &json!({"name": "acme"})).await;
    problem(taken, StatusCode::CONFLICT, "conflict").await;
    let renamed = good(change(&desk, &operator, "globex", &json!({"name": "initech"})).await, StatusCode::OK).await;
    assert_eq!((&renamed["id"], &renamed["name"]), (&made["id"], &json!("initech")));
    problem(read("/fleet/tenants/globex").await, StatusCode::NOT_FOUND, "not_found").await;
    problem(change(&desk, &operator, "initech", &json!({})).await, StatusCode::BAD_REQUEST, "invalid").await;
    let log = desk.fleet.store.tenant(renamed["id"].as_str().unwrap().parse().map(domain::TenantId).unwrap());
    let lines = log.audit(&AuditFilter::default(), 10).await.unwrap();
    let told: Vec<_> = lines.iter().map(|line| (line.action.as_str(), line.actor_kind.as_str())).collect();
    assert_eq!(told, [("tenant.rename", "api_key"), ("tenant.create", "api_key")]);
}

#[tokio::test]
async fn a_suspended_tenants_keys_open_nothing_and_its_work_goes_on_afterwards() {
    let mut desk = Desk::open().await;
    let operator = operator(&desk).await;
    good(change(&desk, &operator, "acme", &json!({"suspended": true})).await, StatusCode::OK).await;
    let suspended = tokio::time::Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    while desk.get("/tenants/me").await.status() == StatusCode::OK {
        assert!(suspended.elapsed() < Duration::from_secs(2), "a suspended tenant's key still opens");
        tick.tick().await;
    }
    desk.fleet.stop_workers().await;
    let issue = desk.some_issue();
    desk.fleet.jira().edit(&issue, |issue| issue.summary = "Meanwhile".to_owned()).unwrap();
    // A fresh worker remembers nothing of the site, and does nothing for it.
    desk.fleet.start_worker().await;
    desk.fleet.drain().await;
    assert_ne!(desk.fleet.row(&issue).await.unwrap().summary, "Meanwhile");
    let resumed = good(change(&desk, &operator, "acme", &json!({"suspended": false})).await, StatusCode::OK).await;
    assert_eq!(resumed["suspended"], false);
    desk.fleet.drain().await;
    assert_eq!(desk.fleet.row(&issue).await.unwrap().summary, "Meanwhile");
    let own = change(&desk, &operator, "house", &json!({"suspended": true})).await;
    problem(own, StatusCode::CONFLICT, "conflict").await;
}

#[tokio::test]
async fn a_tenants_own_keys_see_no_tenant_but_theirs() {
    let desk = Desk::open().await;
    let other = desk.fleet.store.system().create_tenant("globex").await.unwrap();
    let scopes: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| *scope != Scope::AdminTenants).collect();
    let plain = key(&desk.fleet, desk.fleet.instance.tenant, &scopes).await;
    for (method, path, body) in [
        (Method::GET, "/fleet/tenants".to_owned(), None),
        (Method::POST, "/fleet/tenants".to_owned(), Some(json!({"name": "more"}))),
        (Method::GET, "/fleet/tenants/globex".to_owned(), None),
        (Method::GET, "/fleet/tenants/acme".to_owned(), None),
        (Method::PATCH, format!("/fleet/tenants/{}", other.id), Some(json!({"suspended": true}))),
    ] {
        let mut request = desk.ask_with(method, &path, &plain);
        if let Some(body) = body {
            request = request.json(&body);
        }
        problem(request.send().await.unwrap(), StatusCode::FORBIDDEN, "forbidden").await;
    }
    let tenants = desk.fleet.store.system().tenants().await.unwrap();
    assert_eq!(tenants.iter().filter(|tenant| tenant.suspended).count(), 0);
    assert_eq!(tenants.len(), 2);
    let me = desk.ask_with(Method::GET, "/tenants/me", &plain).send().await.unwrap();
    assert_eq!(good(me, StatusCode::OK).await["tenant"]["name"], "acme");
}
