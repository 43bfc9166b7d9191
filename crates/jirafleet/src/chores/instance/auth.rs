//! The three ways into a site: an account's API token, one with scopes, and what a person granted an OAuth app.
//!
//! Secrets come from files only. Whatever is given is proven to work before it is stored.

mod drawer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args as ClapArgs, ValueEnum};
use domain::{AccountId, Instance, Invalid};
use jira::{OAuth, Priority};
use secrecy::SecretString;
use store::{App, Credentials, Login};

use crate::{config::read_secret, exit::Failed, wire_up::House};

use drawer::Drawer;

/// How we prove who we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Auth {
    /// An API token, at the site itself.
    #[default]
    Basic,
    /// An API token with scopes, through Atlassian's gateway.
    Scoped,
    /// An OAuth 2.0 (3LO) app, through Atlassian's gateway.
    Oauth,
}

/// What a new instance is opened with.
#[derive(ClapArgs)]
pub(super) struct WayIn {
    /// How we prove who we are
    #[arg(long, value_enum, default_value_t)]
    auth: Auth,
    /// The service account's mail address (basic and scoped).
    #[arg(long)]
    email: Option<String>,
    /// A file that holds the service account's API token (basic and scoped); `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The OAuth app's client id (oauth).
    #[arg(long, value_name = "ID", conflicts_with_all = ["email", "token_file"])]
    client_id: Option<String>,
    #[command(flatten)]
    given: Given,
}

/// What a person who authorised an OAuth app was given.
#[derive(ClapArgs)]
pub(super) struct Given {
    /// A file that holds the OAuth app's secret (oauth).
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// A file that holds a refresh token of the app's (oauth).
    #[arg(long, value_name = "FILE", conflicts_with = "code_file")]
    refresh_token_file: Option<PathBuf>,
    /// A file that holds an authorization code, in place of a refresh token (oauth).
    #[arg(long, value_name = "FILE", requires = "redirect_uri")]
    code_file: Option<PathBuf>,
    /// The app's callback address, to which the code was sent (oauth).
    #[arg(long, value_name = "URL", requires = "code_file")]
    redirect_uri: Option<String>,
}

/// Credentials that were read and not proven yet.
pub(super) enum Offer {
    Basic(Login),
    Scoped(Login),
    /// An app, and what to get the first tokens with.
    App(App, Shown),
}

/// What a pair of tokens is asked for with.
pub(super) enum Shown {
    Refresh(SecretString),
    Code { code: SecretString, redirect_uri: String },
}

/// Credentials that Jira did not take, and what has become of them.
pub(super) struct Unproven {
    pub(super) error: jira::Error,
    pub(super) so: &'static str,
}

impl WayIn {
    /// Whether what was given goes together.
    pub(super) fn check(&self) -> Result<(), Failed> {
        if self.auth == Auth::Oauth {
            given(self.client_id.as_ref(), "--auth oauth needs --client-id")?;
            given(self.given.client_secret_file.as_ref(), "--auth oauth needs --client-secret-file")?;
            return Ok(());
        }
        if self.client_id.is_some() || self.given.is_there() {
            return Err(Invalid::new("an OAuth app", "goes with --auth oauth").into());
        }
        valid_email(given(self.email.as_deref(), "--email is missing (an OAuth app goes with --auth oauth)")?)?;
        given(self.token_file.as_ref(), "--token-file is missing (an OAuth app goes with --auth oauth)")?;
        Ok(())
    }

    /// Reads the files.
    pub(super) fn read(&self) -> Result<Offer, Failed> {
        self.check()?;
        if self.auth == Auth::Oauth {
            let client_id = given(self.client_id.as_ref(), "--auth oauth needs --client-id")?.clone();
            let client_secret = self.given.secret()?;
            let client_secret = given(client_secret, "--auth oauth needs --client-secret-file")?;
            return Ok(Offer::App(App { client_id, client_secret }, self.given.shown()?));
        }
        let email = given(self.email.clone(), "--email is missing")?;
        let file = given(self.token_file.as_deref(), "--token-file is missing")?;
        let login = Login { email, token: read_secret("API token", file)?.into() };
        Ok(if self.auth == Auth::Scoped { Offer::Scoped(login) } else { Offer::Basic(login) })
    }

    /// Which options to look at when Jira does not take them.
    pub(super) fn advice(&self) -> &'static str {
        match self.auth {
            Auth::Basic => "check --email and --token-file (a token with scopes needs --auth scoped)",
            Auth::Scoped => "check --email and --token-file, and the token's scopes",
            Auth::Oauth => "check --client-id and --client-secret-file, or authorise the app again",
        }
    }
}

impl Given {
    /// What replaces these credentials, of the same kind.
    pub(super) fn instead_of(&self, old: Credentials, token_file: Option<&Path>) -> Result<Offer, Failed> {
        let token = || {
            if self.is_there() {
                return Err(Invalid::new("an OAuth grant", "does not go with an instance that has an API token").into());
            }
            let file = given(token_file, "--token-file is missing: the instance is opened with an API token")?;
            Ok::<_, Failed>(SecretString::from(read_secret("API token", file)?))
        };
        Ok(match old {
            Credentials::Basic(login) => Offer::Basic(Login { token: token()?, ..login }),
            Credentials::Scoped(login) => Offer::Scoped(Login { token: token()?, ..login }),
            Credentials::OAuth { app, .. } => {
                let client_secret = self.secret()?.unwrap_or(app.client_secret);
                Offer::App(App { client_secret, ..app }, self.shown()?)
            }
        })
    }

