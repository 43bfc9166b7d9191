//! One site, one account, one budget. `send` is the only door out.
//!
//! A question is paid for, sent, and its answer believed only when it provably came from our own account.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use domain::{AccountId, Instance, InstanceId, Invalid, Site, storable_json};
use reqwest::{StatusCode, Url, header, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Budgets, Error, Priority,
    answer::{self, Answer},
    budget::{Budget, throttled},
    directory::Myself,
    identity::{self, Identity, Verdict},
    request::Request,
    retry::{self, FIRST_WAIT, Failure, LONGEST_WAIT, Tries},
};

/// Who we are at a site.
#[derive(Clone)]
pub struct Credentials {
    /// The service account's address.
    pub email: String,
    /// Its API token.
    pub token: SecretString,
}

/// What a client is made of.
#[derive(Clone)]
pub struct ClientConfig {
    /// Whose budget is used.
    pub instance: InstanceId,
    /// Where Jira is.
    pub site: Site,
    /// Who we are there.
    pub credentials: Credentials,
    /// The account that every answer must come from; asked for at first contact when unknown.
    pub account: Option<AccountId>,
    /// What the whole fleet may ask.
    pub requests_per_minute: u32,
    /// Distinct from a browser's, which Jira treats as a cross-site forgery.
    pub user_agent: String,
    /// For one answer, from connecting to its last byte.
    pub timeout: Duration,
    /// The largest answer that is read, in bytes after decompression.
    pub body_cap: usize,
}

impl ClientConfig {
    /// The usual limits (30 s, 64 MiB) for an instance.
    pub fn of(instance: &Instance, credentials: Credentials) -> Self {
        Self {
            instance: instance.id,
            site: instance.site.clone(),
            credentials,
            account: instance.account.clone(),
            requests_per_minute: instance.requests_per_minute,
            user_agent: concat!("jirafleet/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_secs(30),
            body_cap: 64 << 20,
        }
    }

    /// Whether a client made of the other would do the same. An account that one of them does not know makes no difference.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.credentials, &other.credentials);
        let accounts_agree = match (&self.account, &other.account) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        accounts_agree
            && self.instance == other.instance
            && self.site == other.site
            && ours.email == theirs.email
            && ours.token.expose_secret() == theirs.token.expose_secret()
            && self.requests_per_minute == other.requests_per_minute
            && self.user_agent == other.user_agent
            && self.timeout == other.timeout
            && self.body_cap == other.body_cap
    }
}

/// The way to one site. Cheap to clone; clones share connections, budget and identity.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    priority: Priority,
}

struct Inner {
    config: ClientConfig,
    base: Url,
    http: reqwest::Client,
    budget: Budget,
    identity: Identity,
    /// Before a question is asked again for the first time.
    first_wait: Duration,
}

impl Client {
    /// A client for live work; see [`with_priority`](Self::with_priority).
    pub fn new(config: ClientConfig, budgets: Budgets) -> Result<Self, Error> {
        let base = Url::parse(config.site.as_str()).map_err(|error| Invalid::new("the site", format!("{error}")))?;
        // Redirects would carry our credentials elsewhere, and proxies of the environment are the binary's to choose.
        let http = reqwest::Client::builder()
            .user_agent(&config.user_agent)
            .timeout(config.timeout)
            .connect_timeout(Duration::from_secs(5))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .gzip(true)
            .build()
            .map_err(|error| Invalid::new("the HTTP client", format!("cannot be made: {error}")))?;
        let budget = Budget::new(budgets, config.instance, config.requests_per_minute);
        let identity = Identity::new(config.account.clone());
        let inner = Inner { config, base, http, budget, identity, first_wait: FIRST_WAIT };
        Ok(Self { inner: Arc::new(inner), priority: Priority::Live })
    }

