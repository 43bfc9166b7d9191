//! OAuth tokens that rotate: refreshed by one task of one pod at a time, stored before they are used.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::Invalid;
use reqwest::{RequestBuilder, header};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{Access, SMALL};
use crate::{
    Claim, Credentials, Error, Grant, OAuth, TokenStoreError, answer,
    error::{Asked, Trouble},
    identity, lenient, refusal,
    retry::Failure,
    transfer::{Raw, transfer},
};

/// A token that ends sooner than this is not used any more: clocks differ, and questions take time.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// How long a pod may take to refresh before another one tries. Atlassian takes a refresh token that was used already for
/// another ten minutes, so a pod that died in between costs nothing.
const LEASE: Duration = Duration::from_secs(30);

/// How long until one looks again whether another pod has refreshed, and how often. Whoever must wait longer comes again.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS: u32 = 20;

/// The route in errors and metrics.
const ROUTE: &str = "/oauth/token";

/// What this process knows of a grant.
#[derive(Default)]
pub(super) struct Held {
    grant: Option<Grant>,
    /// A pair that Atlassian gave and that could not be stored yet. It is lost with this process, so it is stored first.
    unsaved: Option<Grant>,
}

#[derive(Serialize)]
struct Question<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    #[serde(flatten)]
    shown: Shown<'a>,
}

/// What a pair of tokens is given for.
#[derive(Serialize)]
#[serde(tag = "grant_type", rename_all = "snake_case")]
pub(crate) enum Shown<'a> {
    RefreshToken { refresh_token: &'a str },
    AuthorizationCode { code: &'a str, redirect_uri: &'a str },
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    #[serde(default, deserialize_with = "lenient::text")]
    refresh_token: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    expires_in: Option<i64>,
}

impl Access {
    /// A pair whose access token is good for a while. Whoever asks meanwhile waits for the one that refreshes.
    pub(super) async fn grant(&self, http: &reqwest::Client, app: &OAuth, asked: &Asked) -> Result<Grant, Failure> {
        let mut held = self.held.lock().await;
        if held.grant.is_none() {
            held.grant = Some(app.tokens.load().await.map_err(|error| away(asked, &error))?);
        }
        match &held.grant {
            Some(grant) if Utc::now() + SKEW < grant.expires_at => Ok(grant.clone()),
            _ => self.refresh(http, app, &mut held, asked).await,
        }
    }

    /// Jira did not take version `seen`: the next one, whoever got it.
    pub(super) async fn replace(
        &self,
        http: &reqwest::Client,
        app: &OAuth,
        seen: u64,
        asked: &Asked,
    ) -> Result<(), Failure> {
        let mut held = self.held.lock().await;
        if held.grant.as_ref().is_some_and(|grant| grant.version > seen) {
            return Ok(());
        }
        self.refresh(http, app, &mut held, asked).await.map(|_| ())
    }

    /// The first pair of a grant, for the code that a person was given; stored in the place of the pair before.
    pub(crate) async fn authorise(
        &self,
        http: &reqwest::Client,
        code: Shown<'_>,
        asked: &Asked,
    ) -> Result<(), Failure> {
        let Credentials::OAuth(app) = &self.credentials else {
            return Err(Failure::Final(Invalid::new("a code", "is for an OAuth app").into()));
        };
        let mut held = self.held.lock().await;
        let before = app.tokens.load().await.map_err(|error| away(asked, &error))?;
        held.unsaved = Some(self.ask(http, app, code, before.version, asked).await?);
        self.save(app, &mut held).await.map_err(|error| away(asked, &error))
    }

    async fn refresh(
        &self,
        http: &reqwest::Client,
        app: &OAuth,
        held: &mut Held,
        asked: &Asked,
    ) -> Result<Grant, Failure> {
        let store = |error: TokenStoreError| away(asked, &error);
        // A pair that waited to be stored is as good as one that is asked for now.
        if held.unsaved.is_some() {
            self.save(app, held).await.map_err(store)?;
            if let Some(grant) = held.grant.as_ref().filter(|grant| Utc::now() + SKEW < grant.expires_at) {
                return Ok(grant.clone());
            }
        }
        for _ in 0..LOOKS {
            let current = match held.grant.clone() {
                Some(grant) => grant,
                None => app.tokens.load().await.map_err(store)?,
            };
            match app.tokens.claim(current.version, &self.holder, LEASE).await.map_err(store)? {
                Claim::Newer(grant) => {
                    held.grant = Some(grant.clone());
                    if Utc::now() + SKEW < grant.expires_at {
                        return Ok(grant);
                    }
                }
                Claim::Theirs => tokio::time::sleep(LOOK).await,
                Claim::Ours => {
                    held.unsaved = Some(self.ask(http, app, shown(&current), current.version, asked).await?);
                    self.save(app, held).await.map_err(store)?;
                    if let Some(grant) = &held.grant {
                        return Ok(grant.clone());
                    }
                }
            }
        }
        let reason = "another pod is refreshing them".to_owned();
        Err(Failure::Final(unavailable(asked, &TokenStoreError(reason))))
    }

