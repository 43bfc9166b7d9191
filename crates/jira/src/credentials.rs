//! How we prove to a site who we are.
//!
//! OAuth's refresh tokens rotate: each is good once, so two pods that refresh at the same time burn each other's. Whoever
//! keeps them therefore hands them out under a lease ([`TokenStore`]), and a new pair is stored before it is used.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

/// Who we are at a site.
#[derive(Clone)]
pub enum Credentials {
    /// A service account's API token, which the site itself takes.
    Basic {
        /// The account's address.
        email: String,
        /// Its API token.
        token: SecretString,
    },
    /// An API token with scopes, which only Atlassian's gateway takes.
    Scoped {
        /// The account's address.
        email: String,
        /// Its API token.
        token: SecretString,
    },
    /// What a person granted an OAuth 2.0 app (3LO), through the gateway too.
    OAuth(OAuth),
}

/// An OAuth 2.0 app, and where the tokens of one grant are kept.
#[derive(Clone)]
pub struct OAuth {
    /// The app.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The grant's tokens.
    pub tokens: Arc<dyn TokenStore>,
}

/// A pair of tokens.
#[derive(Clone)]
pub struct Grant {
    /// Good for an hour or so.
    pub access: SecretString,
    /// Good once.
    pub refresh: SecretString,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
    /// One more with each pair that is stored.
    pub version: u64,
}

/// Whose turn it is to refresh.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Ours, until the lease ends.
    Ours,
    /// Another pod's, whose lease has not ended.
    Theirs,
    /// Nobody's: there is a newer pair already.
    Newer(Grant),
}

/// Keeps one grant's tokens for the whole fleet.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The pair as it is stored now.
    async fn load(&self) -> Result<Grant, TokenStoreError>;

    /// Claims the right to refresh version `seen`, for as long as the lease lasts. Atomic in the whole fleet. Who holds the
    /// lease already gets it again.
    async fn claim(&self, seen: u64, holder: &str, lease: Duration) -> Result<Claim, TokenStoreError>;

    /// Stores a pair in the place of its predecessor, whose version is one less, and ends the lease. `false` when another
    /// one is there already. Must be durable when it returns.
    async fn save(&self, grant: &Grant) -> Result<bool, TokenStoreError>;
}

/// The tokens could not be read or written. The text goes into errors: no secrets in it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TokenStoreError(pub String);

/// Where Atlassian's own servers are; elsewhere in tests only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atlassian {
    /// Before the API of every site: takes scoped tokens and OAuth.
    pub gateway: String,
    /// Gives OAuth tokens.
    pub auth: String,
}

impl Default for Atlassian {
    fn default() -> Self {
        Self { gateway: "https://api.atlassian.com".to_owned(), auth: "https://auth.atlassian.com".to_owned() }
    }
}

impl Credentials {
    /// Whether the others would let us in as the same.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let same = |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        match (self, other) {
            (Self::Basic { email, token }, Self::Basic { email: email2, token: token2 })
            | (Self::Scoped { email, token }, Self::Scoped { email: email2, token: token2 }) => {
                email == email2 && same(token, token2)
            }
            // Where the tokens are kept follows from the instance.
            (Self::OAuth(one), Self::OAuth(other)) => {
                one.client_id == other.client_id && same(&one.client_secret, &other.client_secret)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("version", &self.version)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(token: &str) -> Credentials {
        Credentials::Basic { email: "mia@example.com".into(), token: token.to_owned().into() }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", basic("s3cret")), "Credentials(..)");
        let (access, refresh) = ("s3cret".to_owned().into(), "s3cret".to_owned().into());
        let grant = Grant { access, refresh, expires_at: DateTime::UNIX_EPOCH, version: 1 };
        assert!(!format!("{grant:?}").contains("s3cret"));
    }

    #[test]
    fn a_token_is_taken_at_one_door_only() {
        assert!(basic("a").same_as(&basic("a")) && !basic("a").same_as(&basic("b")));
        let scoped = Credentials::Scoped { email: "mia@example.com".into(), token: "a".to_owned().into() };
        assert!(!basic("a").same_as(&scoped));
    }
}
