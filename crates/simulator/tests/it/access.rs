//! Who may ask: expiry by the clock, foreign accounts, scopes, the gateway, lock-outs, and apps with their tokens.

use std::time::Duration;

use chrono::DateTime;
use reqwest::Method;
use serde_json::{Value, json};
use simulator::{AppKeys, Config, Fault, Pace, Route};

use crate::client::{Reply, Site, reply};

const MINUTE: Duration = Duration::from_secs(60);

fn virtual_time() -> Config {
    Config { issues: 5, clock: Pace::Virtual(DateTime::from_timestamp(1_790_000_000, 0).unwrap()), ..Config::default() }
}

/// Asks with other credentials than the configured ones; `base` goes before the path.
async fn ask(
    site: &Site,
    base: &str,
    path: &str,
    sign: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> Reply {
    let request = site.bare(Method::GET, &format!("{base}{path}"));
    reply(sign(request)).await
}

fn gateway(site: &Site) -> String {
    format!("/ex/jira/{}", site.world.cloud_id())
}

#[tokio::test]
async fn a_token_expires_when_the_clock_says_so() {
    let site = Site::start(virtual_time()).await;
    site.world.expire_token_in(10 * MINUTE);
    site.world.advance(10 * MINUTE - Duration::from_millis(1));
    assert_eq!(site.get("/rest/api/3/myself").await.status, 200);
    site.world.advance(Duration::from_millis(1));
    assert_eq!(site.get("/rest/api/3/myself").await.status, 401);
    let found = site.search(json!({"jql": "id > 0"})).await;
    assert_eq!((found.status, &found.json["issues"]), (200, &json!([])));
    assert_eq!(found.headers["x-seraph-loginreason"], "AUTHENTICATED_FAILED");
}

#[tokio::test]
async fn a_foreign_account_answers_under_its_own_name() {
    let site = Site::start(virtual_time()).await;
    let accounts = site.world.accounts();
    site.world.add_login("other@example.com", "other-token", &accounts[1]);
    let me = ask(&site, "", "/rest/api/3/myself", |it| it.basic_auth("other@example.com", Some("other-token"))).await;
    assert_eq!(me.json["accountId"], *accounts[1]);
    let named = |reply: &Reply| reply.headers["x-aaccountid"].to_str().unwrap().replace("%3A", ":");
    assert_eq!(named(&me), *accounts[1]);
    site.world.fail_next(Route::Myself, 1, &Fault::AsAccount(accounts[2].clone()));
    let once = site.get("/rest/api/3/myself").await;
    assert_eq!((named(&once), &once.json["accountId"]), (accounts[2].to_string(), &json!(*accounts[0])));
    site.world.sign_in_as(&accounts[3]);
    let me = site.get("/rest/api/3/myself").await;
    assert_eq!((named(&me), &me.json["accountId"]), (accounts[3].to_string(), &json!(*accounts[3])));
}

#[tokio::test]
async fn a_token_with_scopes_is_taken_at_the_gateway_only() {
    let site = Site::start(virtual_time()).await;
    let account = site.world.service_account();
    site.world.add_scoped_login("scoped@example.com", "scoped", &account, &["read:jira-work"]);
    let sign = |it: reqwest::RequestBuilder| it.basic_auth("scoped@example.com", Some("scoped"));
    let refused = site.bare(Method::GET, "/rest/api/3/issue/ACME-1");
    let refused = sign(refused).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.text().await.unwrap(), "Client must be authenticated to access this resource.");
    let tenant = ask(&site, "", "/_edge/tenant_info", |it| it).await;
    assert_eq!(tenant.json, json!({"cloudId": site.world.cloud_id()}));
    let base = gateway(&site);
    let issue = ask(&site, &base, "/rest/api/3/issue/ACME-1?fields=summary", sign).await;
    assert_eq!((issue.status, &issue.json["key"]), (200, &json!("ACME-1")));
    let mismatch = ask(&site, &base, "/rest/api/3/myself", sign).await;
    assert_eq!(mismatch.status, 401);
    assert_eq!(mismatch.json, json!({"code": 401, "message": "Unauthorized; scope does not match"}));
    let wrong = ask(&site, &base, "/rest/api/3/myself", |it| it.basic_auth("scoped@example.com", Some("no"))).await;
    assert_eq!((wrong.status, wrong.json), (401, json!({"code": 401, "message": "Unauthorized"})));
}

#[tokio::test]
async fn the_gateway_does_not_know_other_clouds() {
    let site = Site::start(virtual_time()).await;
    let nowhere = site.get("/ex/jira/11111111-2222-3333-4444-555555555555/rest/api/3/myself").await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.headers["x-failure-category"], "FAILURE_CLIENT_TCS");
    assert_eq!(nowhere.json["message"], "No message available");
    assert_eq!(nowhere.json["path"], "/ex/jira/11111111-2222-3333-4444-555555555555/rest/api/3/myself");
    assert!(nowhere.headers.contains_key("atl-traceid"));
}

#[tokio::test]
async fn the_gateway_may_keep_the_account_to_itself() {
    let site = Site::start(Config { gateway_hides_account: true, ..virtual_time() }).await;
    let through = site.get(&format!("{}/rest/api/3/myself", gateway(&site))).await;
    assert_eq!(through.status, 200);
    assert!(!through.headers.contains_key("x-aaccountid"));
    assert!(site.get("/rest/api/3/myself").await.headers.contains_key("x-aaccountid"));
}