    fn is_there(&self) -> bool {
        self.client_secret_file.is_some() || self.refresh_token_file.is_some() || self.code_file.is_some()
    }

    fn secret(&self) -> Result<Option<SecretString>, Failed> {
        let read = |file: &PathBuf| Ok(read_secret("client secret", file)?.into());
        self.client_secret_file.as_ref().map(read).transpose()
    }

    fn shown(&self) -> Result<Shown, Failed> {
        match (&self.refresh_token_file, &self.code_file, &self.redirect_uri) {
            (Some(file), ..) => Ok(Shown::Refresh(read_secret("refresh token", file)?.into())),
            (None, Some(file), Some(uri)) => {
                let code = read_secret("authorization code", file)?.into();
                Ok(Shown::Code { code, redirect_uri: uri.clone() })
            }
            _ => {
                let next = "is missing: give --refresh-token-file, or --code-file and --redirect-uri";
                Err(Invalid::new("the OAuth grant", next).into())
            }
        }
    }
}

impl Offer {
    /// Asks Jira who we would be with it. What comes back is to be stored: a refresh token that was shown is used up.
    pub(super) async fn prove(self, house: &House, instance: &Instance) -> Result<(AccountId, Credentials), Unproven> {
        match self {
            Self::Basic(login) => {
                let Login { email, token } = login.clone();
                prove_token(house, instance, jira::Credentials::Basic { email, token }, Credentials::Basic(login)).await
            }
            Self::Scoped(login) => {
                let Login { email, token } = login.clone();
                let shown = jira::Credentials::Scoped { email, token };
                prove_token(house, instance, shown, Credentials::Scoped(login)).await
            }
            Self::App(app, shown) => prove_app(house, instance, app, shown).await,
        }
    }

    /// The credentials as they were given, for a site that is not asked. A code must be exchanged at once.
    pub(super) fn unseen(self) -> Result<Credentials, Failed> {
        match self {
            Self::Basic(login) => Ok(Credentials::Basic(login)),
            Self::Scoped(login) => Ok(Credentials::Scoped(login)),
            Self::App(app, Shown::Refresh(refresh)) => Ok(Credentials::OAuth { app, grant: Drawer::first(refresh) }),
            Self::App(_, Shown::Code { .. }) => {
                Err(Invalid::new("an authorization code", "is exchanged at once: leave --no-check out").into())
            }
        }
    }
}

async fn prove_token(
    house: &House,
    instance: &Instance,
    shown: jira::Credentials,
    credentials: Credentials,
) -> Result<(AccountId, Credentials), Unproven> {
    let account = who_am_i(house, instance, shown).await.map_err(|error| Unproven { error, so: "" })?;
    Ok((account, credentials))
}

/// The tokens are kept in a drawer of this process until it is known whose they are.
async fn prove_app(
    house: &House,
    instance: &Instance,
    app: App,
    shown: Shown,
) -> Result<(AccountId, Credentials), Unproven> {
    let (refresh, code) = match shown {
        Shown::Refresh(refresh) => (refresh, None),
        Shown::Code { code, redirect_uri } => (SecretString::default(), Some((code, redirect_uri))),
    };
    let drawer = Arc::new(Drawer::holding(refresh));
    let way_in = OAuth {
        client_id: app.client_id.clone(),
        client_secret: app.client_secret.clone(),
        tokens: Arc::clone(&drawer) as Arc<dyn jira::TokenStore>,
    };
    let asked = async {
        let client = house.clients.client_as(instance, jira::Credentials::OAuth(way_in))?;
        if let Some((code, redirect_uri)) = &code {
            client.authorise(code, redirect_uri).await?;
        }
        Ok(client.with_priority(Priority::Live).myself().await?.account)
    };
    match asked.await {
        Ok(account) => Ok((account, Credentials::OAuth { app, grant: drawer.newest() })),
        Err(error) if !drawer.was_used() => Err(Unproven { error, so: "" }),
        Err(error) if code.is_some() => Err(Unproven { error, so: "; the code is used up, get another one" }),
        Err(error) => Err(Unproven { error, so: "; the refresh token works for ten minutes more" }),
    }
}

/// Who we are with these credentials.
pub(super) async fn who_am_i(
    house: &House,
    instance: &Instance,
    credentials: jira::Credentials,
) -> Result<AccountId, jira::Error> {
    let client = house.clients.client_as(instance, credentials)?;
    Ok(client.with_priority(Priority::Live).myself().await?.account)
}

fn given<T>(value: Option<T>, otherwise: &str) -> Result<T, Failed> {
    value.ok_or_else(|| Failed::new(crate::exit::USAGE, otherwise))
}

/// Roughly: something, one @, something, and nothing that would not get through HTTP's basic authentication.
fn valid_email(email: &str) -> Result<(), Invalid> {
    let (name, host) = email.split_once('@').unwrap_or_default();
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == ':';
    if name.is_empty() || host.is_empty() || host.contains('@') || email.contains(odd) {
        return Err(Invalid::new("--email", "must be the service account's mail address, as in mirror@acme.example"));
    }
    Ok(())
}