    /// Stores what Atlassian gave; only then it may be used. Where another pair was stored meanwhile, that one counts.
    async fn save(&self, app: &OAuth, held: &mut Held) -> Result<(), TokenStoreError> {
        let Some(grant) = &held.unsaved else { return Ok(()) };
        let saved = app.tokens.save(grant).await?;
        let grant = held.unsaved.take();
        held.grant = if saved { grant } else { None };
        Ok(())
    }

    /// The pair that comes after this version.
    async fn ask(
        &self,
        http: &reqwest::Client,
        app: &OAuth,
        shown: Shown<'_>,
        version: u64,
        asked: &Asked,
    ) -> Result<Grant, Failure> {
        let asked = Asked { route: ROUTE, ..asked.clone() };
        let sent_at = Utc::now();
        let raw = transfer(self.question(http, app, shown)?, asked, SMALL).await?;
        if raw.status.is_server_error() || raw.status.as_u16() == 429 {
            return Err(answer::unavailable(raw.asked, raw.status, &raw.text, None));
        }
        if !raw.status.is_success() {
            return Err(Failure::Final(refused(raw)));
        }
        let tokens: Tokens = serde_json::from_str(&raw.text)
            .map_err(|error| Failure::Final(Error::unreadable("a pair of tokens", &error).about(&raw.asked)))?;
        let lives = TimeDelta::seconds(tokens.expires_in.unwrap_or(3600).clamp(0, 86_400));
        let once = || Invalid::new("the OAuth grant", "can be used once only: authorise the app with offline_access");
        let refresh = tokens.refresh_token.ok_or_else(|| Failure::Final(once().into()))?.into();
        Ok(Grant { access: tokens.access_token.into(), refresh, expires_at: sent_at + lives, version: version + 1 })
    }

    fn question(&self, http: &reqwest::Client, app: &OAuth, shown: Shown<'_>) -> Result<RequestBuilder, Failure> {
        let question = Question { client_id: &app.client_id, client_secret: app.client_secret.expose_secret(), shown };
        let body = serde_json::to_string(&question)
            .map_err(|error| Failure::Final(Error::unreadable("our own question", &error)))?;
        let mut url = self.auth.clone();
        url.set_path("/oauth/token");
        Ok(http.post(url).header(header::CONTENT_TYPE, "application/json").body(body))
    }
}

fn shown(old: &Grant) -> Shown<'_> {
    Shown::RefreshToken { refresh_token: old.refresh.expose_secret() }
}

/// `invalid_grant` is the end of a grant. Anything else is about the app.
fn refused(raw: Raw) -> Error {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default, deserialize_with = "lenient::text")]
        error: Option<String>,
    }
    let error = serde_json::from_str::<Refusal>(&raw.text).ok().and_then(|refusal| refusal.error);
    match error.as_deref() {
        Some("invalid_grant" | "unauthorized_client" | "invalid_client" | "access_denied") => {
            let reason = identity::grant_refused(error.as_deref().unwrap_or_default());
            Error::NotOurselves { reason: format!("{reason} [{}]", raw.asked) }
        }
        _ => Error::Refused {
            messages: refusal::messages(&raw.text),
            asked: Box::new(raw.asked),
            status: raw.status.as_u16(),
        },
    }
}

fn away(asked: &Asked, error: &TokenStoreError) -> Failure {
    Failure::passing(unavailable(asked, error))
}

fn unavailable(asked: &Asked, error: &TokenStoreError) -> Error {
    let asked = Box::new(Asked { route: ROUTE, ..asked.clone() });
    let reason = format!("the OAuth tokens are out of reach: {error}");
    Error::Unavailable { asked, status: None, trouble: Trouble::Tokens, reason }
}
