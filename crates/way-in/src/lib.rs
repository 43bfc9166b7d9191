//! What is sealed for an instance, as Jira's client takes it: an OAuth grant's tokens stay in the store, so that the whole
//! fleet has one pair.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::InstanceId;
use jira::{Claim, OAuth, TokenStore, TokenStoreError};
use store::{TenantStore, Turn};

/// The credentials of an instance as they hold now.
pub async fn credentials(tenant: &TenantStore, instance: InstanceId) -> Result<jira::Credentials, store::Error> {
    Ok(match tenant.credentials(instance).await? {
        store::Credentials::Basic(login) => jira::Credentials::Basic { email: login.email, token: login.token },
        store::Credentials::Scoped(login) => jira::Credentials::Scoped { email: login.email, token: login.token },
        store::Credentials::OAuth { app, .. } => jira::Credentials::OAuth(OAuth {
            client_id: app.client_id,
            client_secret: app.client_secret,
            tokens: Arc::new(Kept { tenant: tenant.clone(), instance }),
        }),
    })
}

/// The grant of one instance. No connection is held between two calls, so none while Atlassian is asked.
struct Kept {
    tenant: TenantStore,
    instance: InstanceId,
}

#[async_trait]
impl TokenStore for Kept {
    async fn load(&self) -> Result<jira::Grant, TokenStoreError> {
        self.tenant.grant(self.instance).await.map(out).map_err(told)
    }

    async fn claim(&self, seen: u64, holder: &str, lease: Duration) -> Result<Claim, TokenStoreError> {
        Ok(match self.tenant.claim_grant(self.instance, seen, holder, lease).await.map_err(told)? {
            Turn::Ours => Claim::Ours,
            Turn::Theirs => Claim::Theirs,
            Turn::Newer(grant) => Claim::Newer(out(grant)),
        })
    }

    async fn save(&self, grant: &jira::Grant) -> Result<bool, TokenStoreError> {
        let jira::Grant { access, refresh, expires_at, version } = grant.clone();
        let grant = store::Grant { access, refresh, expires_at, version };
        self.tenant.save_grant(self.instance, &grant).await.map_err(told)
    }
}

fn out(grant: store::Grant) -> jira::Grant {
    let store::Grant { access, refresh, expires_at, version } = grant;
    jira::Grant { access, refresh, expires_at, version }
}

/// The store's errors hold no secrets.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn told(error: store::Error) -> TokenStoreError {
    TokenStoreError(error.to_string())
}
