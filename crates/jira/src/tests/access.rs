//! Through the gateway: scoped tokens, and OAuth tokens that rotate.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use domain::ProjectId;
use serde_json::json;

use super::site::{MYSELF, Site, answer, ours};
use crate::{Atlassian, Claim, Client, Credentials, Error, Grant, OAuth, TokenStore, TokenStoreError};

const EMPTY: &str = r#"{"issues":[],"isLast":true}"#;

/// Keeps tokens as a database would, and notes what was done.
#[derive(Clone)]
struct Tokens(Arc<Mutex<Kept>>);

struct Kept {
    grant: Grant,
    lease: Option<String>,
    /// Whether it can be written to.
    away: bool,
}

fn grant(version: u64, lives: TimeDelta) -> Grant {
    Grant {
        access: format!("access{version}").into(),
        refresh: format!("refresh{version}").into(),
        expires_at: Utc::now() + lives,
        version,
    }
}

impl Tokens {
    fn new(lives: TimeDelta) -> Self {
        Self(Arc::new(Mutex::new(Kept { grant: grant(1, lives), lease: None, away: false })))
    }

    fn with<T>(&self, what: impl FnOnce(&mut Kept) -> T) -> T {
        what(&mut self.0.lock().expect("no panics while held"))
    }

    fn version(&self) -> u64 {
        self.with(|kept| kept.grant.version)
    }
}

#[async_trait]
impl TokenStore for Tokens {
    async fn load(&self) -> Result<Grant, TokenStoreError> {
        Ok(self.with(|kept| kept.grant.clone()))
    }

    async fn claim(&self, seen: u64, holder: &str, _: Duration) -> Result<Claim, TokenStoreError> {
        Ok(self.with(|kept| match &kept.lease {
            _ if kept.grant.version > seen => Claim::Newer(kept.grant.clone()),
            Some(other) if other != holder => Claim::Theirs,
            _ => {
                kept.lease = Some(holder.to_owned());
                Claim::Ours
            }
        }))
    }

    async fn save(&self, grant: &Grant) -> Result<bool, TokenStoreError> {
        self.with(|kept| {
            if kept.away {
                return Err(TokenStoreError("the database is away".to_owned()));
            }
            let fits = kept.grant.version + 1 == grant.version;
            if fits {
                kept.grant = grant.clone();
                kept.lease = None;
            }
            Ok(fits)
        })
    }
}

