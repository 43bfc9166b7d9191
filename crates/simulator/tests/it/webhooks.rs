//! Webhooks as a gateway receives them: signed, v2-shaped, in order, tried again under the same identifier.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use simulator::{Config, Deliveries, Mischief, Status};
use tokio::net::TcpListener;

use crate::client::Site;

#[derive(Default)]
pub(crate) struct Received {
    webhooks: Vec<(HeaderMap, Value)>,
    /// Answers still to be given; then 202.
    answers: VecDeque<StatusCode>,
}

pub(crate) type Gateway = Arc<Mutex<Received>>;

const SECRET: &str = "It's a Secret to Everybody";

async fn receive(State(gateway): State<Gateway>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&body);
    let shown = headers["x-hub-signature"].to_str().unwrap().strip_prefix("sha256=").unwrap().to_owned();
    if mac.verify_slice(&hex::decode(shown).unwrap()).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let mut gateway = gateway.lock().unwrap();
    gateway.webhooks.push((headers, serde_json::from_slice(&body).unwrap()));
    gateway.answers.pop_front().unwrap_or(StatusCode::ACCEPTED)
}

pub(crate) async fn site_with_gateway(config: Config, answers: &[StatusCode]) -> (Site, Gateway) {
    let gateway = Gateway::default();
    gateway.lock().unwrap().answers.extend(answers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/one", listener.local_addr().unwrap());
    let router = Router::new().route("/webhooks/one", post(receive)).with_state(gateway.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let site = Site::start(config).await;
    site.world.set_webhook(&url, SECRET);
    (site, gateway)
}

pub(crate) fn bodies(gateway: &Gateway) -> Vec<Value> {
    gateway.lock().unwrap().webhooks.iter().map(|(_, body)| body.clone()).collect()
}

#[tokio::test]
async fn an_edit_is_told_in_the_old_shape() {
    let (site, gateway) = site_with_gateway(Config { issues: 5, ..Config::default() }, &[]).await;
    let before = site.world.store_view(site.world.issue_id("ACME-1").unwrap()).unwrap();
    let next = if before["fields"]["status"]["name"] == "Done" { Status::ToDo } else { Status::Done };
    let change = |issue: &mut simulator::Issue| {
        issue.description = Some("Ünïcode\n\ntwo".into());
        issue.status = next;
    };
    site.world.edit("ACME-1", change).unwrap();
    site.world.edit("ACME-1", |_| {}).unwrap();
    site.world.webhooks_idle().await;
    let body = bodies(&gateway).remove(0);
    assert_eq!(
        (&body["webhookEvent"], &body["issue_event_type_name"]),
        (&json!("jira:issue_updated"), &json!("issue_generic"))
    );
    assert_eq!(body["issue"]["fields"]["description"], "Ünïcode\n\ntwo");
    assert!(body["issue"]["self"].as_str().unwrap().contains("/rest/api/2/"));
    assert!(body["timestamp"].is_i64() && body["changelog"]["id"].is_string());
    let items = body["changelog"]["items"].as_array().unwrap();
    assert!(
        items.iter().any(|item| item["fieldId"] == "status")
            && items.iter().any(|item| item["fieldId"] == "resolution")
    );
    let headers = gateway.lock().unwrap().webhooks[0].0.clone();
    assert_eq!(headers["user-agent"], "Atlassian Webhook HTTP Client");
    assert_eq!(headers["x-atlassian-webhook-flow"], "Primary");
    assert_eq!(headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(site.world.deliveries(), Deliveries { taken: 1, tries: 1, ..Deliveries::default() });
}

#[tokio::test]
async fn every_kind_of_change_has_its_event() {
    let (site, gateway) = site_with_gateway(Config { issues: 5, ..Config::default() }, &[]).await;
    let world = &site.world;
    let key = world.create("ACME", "New").unwrap();
    world.webhooks_idle().await;
    let comment = world.comment(&key, "Hi 👋").unwrap();
    world.webhooks_idle().await;
    world.edit_comment(&key, comment, "Hello").unwrap();
    world.webhooks_idle().await;
    world.delete_comment(&key, comment).unwrap();
    world.webhooks_idle().await;
    let moved = world.move_issue(&key, "WEB").unwrap();
    world.webhooks_idle().await;
    world.delete(&moved).unwrap();
    world.webhooks_idle().await;
    let bodies = bodies(&gateway);
    let events: Vec<_> = bodies.iter().map(|body| body["webhookEvent"].as_str().unwrap()).collect();
    let expected = [
        "jira:issue_created",
        "comment_created",
        "comment_updated",
        "comment_deleted",
        "jira:issue_updated",
        "jira:issue_deleted",
    ];
    assert_eq!(events, expected);
    assert_eq!(bodies[0]["changelog"]["items"][0]["toString"], "New");
    assert_eq!(bodies[1]["comment"]["body"], "Hi 👋");
    assert_eq!(bodies[1]["issue"]["fields"].get("updated"), None);
    assert_eq!(bodies[1].get("user"), None);
    let key_item = &bodies[4]["changelog"]["items"][1];
    assert_eq!((&key_item["field"], &key_item["toString"]), (&json!("Key"), &json!(moved)));
    assert_eq!(bodies[5].get("changelog"), None);
    assert!(world.store_view(bodies[5]["issue"]["id"].as_str().unwrap().parse().unwrap()).is_none());
}

#[tokio::test]
async fn failures_are_tried_again_and_refusals_are_not() {
    let retries = vec![Duration::from_millis(1); 2];
    let config = Config { issues: 5, webhook_retries: retries, ..Config::default() };
    let busy = StatusCode::SERVICE_UNAVAILABLE;
    let answers = [busy, busy, StatusCode::OK, StatusCode::UNAUTHORIZED, busy, busy, busy];
    let (site, gateway) = site_with_gateway(config, &answers).await;
    for _ in 0..3 {
        site.world.edit("ACME-1", |issue| issue.summary.push('!')).unwrap();
        site.world.webhooks_idle().await;
    }
    assert_eq!(
        site.world.deliveries(),
        Deliveries { taken: 1, refused: 1, lost: 1, tries: 7, ..Deliveries::default() }
    );
    let received = gateway.lock().unwrap();
    let header =
        |n: usize, name: &str| received.webhooks[n].0.get(name).map(|value| value.to_str().unwrap().to_owned());
    let identifier = "x-atlassian-webhook-identifier";
    assert_eq!(header(0, identifier), header(2, identifier));
    assert_ne!(header(0, identifier), header(3, identifier));
    assert_eq!(header(0, "x-atlassian-webhook-retry"), None);
    assert_eq!(header(2, "x-atlassian-webhook-retry").as_deref(), Some("2"));
}

#[tokio::test]
async fn a_storm_arrives_whole() {
    let (site, gateway) = site_with_gateway(Config { issues: 20, ..Config::default() }, &[]).await;
    let keys = site.world.issue_keys();
    for n in 0..200 {
        site.world.edit(&keys[n % keys.len()], |issue| issue.summary = format!("Turn {n}")).unwrap();
    }
    site.world.webhooks_idle().await;
    let mut turns: Vec<_> =
        bodies(&gateway).iter().map(|body| body["issue"]["fields"]["summary"].as_str().unwrap().to_owned()).collect();
    turns.sort_unstable();
    turns.dedup();
    assert_eq!((turns.len(), site.world.deliveries().taken), (200, 200));
}

#[tokio::test]
async fn on_a_bad_day_webhooks_double_vanish_and_are_forged() {
    let (site, gateway) = site_with_gateway(Config { issues: 5, ..Config::default() }, &[]).await;
    let delay = Duration::from_millis(30);
    site.world.set_mischief(Mischief { duplicates: 0.3, drops: 0.1, forgeries: 0.1, delay });
    for n in 0..200 {
        site.world.edit("ACME-1", |issue| issue.summary = format!("Turn {n:03}")).unwrap();
    }
    site.world.webhooks_idle().await;
    let done = site.world.deliveries();
    assert!(done.dropped > 0 && done.refused > 0 && done.lost == 0, "{done:?}");
    let turns: Vec<_> =
        bodies(&gateway).iter().map(|body| body["issue"]["fields"]["summary"].as_str().unwrap().to_owned()).collect();
    assert_eq!(turns.len() as u64, done.taken);
    assert!(!turns.is_sorted(), "held back webhooks overtake each other");
    let mut identifiers: Vec<_> =
        gateway.lock().unwrap().webhooks.iter().map(|(headers, _)| identifier(headers)).collect();
    identifiers.sort_unstable();
    identifiers.dedup();
    assert_eq!(identifiers.len() as u64, 200 - done.dropped);
}

fn identifier(headers: &HeaderMap) -> String {
    headers["x-atlassian-webhook-identifier"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn waiting_ends_when_the_site_stops() {
    let config = Config { issues: 5, webhook_retries: vec![Duration::from_secs(3600)], ..Config::default() };
    let site = Site::start(config).await;
    site.world.set_webhook("http://127.0.0.1:1/nobody", SECRET);
    site.world.edit("ACME-1", |issue| issue.summary.push('!')).unwrap();
    let world = site.world.clone();
    site.simulator.stop().await;
    world.webhooks_idle().await;
}
