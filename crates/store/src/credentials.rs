//! What opens a site for us, as it is sealed in an instance's row.
//!
//! An API token of the site's own is sealed as every release wrote it, so that older ones can read it during a roll-out.
//! The other kinds are tagged: an older program cannot read them and waits, instead of showing them at the wrong door.

use std::fmt;

use domain::{InstanceId, Invalid};
use entity::jira_instance::ActiveModel;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{Error, Grant, TenantStore, TenantTx, seal::Secret};

/// What opens a site for us.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// An account's API token, which the site itself takes.
    Basic(Login),
    /// An account's API token with scopes, which only Atlassian's gateway takes.
    Scoped(Login),
    /// What a person granted an OAuth 2.0 app.
    OAuth {
        /// The app.
        app: App,
        /// Its newest tokens.
        grant: Grant,
    },
}

/// An account and its API token.
#[derive(Clone, Debug)]
pub struct Login {
    /// The account's mail address.
    pub email: String,
    /// Its token.
    pub token: SecretString,
}

/// An OAuth 2.0 app.
#[derive(Clone)]
pub struct App {
    /// Which; no secret.
    pub client_id: String,
    /// What it proves itself with.
    pub client_secret: SecretString,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Credentials {
    /// `basic`, `scoped` or `oauth`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Basic(_) => "basic",
            Self::Scoped(_) => "scoped",
            Self::OAuth { .. } => "oauth",
        }
    }
}

/// The document that is sealed.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Document {
    Tagged(Tagged),
    Basic(Pair),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "of", rename_all = "lowercase")]
enum Tagged {
    Scoped(Pair),
    OAuth { client_id: String, client_secret: String },
}

#[derive(Serialize, Deserialize)]
struct Pair {
    email: String,
    token: String,
}

impl From<&Login> for Pair {
    fn from(login: &Login) -> Self {
        Self { email: login.email.clone(), token: login.token.expose_secret().to_owned() }
    }
}

impl From<Pair> for Login {
    fn from(pair: Pair) -> Self {
        Self { email: pair.email, token: pair.token.into() }
    }
}

impl From<&Credentials> for Document {
    fn from(credentials: &Credentials) -> Self {
        match credentials {
            Credentials::Basic(login) => Self::Basic(login.into()),
            Credentials::Scoped(login) => Self::Tagged(Tagged::Scoped(login.into())),
            Credentials::OAuth { app, .. } => Self::Tagged(Tagged::OAuth {
                client_id: app.client_id.clone(),
                client_secret: app.client_secret.expose_secret().to_owned(),
            }),
        }
    }
}

impl TenantStore {
    /// What opens the site, unsealed.
    pub async fn credentials(&self, instance: InstanceId) -> Result<Credentials, Error> {
        let mut tx = self.read().await?;
        let row = tx.instance_row(instance).await?;
        let plain = tx.open(Secret::Credentials, instance, &row.credentials_sealed).await?;
        tx.rollback().await?;
        Ok(match serde_json::from_slice(&plain).map_err(|_| Error::sealed())? {
            Document::Basic(pair) => Credentials::Basic(pair.into()),
            Document::Tagged(Tagged::Scoped(pair)) => Credentials::Scoped(pair.into()),
            Document::Tagged(Tagged::OAuth { client_id, client_secret }) => {
                let app = App { client_id, client_secret: client_secret.into() };
                Credentials::OAuth { app, grant: self.grant(instance).await? }
            }
        })
    }

    /// Takes other credentials. A grant is stored as a newer one than any before, so whoever refreshes an older one loses.
    pub async fn set_credentials(&self, instance: InstanceId, credentials: &Credentials) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let sealed = tx.seal_credentials(instance, credentials).await?;
        let row = ActiveModel { credentials_sealed: Set(sealed), ..self.row(instance) };
        let row = row.update(&tx.orm()).await.map_err(|error| Error::from(error).of_what("instance"))?;
        tx.keep_grant_of(instance, credentials).await?;
        tx.note("instance.rotate_token", |deed| deed.on(instance).about(&row.name).with("auth", credentials.kind()));
        tx.commit().await
    }

    /// Takes a new API token for the same account; refused where a person's grant is used instead.
    pub async fn rotate_token(&self, instance: InstanceId, token: SecretString) -> Result<(), Error> {
        let credentials = match self.credentials(instance).await? {
            Credentials::Basic(login) => Credentials::Basic(Login { token, ..login }),
            Credentials::Scoped(login) => Credentials::Scoped(Login { token, ..login }),
            Credentials::OAuth { .. } => {
                return Err(Invalid::new("an API token", "opens no site that an OAuth app opens").into());
            }
        };
        self.set_credentials(instance, &credentials).await
    }
}

impl TenantTx {
    pub(crate) async fn seal_credentials(
        &mut self,
        instance: InstanceId,
        credentials: &Credentials,
    ) -> Result<Vec<u8>, Error> {
        let plain = serde_json::to_vec(&Document::from(credentials)).map_err(|_| Error::sealed())?;
        self.seal(Secret::Credentials, instance, &plain).await
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

    use chrono::DateTime;

    use super::*;

    fn login() -> Login {
        Login { email: "bot@acme.test".into(), token: "s3cret".into() }
    }

    fn app() -> Credentials {
        let app = App { client_id: "app".into(), client_secret: "s3cret".into() };
        let (access, refresh) = ("s3cret".into(), "s3cret".into());
        Credentials::OAuth { app, grant: Grant { access, refresh, expires_at: DateTime::UNIX_EPOCH, version: 1 } }
    }

    fn written(credentials: &Credentials) -> String {
        serde_json::to_string(&Document::from(credentials)).unwrap()
    }

    #[test]
    fn what_was_sealed_before_is_a_token_of_the_site() {
        let before = r#"{"email":"bot@acme.test","token":"s3cret"}"#;
        let Document::Basic(pair) = serde_json::from_str(before).unwrap() else { panic!("a token of the site's own") };
        assert_eq!((pair.email.as_str(), pair.token.as_str()), ("bot@acme.test", "s3cret"));
        assert_eq!(written(&Credentials::Basic(login())), before, "older programs read it still");
    }

    #[test]
    fn a_program_that_knows_one_kind_only_mistakes_no_other_for_it() {
        for other in [Credentials::Scoped(login()), app()] {
            let text = written(&other);
            assert!(serde_json::from_str::<Pair>(&text).is_err(), "{}", other.kind());
            assert_eq!(written_again(&text), text);
        }
        assert!(!written(&app()).contains("access"), "tokens are sealed elsewhere");
    }

    fn written_again(text: &str) -> String {
        serde_json::to_string(&serde_json::from_str::<Document>(text).unwrap()).unwrap()
    }

    #[test]
    fn nothing_secret_is_printed() {
        for one in [Credentials::Basic(login()), Credentials::Scoped(login()), app()] {
            assert!(!format!("{one:?}").contains("s3cret"), "{one:?}");
        }
    }
}