async fn site() -> Site {
    Site::start(|_, _| answer(200, &[("content-type", "application/json")], r#"{"cloudId":"c-1"}"#)).await
}

/// A gateway and auth server: each refresh gives the next pair; only these access tokens are taken.
async fn gateway(taken: &'static [&'static str]) -> Site {
    Site::start(move |_, asked| {
        if asked.path == "/oauth/token" {
            let old = asked.body["refresh_token"].as_str().unwrap_or_default();
            let next: u64 = old.trim_start_matches("refresh").parse::<u64>().expect("a number") + 1;
            let pair = json!({"access_token": format!("access{next}"), "refresh_token": format!("refresh{next}"), "expires_in": 3600});
            return answer(200, &[], pair.to_string());
        }
        let bearer = asked.authorization.trim_start_matches("Bearer ");
        if !taken.contains(&bearer) {
            return answer(401, &[], r#"{"code":401,"message":"Unauthorized"}"#);
        }
        if asked.path.ends_with("/myself") { ours(MYSELF) } else { ours(EMPTY) }
    })
    .await
}

fn client(site: &Site, gateway: &Site, tokens: &Tokens) -> Client {
    let app =
        OAuth { client_id: "app".into(), client_secret: "s3cret".to_owned().into(), tokens: Arc::new(tokens.clone()) };
    site.client_with(|config| {
        config.credentials = Credentials::OAuth(app);
        config.atlassian = Atlassian { gateway: gateway.url(), auth: gateway.url() };
    })
}

async fn ids(client: &Client) -> Result<usize, Error> {
    client.issue_ids(ProjectId(1), None, None).await.map(|page| page.ids.len())
}

#[tokio::test]
async fn a_scoped_token_goes_through_the_gateway() {
    let (site, gateway) = (site().await, Site::start(|_, _| ours(EMPTY)).await);
    let client = site.client_with(|config| {
        config.credentials = Credentials::Scoped { email: "bot@example.com".into(), token: "t".to_owned().into() };
        config.atlassian = Atlassian { gateway: gateway.url(), ..Atlassian::default() };
    });
    ids(&client).await.expect("a page");
    ids(&client).await.expect("a page");
    let asked = site.asked();
    assert_eq!((asked.len(), asked[0].path.as_str(), asked[0].authorization.as_str()), (1, "/_edge/tenant_info", ""));
    let asked = gateway.asked();
    assert_eq!((asked.len(), asked[0].path.as_str()), (2, "/ex/jira/c-1/rest/api/3/search/jql"));
    assert_eq!(asked[0].authorization, "Basic Ym90QGV4YW1wbGUuY29tOnQ=");
}

#[tokio::test]
async fn a_gateway_that_does_not_name_the_account_is_asked_afterwards() {
    let site = site().await;
    let gateway =
        Site::start(|_, asked| answer(200, &[], if asked.path.ends_with("/myself") { MYSELF } else { EMPTY })).await;
    let client = site.client_with(|config| {
        config.credentials = Credentials::Scoped { email: "bot@example.com".into(), token: "t".to_owned().into() };
        config.atlassian.gateway = gateway.url();
    });
    ids(&client).await.expect("a page");
    assert_eq!(gateway.count("/rest/api/3/myself"), 1);
}

#[tokio::test]
async fn many_tasks_and_pods_refresh_once() {
    let (site, gateway, tokens) = (site().await, gateway(&["access2"]).await, Tokens::new(TimeDelta::seconds(30)));
    let pods: Vec<Client> = (0..3).map(|_| client(&site, &gateway, &tokens)).collect();
    let asked = pods.iter().flat_map(|pod| (0..4).map(move |_| ids(pod)));
    for answer in futures::future::join_all(asked).await {
        answer.expect("a page");
    }
    assert_eq!((gateway.count("/oauth/token"), tokens.version()), (1, 2));
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_replaced_once() {
    let (site, gateway, tokens) = (site().await, gateway(&["access2"]).await, Tokens::new(TimeDelta::hours(1)));
    ids(&client(&site, &gateway, &tokens)).await.expect("a page");
    assert_eq!(gateway.count("/oauth/token"), 1);

    let (gateway, tokens) = (gateway_that_takes_nothing().await, Tokens::new(TimeDelta::hours(1)));
    let error = ids(&client(&site, &gateway, &tokens)).await.expect_err("not ourselves");
    assert!(matches!(&error, Error::NotOurselves { reason } if reason.contains("authorise the app again")), "{error}");
    assert_eq!((gateway.count("/oauth/token"), gateway.count("/search/jql")), (1, 2));
}

async fn gateway_that_takes_nothing() -> Site {
    gateway(&[]).await
}

#[tokio::test]
async fn the_sites_of_a_grant_are_listed_by_the_gateway_itself() {
    let site = site().await;
    let sites = r#"[{"id":"c-1","url":"https://acme.atlassian.net","name":"acme","scopes":["read:jira-work"]}]"#;
    let gateway = Site::start(move |_, asked| match asked.path.as_str() {
        "/oauth/token/accessible-resources" => answer(200, &[], sites),
        _ => answer(200, &[], MYSELF),
    })
    .await;
    let client = client(&site, &gateway, &Tokens::new(TimeDelta::hours(1)));
    let resources = client.accessible_resources().await.expect("sites");
    assert_eq!((resources[0].cloud_id.as_str(), resources[0].scopes.len()), ("c-1", 1));
    assert_eq!(gateway.asked()[0].authorization, "Bearer access1");
    assert_eq!(client.cloud_id().await.expect("an id"), "c-1");
    assert_eq!(site.count("/_edge/tenant_info"), 1);
}

#[tokio::test]
async fn a_site_that_does_not_tell_its_id_is_no_riddle() {
    let site = Site::start(|_, _| answer(200, &[("content-type", "text/html")], "<html>")).await;
    let client = client(&site, &site, &Tokens::new(TimeDelta::hours(1)));
    let error = client.cloud_id().await.expect_err("a web page");
    assert!(matches!(&error, Error::NotJira { asked, .. } if asked.route == "/_edge/tenant_info"), "{error}");
}

#[tokio::test]
async fn a_grant_that_was_revoked_is_told() {
    let refusal = r#"{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}"#;
    let (site, gateway) = (site().await, Site::start(move |_, _| answer(403, &[], refusal)).await);
    let tokens = Tokens::new(TimeDelta::seconds(-1));
    let error = ids(&client(&site, &gateway, &tokens)).await.expect_err("not ourselves").to_string();
    assert!(error.contains("invalid_grant") && error.contains("authorise the app again"), "{error}");
    assert!(!error.contains("refresh1") && !error.contains("s3cret"), "{error}");
    assert_eq!(gateway.asked().len(), 1);
}

#[tokio::test]
async fn tokens_are_stored_before_they_are_used() {
    let (site, gateway, tokens) = (site().await, gateway(&["access2"]).await, Tokens::new(TimeDelta::seconds(-1)));
    let client = client(&site, &gateway, &tokens);
    tokens.with(|kept| kept.away = true);
    let error = ids(&client).await.expect_err("unavailable");
    assert!(matches!(error, Error::Unavailable { trouble: crate::Trouble::Tokens, .. }), "{error}");
    assert_eq!(
        (gateway.count("/oauth/token"), gateway.count("/search/jql")),
        (1, 0),
        "what cannot be stored is not used"
    );
    tokens.with(|kept| kept.away = false);
    ids(&client).await.expect("a page");
    assert_eq!((gateway.count("/oauth/token"), tokens.version()), (1, 2), "nor is it lost");
}
