//! What the gateway makes of everything that is not a webhook of ours.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use ingest_gateway::Limits;
use listener::Listener;
use queue::{Producer, QueueName};
use reqwest::{Body, Client, Response, StatusCode};
use sha2::Sha256;
use tests::{FleetOptions, TestFleet};
use tokio_util::sync::CancellationToken;

const EVENT: &str = r#"{"webhookEvent":"jira:issue_updated","issue":{"id":"10001","key":"A-1"}}"#;

/// What Jira writes into `X-Hub-Signature`.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A fleet without a worker: whatever is enqueued stays to be counted.
async fn fleet() -> TestFleet {
    TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await
}

async fn post(fleet: &TestFleet, name: &str, signature: Option<&str>, body: &str) -> Response {
    let mut request = Client::new().post(format!("http://{}/webhooks/{name}", fleet.gateway)).body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header("X-Hub-Signature", signature);
    }
    request.send().await.unwrap()
}

async fn enqueued(fleet: &TestFleet) -> u64 {
    let mut waiting = 0;
    for queue in QueueName::ALL {
        waiting += fleet.producer.depth(queue).await.unwrap().ready;
    }
    waiting
}

#[tokio::test]
async fn only_what_is_signed_by_us_is_taken() {
    let fleet = fleet().await;
    let good = signature(&fleet.webhook_secret, EVENT.as_bytes());
    let wrong = signature("another secret", EVENT.as_bytes());
    let mut refusals = Vec::new();
    for (name, header) in [
        ("acme", Some(wrong.as_str())),
        ("acme", None),
        ("acme", Some("sha256=zz")),
        ("acme", Some("sha1=0000")),
        ("nobody", Some(good.as_str())),
    ] {
        let response = post(&fleet, name, header, EVENT).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name} {header:?}");
        refusals.push(response.text().await.unwrap());
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "nobody can tell an unknown instance from a wrong signature");
    assert_eq!(enqueued(&fleet).await, 0);
    assert_eq!(post(&fleet, "acme", Some(&good), EVENT).await.status(), StatusCode::ACCEPTED);
    assert_eq!(enqueued(&fleet).await, 1);
}

#[tokio::test]
async fn the_instance_may_be_named_by_its_id() {
    let fleet = fleet().await;
    let good = signature(&fleet.webhook_secret, EVENT.as_bytes());
    let id = fleet.instance.id.to_string();
    assert_eq!(post(&fleet, &id, Some(&good), EVENT).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn an_unknown_event_is_accepted_and_ignored() {
    let fleet = fleet().await;
    let body = r#"{"webhookEvent":"jira:sun_exploded","issue":{"id":"10001"}}"#.replace("jira:sun", "sun");
    let good = signature(&fleet.webhook_secret, body.as_bytes());
    assert_eq!(post(&fleet, "acme", Some(&good), &body).await.status(), StatusCode::ACCEPTED);
    assert_eq!(enqueued(&fleet).await, 0);
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let fleet = fleet().await;
    for body in ["hello", "", "[1,2]", "{\"webhookEvent\":"] {
        let good = signature(&fleet.webhook_secret, body.as_bytes());
        assert_eq!(post(&fleet, "acme", Some(&good), body).await.status(), StatusCode::BAD_REQUEST, "{body:?}");
    }
    assert_eq!(enqueued(&fleet).await, 0);
}

#[tokio::test]
async fn thirty_megabytes_are_too_many() {
    let fleet = fleet().await;
    let body = "x".repeat(30 << 20);
    let good = signature(&fleet.webhook_secret, body.as_bytes());
    let url = format!("http://{}/webhooks/acme", fleet.gateway);
    let announced = Client::new().post(&url).header("X-Hub-Signature", &good).body(body.clone()).send().await.unwrap();
    assert_eq!(announced.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // Without a length up front the gateway has to count. It may answer and hang up before everything was sent.
    let chunks =
        body.into_bytes().chunks(1 << 20).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let counted = Body::wrap_stream(futures::stream::iter(chunks));
    if let Ok(counted) = Client::new().post(&url).header("X-Hub-Signature", &good).body(counted).send().await {
        assert_eq!(counted.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(enqueued(&fleet).await, 0);
}

#[tokio::test]
async fn the_same_delivery_twice_is_a_duplicate() {
    let fleet = fleet().await;
    let good = signature(&fleet.webhook_secret, EVENT.as_bytes());
    let send = || {
        Client::new()
            .post(format!("http://{}/webhooks/acme", fleet.gateway))
            .header("X-Hub-Signature", &good)
            .header("X-Atlassian-Webhook-Identifier", "delivery-1")
            .body(EVENT)
            .send()
    };
    assert_eq!(send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn without_redis_jira_is_asked_to_come_again() {
    let fleet = fleet().await;
    let gateway = gateway_without_redis(&fleet).await;
    let response = Client::new()
        .post(format!("http://{gateway}/webhooks/acme"))
        .header("X-Hub-Signature", signature(&fleet.webhook_secret, EVENT.as_bytes()))
        .body(EVENT)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
}

/// A gateway whose Redis, a private one of its own, has just been killed.
async fn gateway_without_redis(fleet: &TestFleet) -> SocketAddr {
    let mut servers = tests::private_servers().await;
    let queues = queue::Config { url: servers.redis_url(), prefix: "jirafleet".to_owned() };
    let producer = Producer::connect(&queues).await.unwrap();
    servers.kill_redis().await.unwrap();
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr();
    let store = tests::store_for(&fleet.database, 1).await;
    tokio::spawn(async move {
        let _servers = servers;
        let gateway = ingest_gateway::Gateway { listener, store, producer, limits: Limits::default() };
        ingest_gateway::serve(gateway, CancellationToken::new()).await
    });
    address
}