    /// The same client for work of another urgency.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self { inner: Arc::clone(&self.inner), priority }
    }

    /// The account that answers must come from, once known.
    pub fn known_account(&self) -> Option<&AccountId> {
        self.inner.identity.expected().get()
    }

    /// Asks who we are, and remembers it: every later answer must come from this account.
    pub async fn myself(&self) -> Result<Myself, Error> {
        let myself = self.ask_myself().await?;
        let account = myself.account.clone();
        self.inner.identity.expected().get_or_init(|| std::future::ready(account)).await;
        Ok(myself)
    }

    /// The same, but impatient.
    #[cfg(test)]
    pub(crate) fn with_first_wait(self, first_wait: Duration) -> Self {
        let inner = Arc::into_inner(self.inner).map(|inner| Inner { first_wait, ..inner });
        Self { inner: Arc::new(inner.expect("a fresh client has no clones")), ..self }
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// The address of a path of this site.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.inner.base.clone();
        url.set_path(path);
        url
    }

    /// The one door: paid for, tried again where that helps, proven to be answered to ourselves.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Error> {
        let expected = self.inner.identity.expected();
        expected.get_or_try_init(|| async { Ok::<_, Error>(self.ask_myself().await?.account) }).await?;
        retry::run(self.tries(&request), || self.believed(&request)).await?.accepted(request.route)
    }

    fn tries(&self, request: &Request) -> Tries {
        Tries { retries: request.retries, first_wait: self.inner.first_wait }
    }

    async fn believed(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.exchange(request).await?;
        if answer.silent {
            self.prove(&answer).await?;
        }
        Ok(answer)
    }

    /// For an answer that does not say whom it was given to. Asking who we are *after* it came proves that the token was
    /// good when it was made: an expired one does not recover. Answers that wait for a proof share it.
    async fn prove(&self, answer: &Answer) -> Result<(), Failure> {
        let identity = &self.inner.identity;
        let mut proven = identity.proven().lock().await;
        if proven.is_none_or(|asked| asked < answer.received) {
            let asked = Instant::now();
            self.ask_myself().await.map_err(Failure::Final)?;
            *proven = Some(asked);
        }
        if answer.status.is_success() && identity.is_named() {
            return Err(Failure::passing(Error::NotOurselves { reason: identity::anonymous() }));
        }
        Ok(())
    }

    /// Who we are, and that it is who we were. This route is never answered to anonymous callers.
    async fn ask_myself(&self) -> Result<Myself, Error> {
        let request = Request::get(self.at("/rest/api/3/myself"), "/myself");
        let answer = retry::run(self.tries(&request), || self.exchange(&request)).await?;
        let myself = match answer.accepted(request.route) {
            Err(Error::Refused { status: 403, .. }) => {
                return Err(Error::NotOurselves { reason: identity::refused("403: the account may not use Jira") });
            }
            answer => Myself::read(&answer?)?,
        };
        match self.known_account() {
            Some(expected) if *expected != myself.account => {
                Err(Error::NotOurselves { reason: identity::somebody_else(&myself.account, expected) })
            }
            _ => Ok(myself),
        }
    }

    /// One request, paid for and measured.
    async fn exchange(&self, request: &Request) -> Result<Answer, Failure> {
        self.inner.budget.admit(self.priority).await.map_err(Failure::Final)?;
        let begun = Instant::now();
        let result = self.transfer(request).await;
        let duration = begun.elapsed().as_secs_f64();
        metrics::histogram!("jirafleet_jira_request_duration_seconds", "route" => request.route).record(duration);
        let outcome = answer::outcome(&result);
        metrics::counter!("jirafleet_jira_requests_total", "route" => request.route, "outcome" => outcome).increment(1);
        result
    }

    async fn transfer(&self, request: &Request) -> Result<Answer, Failure> {
        let config = &self.inner.config;
        let token = config.credentials.token.expose_secret();
        let mut builder = self.inner.http.request(request.method.clone(), request.url.clone());
        builder = builder.basic_auth(&config.credentials.email, Some(token)).header(header::ACCEPT, "application/json");
        if let Some(body) = &request.body {
            builder = builder.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let sent_at = Utc::now();
        let response = builder.send().await.map_err(|error| answer::broken(request.route, &error))?;
        let (status, headers) = (response.status(), response.headers());
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.slow_down(answer::asked_wait(headers, sent_at)).await);
        }
        let verdict = self.inner.identity.judge(headers);
        if let Verdict::NotOurselves(reason) = verdict {
            return Err(Failure::Final(Error::NotOurselves { reason }));
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(Failure::Final(Error::NotOurselves { reason: identity::refused("401") }));
        }
        let (after, date) = (answer::asked_wait(headers, sent_at), answer::date(headers));
        let text = answer::read(response, request.route, config.body_cap).await?;
        if status.is_server_error() {
            return Err(answer::unavailable(request.route, status, &text, after));
        }
        let storable = storable_json(&text);
        Ok(Answer {
            sent_at,
            received: Instant::now(),
            date,
            status,
            silent: verdict == Verdict::Silent,
            text,
            storable,
        })
    }

    /// Jira said 429: the whole fleet stops for as long as it asked.
    async fn slow_down(&self, wait: Option<Duration>) -> Failure {
        let pause = wait.unwrap_or(Duration::from_secs(1));
        throttled(pause);
        if let Err(error) = self.inner.budget.pause(pause).await {
            return Failure::Final(error);
        }
        Failure::Passing { error: Error::Throttled { after: wait.unwrap_or(LONGEST_WAIT * 2) }, after: wait }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("site", &self.inner.config.site).field("priority", &self.priority).finish()
    }
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("instance", &self.instance)
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let credentials = Credentials { email: "mia@example.com".into(), token: "s3cret".to_owned().into() };
        assert_eq!(format!("{credentials:?}"), "Credentials(..)");
    }
}
