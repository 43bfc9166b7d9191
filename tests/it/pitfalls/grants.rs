//! An OAuth app at a simulated site, whose tokens are kept in memory.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use jira::{Claim, Credentials, Grant, OAuth, TokenStore, TokenStoreError};
use serde_json::{Value, json};

use super::desk::Desk;

/// The one pair of tokens. One client refreshes it, so that no lease is needed.
struct Purse(Mutex<Grant>);

#[async_trait]
impl TokenStore for Purse {
    async fn load(&self) -> Result<Grant, TokenStoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn claim(&self, seen: u64, _: &str, _: Duration) -> Result<Claim, TokenStoreError> {
        let grant = self.0.lock().unwrap().clone();
        Ok(if grant.version > seen { Claim::Newer(grant) } else { Claim::Ours })
    }

    async fn save(&self, grant: &Grant) -> Result<bool, TokenStoreError> {
        let mut kept = self.0.lock().unwrap();
        let fits = kept.version + 1 == grant.version;
        if fits {
            *kept = grant.clone();
        }
        Ok(fits)
    }
}

/// What the site's service account grants an app of its own.
pub(super) async fn granted(desk: &Desk, scopes: &[&str]) -> Credentials {
    let account = desk.world.service_account();
    let app = desk.world.add_app(&account);
    let code = desk.world.authorize(&app.client_id, &account, scopes);
    let asked = json!({
        "grant_type": "authorization_code", "code": code,
        "client_id": app.client_id, "client_secret": app.client_secret,
    });
    let url = format!("{}/oauth/token", desk.site);
    let pair: Value = reqwest::Client::new().post(url).json(&asked).send().await.unwrap().json().await.unwrap();
    let token = |name: &str| pair[name].as_str().unwrap().to_owned().into();
    let expires_at = Utc::now() + TimeDelta::hours(1);
    let grant = Grant { access: token("access_token"), refresh: token("refresh_token"), expires_at, version: 1 };
    Credentials::OAuth(OAuth {
        client_id: app.client_id,
        client_secret: app.client_secret.into(),
        tokens: Arc::new(Purse(Mutex::new(grant))),
    })
}