#[tokio::test]
async fn wrong_tokens_in_a_row_end_in_a_captcha() {
    let site = Site::start(Config { captcha_after: Some(3), ..virtual_time() }).await;
    let email = site.world.config().email.clone();
    for _ in 0..3 {
        let wrong = ask(&site, "", "/rest/api/3/myself", |it| it.basic_auth(&email, Some("wrong"))).await;
        assert_eq!(wrong.status, 401);
    }
    let right = site.get("/rest/api/3/myself").await;
    assert_eq!((right.status, right.headers["x-seraph-loginreason"].to_str().unwrap()), (403, "AUTHENTICATION_DENIED"));
    site.world.restore_token();
    assert_eq!(site.get("/rest/api/3/myself").await.status, 200);
}

async fn token(site: &Site, app: &AppKeys, more: Value) -> Reply {
    let mut body = json!({"client_id": app.client_id, "client_secret": app.client_secret});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    reply(site.bare(Method::POST, "/oauth/token").json(&body)).await
}

async fn refresh(site: &Site, app: &AppKeys, token_text: &Value) -> Reply {
    token(site, app, json!({"grant_type": "refresh_token", "refresh_token": token_text})).await
}

#[tokio::test]
async fn an_app_acts_for_an_account_for_an_hour_and_then_refreshes() {
    let site = Site::start(virtual_time()).await;
    let account = site.world.accounts()[1].clone();
    let app = site.world.add_app(&account);
    let scopes = ["read:jira-work", "read:jira-user", "offline_access"];
    let code = site.world.authorize(&app.client_id, &account, &scopes);
    let first = token(&site, &app, json!({"grant_type": "authorization_code", "code": code})).await;
    assert_eq!((&first.json["expires_in"], &first.json["token_type"]), (&json!(3600), &json!("Bearer")));
    let again = token(&site, &app, json!({"grant_type": "authorization_code", "code": code})).await;
    assert_eq!((again.status, &again.json["error"]), (400, &json!("invalid_grant")));
    let (access, base) = (first.json["access_token"].as_str().unwrap().to_owned(), gateway(&site));
    let sites = ask(&site, "", "/oauth/token/accessible-resources", |it| it.bearer_auth(&access)).await;
    assert_eq!(sites.json[0]["id"], site.world.cloud_id());
    assert_eq!(sites.json[0]["scopes"], json!(["read:jira-work", "read:jira-user"]));
    let me = ask(&site, &base, "/rest/api/3/myself", |it| it.bearer_auth(&access)).await;
    assert_eq!(me.json["accountId"], *account);
    assert_eq!(ask(&site, "", "/rest/api/3/myself", |it| it.bearer_auth(&access)).await.status, 401);
    let write = site.bare(Method::DELETE, &format!("{base}/rest/api/3/issue/ACME-1")).bearer_auth(&access);
    assert_eq!(reply(write).await.json["message"], "Unauthorized; scope does not match");
    site.world.advance(60 * MINUTE);
    assert_eq!(ask(&site, &base, "/rest/api/3/myself", |it| it.bearer_auth(&access)).await.status, 401);
    let second = refresh(&site, &app, &first.json["refresh_token"]).await;
    let access = second.json["access_token"].as_str().unwrap();
    assert_eq!(ask(&site, &base, "/rest/api/3/myself", |it| it.bearer_auth(access)).await.status, 200);
    site.world.advance(9 * MINUTE);
    assert_eq!(refresh(&site, &app, &first.json["refresh_token"]).await.status, 200, "within the leeway");
    site.world.advance(2 * MINUTE);
    let dead = refresh(&site, &app, &first.json["refresh_token"]).await;
    assert_eq!((dead.status, &dead.json["error"]), (403, &json!("invalid_grant")));
    assert_eq!(refresh(&site, &app, &second.json["refresh_token"]).await.status, 200);
    site.world.revoke_app(&app.client_id);
    assert_eq!(refresh(&site, &app, &second.json["refresh_token"]).await.status, 403);
}

#[tokio::test]
async fn the_authorisation_server_refuses_in_its_own_words() {
    let site = Site::start(virtual_time()).await;
    let app = site.world.add_app(&site.world.service_account());
    let odd = token(&site, &app, json!({"grant_type": "password"})).await;
    let words = "grant_type must be one of [authorization_code|refresh_token|client_credentials]";
    assert_eq!((odd.status, odd.json), (400, json!({"error": "invalid_request", "error_description": words})));
    let stranger = AppKeys { client_secret: "guessed".into(), ..app.clone() };
    assert_eq!(token(&site, &stranger, json!({"grant_type": "client_credentials"})).await.status, 401);
    let own = token(&site, &app, json!({"grant_type": "client_credentials"})).await;
    assert_eq!((own.status, own.json.get("refresh_token")), (200, None));
    let nobody = ask(&site, "", "/oauth/token/accessible-resources", |it| it.bearer_auth("nothing")).await;
    assert_eq!(nobody.status, 401);
    assert!(!format!("{app:?}").contains(&app.client_secret), "the secret is not printed");
}
