//! Tokens of a grant that is not registered yet: kept in this process alone, so nobody else can claim them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::DateTime;
use jira::{Claim, TokenStore, TokenStoreError};
use secrecy::SecretString;
use store::Grant;

/// The newest pair.
pub(super) struct Drawer(Mutex<Grant>);

impl Drawer {
    /// A grant of which nothing but a refresh token is known: its access token ended long ago.
    pub(super) fn first(refresh: SecretString) -> Grant {
        Grant { access: SecretString::default(), refresh, expires_at: DateTime::UNIX_EPOCH, version: 0 }
    }

    pub(super) fn holding(refresh: SecretString) -> Self {
        Self(Mutex::new(Self::first(refresh)))
    }

    pub(super) fn newest(&self) -> Grant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a new pair was given for the first one.
    pub(super) fn was_used(&self) -> bool {
        self.newest().version > 0
    }
}

#[async_trait]
impl TokenStore for Drawer {
    async fn load(&self) -> Result<jira::Grant, TokenStoreError> {
        let Grant { access, refresh, expires_at, version } = self.newest();
        Ok(jira::Grant { access, refresh, expires_at, version })
    }

    async fn claim(&self, seen: u64, _: &str, _: Duration) -> Result<Claim, TokenStoreError> {
        let held = self.load().await?;
        Ok(if held.version > seen { Claim::Newer(held) } else { Claim::Ours })
    }

    async fn save(&self, grant: &jira::Grant) -> Result<bool, TokenStoreError> {
        let jira::Grant { access, refresh, expires_at, version } = grant.clone();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = held.version + 1 == version;
        if fits {
            *held = Grant { access, refresh, expires_at, version };
        }
        Ok(fits)
    }
}
