//! Webhooks that are registered over HTTP: by administrators and by apps, with filters, events, forms and ends.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use simulator::{About, AppKeys, Config, Pace, Retries};

use crate::client::{Reply, Site, reply};
use crate::receiver::Receiver;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ADMIN: &str = "/rest/webhooks/1.0/webhook";
const SCOPES: [&str; 3] = ["read:jira-work", "manage:jira-webhook", "offline_access"];

async fn site() -> (Site, Receiver) {
    let clock = Pace::Virtual(DateTime::from_timestamp(1_790_000_000, 0).unwrap());
    let config = Config { issues: 12, clock, webhook_schedule: Retries::AsJira, ..Config::default() };
    (Site::start(config).await, Receiver::start().await)
}

fn admin(url: &str, events: &[&str]) -> Value {
    json!({"name": "mirror", "url": url, "events": events})
}

fn rename(site: &Site, key: &str, text: &str) {
    site.world.edit(key, |issue| issue.summary = text.to_owned()).unwrap();
}

#[tokio::test]
async fn an_administrators_webhook_is_made_read_changed_and_removed() {
    let (site, receiver) = site().await;
    let mut wish = admin(&receiver.url, &["jira:issue_updated"]);
    wish["secret"] = json!("hush");
    wish["filters"] = json!({"issue-related-events-section": "project = ACME"});
    let made = site.post(ADMIN, &wish).await;
    assert_eq!((made.status, &made.json["isSigned"], &made.json["enabled"]), (201, &json!(true), &json!(true)));
    assert!(!made.json.to_string().contains("hush"));
    let path = made.json["self"].as_str().unwrap().trim_start_matches("https://acme.atlassian.net").to_owned();
    assert_eq!(site.get(&path).await.json, made.json);
    rename(&site, "WEB-1", "not for it");
    site.world.comment("ACME-1", "not for it").unwrap();
    rename(&site, "ACME-1", "for it");
    site.world.webhooks_idle().await;
    let received = receiver.take();
    assert_eq!(received.len(), 1);
    let mut mac = Hmac::<Sha256>::new_from_slice(b"hush").unwrap();
    mac.update(&received[0].bytes);
    let seal = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(received[0].header("x-hub-signature"), Some(seal.as_str()));
    wish["enabled"] = json!(false);
    wish.as_object_mut().unwrap().remove("secret");
    let changed = reply(site.request(Method::PUT, &path).json(&wish)).await;
    assert_eq!((&changed.json["enabled"], &changed.json["isSigned"]), (&json!(false), &json!(true)));
    rename(&site, "ACME-1", "nobody listens");
    site.world.webhooks_idle().await;
    assert_eq!(receiver.take().len(), 0);
    assert_eq!(reply(site.request(Method::DELETE, &path)).await.status, 204);
    assert_eq!(site.get(&path).await.status, 404);
    assert_eq!(site.get(ADMIN).await.json, json!([]));
    let nobody = reply(site.bare(Method::POST, ADMIN).json(&wish)).await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn without_a_body_the_address_says_what_happened() {
    let (site, receiver) = site().await;
    let url = format!("{}/{{project.key}}/{{issue.id}}?key={{issue.key}}", receiver.url);
    let mut wish = admin(&url, &["jira:issue_updated"]);
    wish["excludeBody"] = json!(true);
    site.post(ADMIN, &wish).await;
    let sprint = admin(&format!("{}/sprints/{{sprint.id}}", receiver.url), &["sprint_started"]);
    site.post(ADMIN, &sprint).await;
    rename(&site, "ACME-1", "x");
    site.world.emit("sprint_started", &About::Sprint(13)).unwrap();
    site.world.webhooks_idle().await;
    let received = receiver.take();
    let id = site.world.issue_id("ACME-1").unwrap();
    assert_eq!(received[0].path, format!("/ACME/{id}?key=ACME-1"));
    assert!(received[0].bytes.is_empty() && received[0].header("x-hub-signature").is_none());
    assert_eq!(received[1].path, "/sprints/13");
    assert_eq!(received[1].json()["sprint"]["id"], 13);
}

#[tokio::test]
async fn events_beside_issues_come_whatever_the_filter() {
    let (site, receiver) = site().await;
    let mut wish = admin(
        &receiver.url,
        &[
            "issuelink_created",
            "worklog_created",
            "project_updated",
            "user_updated",
            "jira:version_deleted",
            "attachment_created",
        ],
    );
    wish["filters"] = json!({"issue-related-events-section": "project = ACME"});
    site.post(ADMIN, &wish).await;
    let world = &site.world;
    let log = |key: &str| About::Worklog(key.into(), 1, 600);
    world.emit("worklog_created", &log("WEB-1")).unwrap();
    world.emit("worklog_created", &log("ACME-1")).unwrap();
    world.emit("attachment_created", &About::Attachment("WEB-1".into(), 1, "a.png".into())).unwrap();
    world.emit("issuelink_created", &About::Link("WEB-1".into(), "OPS-1".into())).unwrap();
    world.emit("project_updated", &About::Project("WEB".into())).unwrap();
    world.emit("user_updated", &About::User(world.service_account())).unwrap();
    world.emit("jira:version_deleted", &About::Merge("WEB".into(), 1, 2)).unwrap();
    world.emit("board_updated", &About::Board(1)).unwrap();
    world.webhooks_idle().await;
    let received = receiver.take();
    let events: Vec<_> = received.iter().map(|it| it.json()["webhookEvent"].as_str().unwrap().to_owned()).collect();
    let expected = ["worklog_created", "issuelink_created", "project_updated", "user_updated", "jira:version_deleted"];
    assert_eq!(events, expected);
    assert!(received.iter().all(|it| it.json().get("issue").is_none()));
    assert_eq!(received[1].json()["issueLink"]["sourceIssueId"], world.issue_id("WEB-1").unwrap());
    assert_eq!(received[4].json()["mergedTo"]["id"], "2");
}

#[tokio::test]
async fn the_fallout_of_a_deletion_and_of_a_bulk_operation_is_secondary() {
    let (site, receiver) = site().await;
    let key = site.world.create("ACME", "Short-lived").unwrap();
    site.world.comment(&key, "one").unwrap();
    site.world.set_webhook(&receiver.url, "secret");
    site.world.delete(&key).unwrap();
    site.world.webhooks_idle().await;
    let told: Vec<_> = receiver
        .take()
        .iter()
        .map(|it| (it.json()["webhookEvent"].clone(), it.header("x-atlassian-webhook-flow").unwrap().to_owned()))
        .collect();
    let expected =
        [(json!("jira:issue_deleted"), "Primary".to_owned()), (json!("comment_deleted"), "Secondary".to_owned())];
    assert_eq!(told, expected);
    let all = site.world.issue_ids();
    site.world.bulk_edit(&all, |issue| issue.labels.push("storm".into())).unwrap();
    site.world.webhooks_idle().await;
    let storm = receiver.take();
    assert_eq!(storm.len(), all.len());
    for one in storm {
        assert_eq!(one.json()["bulkOperationMetaData"], json!({"sendMail": false}));
        assert_eq!(one.header("x-atlassian-webhook-flow"), Some("Secondary"));
    }
}

#[tokio::test]
async fn a_webhook_comes_before_searches_see_the_change_and_one_too_heavy_never() {
    let (site, receiver) = {
        let clock = Pace::Virtual(DateTime::from_timestamp(1_790_000_000, 0).unwrap());
        let lag = Duration::from_secs(60);
        let config = Config { issues: 12, clock, index_lag: lag..=lag, ..Config::default() };
        (Site::start(config).await, Receiver::start().await)
    };
    site.world.set_webhook(&receiver.url, "secret");
    let key = site.world.create("ACME", "New").unwrap();
    site.world.webhooks_idle().await;
    assert_eq!(receiver.events(), ["jira:issue_created"]);
    assert_eq!(site.search(json!({"jql": format!("key = {key}")})).await.json["issues"], json!([]));
    // It stands there twice: in the issue and in its changelog.
    site.world.edit(&key, |issue| issue.description = Some("x".repeat(13 << 20).into())).unwrap();
    site.world.webhooks_idle().await;
    assert_eq!((receiver.take().len(), site.world.deliveries().oversized), (0, 1));
}

/// An app that acts for its owner, and its access token.
async fn app(site: &Site) -> (AppKeys, String) {
    let owner = site.world.service_account();
    let app = site.world.add_app(&owner);
    let code = site.world.authorize(&app.client_id, &owner, &SCOPES);
    let token = token(site, &app, json!({"grant_type": "authorization_code", "code": code})).await;
    (app, token)
}

async fn token(site: &Site, app: &AppKeys, more: Value) -> String {
    let mut ask = json!({"client_id": app.client_id, "client_secret": app.client_secret});
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let given = reply(site.bare(Method::POST, "/oauth/token").json(&ask)).await;
    given.json["access_token"].as_str().unwrap().to_owned()
}

async fn ask(site: &Site, token: &str, method: Method, path: &str, body: Option<Value>) -> Reply {
    let path = format!("/ex/jira/{}/rest/api/3/webhook{path}", site.world.cloud_id());
    let request = site.bare(method, &path).bearer_auth(token);
    reply(if let Some(body) = body { request.json(&body) } else { request }).await
}

fn wish(events: &[&str], jql: &str) -> Value {
    json!({"events": events, "jqlFilter": jql})
}

#[tokio::test]
async fn people_may_not_register_an_apps_webhooks() {
    let (site, _) = site().await;
    for path in ["/rest/api/3/webhook", "/rest/api/3/webhook/failed"] {
        assert_eq!(site.get(path).await.status, 403);
    }
    assert_eq!(site.post("/rest/api/3/webhook", &json!({"nonsense": 1})).await.status, 403, "before validation");
    assert_eq!(reply(site.bare(Method::GET, "/rest/api/3/webhook")).await.status, 401);
}

#[tokio::test]
async fn an_app_registers_what_it_may_and_hears_one_delivery_for_several_matches() {
    let (site, receiver) = site().await;
    let (keys, token) = app(&site).await;
    let mut fields = wish(&["jira:issue_updated"], "issueKey = ACME-1");
    fields["fieldIdsFilter"] = json!(["priority"]);
    let wishes = json!([
        wish(&["jira:issue_updated"], "project in (ACME)"),
        wish(&["jira:issue_updated"], "watchCount > 3"),
        wish(&["jira:issue_updated", "comment_created"], "project = ACME AND status != nothing"),
        fields,
        wish(&["project_updated"], "project = ACME"),
    ]);
    let made = ask(&site, &token, Method::POST, "", Some(json!({"url": receiver.url, "webhooks": wishes}))).await;
    let expected = json!([
        {"createdWebhookId": 1000}, {"errors": ["The clause watchCount is unsupported"]}, {"createdWebhookId": 1001},
        {"createdWebhookId": 1002}, {"errors": ["The event project_updated is unsupported"]},
    ]);
    assert_eq!((made.status, &made.json["webhookRegistrationResult"]), (200, &expected));
    rename(&site, "ACME-1", "x");
    rename(&site, "WEB-1", "x");
    site.world.comment("ACME-1", "x").unwrap();
    site.world.webhooks_idle().await;
    let received = receiver.take();
    let matched: Vec<_> = received.iter().map(|it| it.json()["matchedWebhookIds"].clone()).collect();
    assert_eq!(matched, [json!([1000, 1001]), json!([1001])]);
    assert_eq!(received[0].header("x-hub-signature"), None);
    let (signed, seal) =
        received[0].header("authorization").unwrap().trim_start_matches("Bearer ").rsplit_once('.').unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(keys.client_secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    assert_eq!(seal, BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
    let three = json!([
        wish(&["comment_created"], "project = ACME"),
        wish(&["comment_created"], "project = WEB"),
        wish(&["comment_created"], "project = OPS")
    ]);
    let more = ask(&site, &token, Method::POST, "", Some(json!({"url": receiver.url, "webhooks": three}))).await;
    let refused =
        more.json["webhookRegistrationResult"].as_array().unwrap().iter().filter(|it| it.get("errors").is_some());
    assert_eq!(refused.count(), 1, "five at most");
    let elsewhere =
        json!({"url": "https://elsewhere.example.com", "webhooks": [wish(&["comment_created"], "project = ACME")]});
    assert_eq!(ask(&site, &token, Method::POST, "", Some(elsewhere)).await.status, 400);
    let gone = ask(&site, &token, Method::DELETE, "", Some(json!({"webhookIds": [1000, 1001, 1002, 77]}))).await;
    assert_eq!(gone.status, 202);
    let page = ask(&site, &token, Method::GET, "?maxResults=1", None).await.json;
    assert_eq!((&page["total"], &page["isLast"], &page["values"][0]["id"]), (&json!(2), &json!(false), &json!(1003)));
}

#[tokio::test]
async fn an_apps_webhook_ends_silently_after_thirty_days_and_a_refresh_revives_it() {
    let (site, receiver) = site().await;
    let (keys, access) = app(&site).await;
    let body = json!({"url": receiver.url, "webhooks": [wish(&["jira:issue_updated"], "project = ACME")]});
    ask(&site, &access, Method::POST, "", Some(body)).await;
    let listed = ask(&site, &access, Method::GET, "", None).await.json;
    assert_eq!(listed["values"][0]["expirationDate"], "2026-10-21T14:13:20.000+0000");
    site.world.advance(30 * DAY - Duration::from_millis(2));
    rename(&site, "ACME-1", "still heard");
    site.world.webhooks_idle().await;
    assert_eq!(receiver.take().len(), 1);
    site.world.advance(Duration::from_millis(2));
    rename(&site, "ACME-1", "not heard");
    site.world.webhooks_idle().await;
    assert_eq!(receiver.take().len(), 0);
    let access = token(&site, &keys, json!({"grant_type": "client_credentials"})).await;
    let refreshed = ask(&site, &access, Method::PUT, "/refresh", Some(json!({"webhookIds": [1000]}))).await;
    assert_eq!(refreshed.json, json!({"expirationDate": "2026-11-20T14:13:20.000+0000"}));
    rename(&site, "ACME-1", "heard again");
    site.world.webhooks_idle().await;
    assert_eq!(receiver.take().len(), 1);
}

#[tokio::test]
async fn what_an_app_missed_can_be_asked_for_for_three_days() {
    let (site, receiver) = site().await;
    let (keys, access) = app(&site).await;
    let body = json!({"url": receiver.url, "webhooks": [wish(&["jira:issue_updated"], "project = ACME")]});
    ask(&site, &access, Method::POST, "", Some(body)).await;
    receiver.inside().always = Some(500);
    rename(&site, "ACME-1", "missed");
    site.world.webhooks_at_rest().await;
    site.world.advance(Duration::from_secs(90 * 60));
    site.world.webhooks_idle().await;
    let identifier = receiver.take()[0].header("x-atlassian-webhook-identifier").unwrap().to_owned();
    let access = token(&site, &keys, json!({"grant_type": "client_credentials"})).await;
    let missed = ask(&site, &access, Method::GET, "/failed", None).await.json;
    assert_eq!(missed["values"][0]["id"], identifier);
    assert!(missed["values"][0]["body"].as_str().unwrap().contains("missed"), "the body as it was sent");
    let next = missed["next"].as_str().unwrap().split_once("/failed").unwrap().1;
    assert_eq!(ask(&site, &access, Method::GET, &format!("/failed{next}"), None).await.json["values"], json!([]));
    site.world.advance(4 * DAY);
    let access = token(&site, &keys, json!({"grant_type": "client_credentials"})).await;
    assert_eq!(ask(&site, &access, Method::GET, "/failed", None).await.json["values"], json!([]));
}
