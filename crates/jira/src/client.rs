//! One site, one account, one budget. `send` is the only door out.
//!
//! A question is paid for, sent, and its answer believed only when it provably came from our own account.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{AccountId, Invalid, storable_json};
use reqwest::{StatusCode, Url, header, redirect};

use crate::{
    Budgets, ClientConfig, Error, Priority,
    access::{Access, Pass},
    answer::{self, Answer},
    budget::Budget,
    directory::Myself,
    error::Asked,
    identity::{self, Identity, Verdict},
    pace::Pace,
    request::{Effect, Request},
    retry::{self, FIRST_WAIT, Failure, Tries},
    throttle,
    transfer::{Raw, transfer},
    unknown,
};

/// The way to one site. Cheap to clone; clones share connections, budget and identity.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    pub(crate) priority: Priority,
}

/// What is awaited behind a pointer: nested as deeply as it is, the compiler gives up otherwise.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub(crate) struct Inner {
    pub(crate) config: ClientConfig,
    pub(crate) access: Access,
    pub(crate) http: reqwest::Client,
    pub(crate) budget: Budget,
    pub(crate) identity: Identity,
    /// What single issues take.
    pub(crate) pace: Pace,
    /// Before a question is asked again for the first time.
    first_wait: Duration,
}

impl Client {
    /// A client for live work; see [`with_priority`](Self::with_priority).
    pub fn new(config: ClientConfig, budgets: Budgets) -> Result<Self, Error> {
        let access = Access::new(config.site.as_str(), config.credentials.clone(), &config.atlassian)?;
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
        let pace = Pace::default();
        let inner = Inner { config, access, http, budget, identity, pace, first_wait: FIRST_WAIT };
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
        self.inner.access.at(path)
    }

    /// The one door: paid for, tried again where that helps, proven to be answered to ourselves.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Error> {
        let expected = self.inner.identity.expected();
        expected.get_or_try_init(|| async { Ok::<_, Error>(self.ask_myself().await?.account) }).await?;
        let believed: Boxed<'_, Result<Answer, Error>> =
            Box::pin(retry::run(self.tries(&request), || self.believed(&request)));
        believed.await?.accepted()
    }

    pub(crate) fn tries(&self, request: &Request) -> Tries {
        Tries { retries: request.retries, first_wait: self.inner.first_wait }
    }

    /// What an error about this route says it is about.
    pub(crate) fn asked(&self, route: &'static str) -> Asked {
        Asked { site: self.inner.config.site.as_str().to_owned(), route, trace: None }
    }

    async fn believed(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.exchange(request).await?;
        if answer.silent {
            let proof = self.prove(&answer).await;
            unknown::proven(request, &answer.asked, answer.status, proof)?;
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
            return Err(Failure::passing(not_ourselves(&answer.asked, &identity::anonymous())));
        }
        Ok(())
    }

    /// Who we are, and that it is who we were. This route is never answered to anonymous callers.
    async fn ask_myself(&self) -> Result<Myself, Error> {
        let request = Request::get(self.at("/rest/api/3/myself"), "/myself");
        let answer = retry::run(self.tries(&request), || self.exchange(&request)).await?;
        let asked = answer.asked.clone();
        let myself = match answer.accepted() {
            Err(Error::Refused { status: 403, .. }) => {
                let reason = self.inner.access.refused("403: the account may not use Jira");
                return Err(not_ourselves(&asked, &reason));
            }
            answer => Myself::read(&answer?)?,
        };
        match self.known_account() {
            Some(expected) if *expected != myself.account => {
                Err(not_ourselves(&asked, &identity::somebody_else(&myself.account, expected)))
            }
            _ => Ok(myself),
        }
    }

    /// One request, paid for and measured.
    fn exchange<'a>(&'a self, request: &'a Request) -> Boxed<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            if let Effect::Once { issue: Some(issue), .. } = request.effect {
                self.inner.pace.admit(issue).await.map_err(Failure::Final)?;
            }
            self.inner.budget.admit(request.endpoint, self.priority).await.map_err(Failure::Final)?;
            let (begun, route) = (Instant::now(), request.route());
            let span = tracing::debug_span!(
                "jira",
                otel.name = route,
                otel.kind = "client",
                otel.status_code = tracing::field::Empty,
                http.request.method = %request.method(),
                url.template = route,
                http.response.status_code = tracing::field::Empty,
            );
            let result = self.signed(request).await;
            match &result {
                Ok(answer) => span.record("http.response.status_code", answer.status.as_u16()),
                Err(_) => span.record("otel.status_code", "ERROR"),
            };
            drop(span);
            let duration = begun.elapsed().as_secs_f64();
            metrics::histogram!("jirafleet_jira_request_duration_seconds", "route" => route).record(duration);
            let outcome = answer::outcome(&result);
            metrics::counter!("jirafleet_jira_requests_total", "route" => route, "outcome" => outcome).increment(1);
            result
        })
    }

    /// One request under our name; with OAuth once more under a newer token, when Jira does not take this one.
    async fn signed(&self, request: &Request) -> Result<Answer, Failure> {
        let (access, http, asked) = (&self.inner.access, &self.inner.http, self.asked(request.route()));
        let pass = access.pass(http, &asked).await?;
        let mut raw = self.ask(request, &pass).await?;
        if raw.status == StatusCode::UNAUTHORIZED && access.renew(http, &pass, &asked).await? {
            raw = self.ask(request, &access.pass(http, &asked).await?).await?;
        }
        let (asked, status) = (raw.asked.clone(), raw.status);
        let judged = self.judge(request, raw).await;
        unknown::judged(request, &asked, status, judged)
    }

    async fn ask(&self, request: &Request, pass: &Pass) -> Result<Raw, Failure> {
        let (config, asked) = (&self.inner.config, self.asked(request.route()));
        let url = self.inner.access.rooted(&request.url, pass).map_err(|error| Failure::Final(error.about(&asked)))?;
        let mut builder = self.inner.http.request(request.method(), url);
        builder = builder.header(header::AUTHORIZATION, pass.authorization.clone());
        builder = builder.header(header::ACCEPT, "application/json");
        if let Some(body) = &request.body {
            builder = builder.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let raw = transfer(builder, asked.clone(), config.body_cap).await;
        unknown::sent(request, &asked, raw)
    }

    /// What an answer is worth.
    async fn judge(&self, request: &Request, raw: Raw) -> Result<Answer, Failure> {
        let Raw { asked, sent_at, received, status, headers, text } = raw;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.slow_down(request, throttle::stop(&headers, sent_at)).await);
        }
        let verdict = self.inner.identity.judge(&headers);
        if let Verdict::NotOurselves(reason) = verdict {
            return Err(Failure::Final(not_ourselves(&asked, &reason)));
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(Failure::Final(not_ourselves(
                &asked,
                &self.inner.access.refused(&identity::unauthorised(&text)),
            )));
        }
        if status.is_redirection() {
            return Err(answer::elsewhere(asked, &request.url, status, &headers));
        }
        if status.is_server_error() {
            return Err(answer::unavailable(asked, status, &text, throttle::asked_wait(&headers, sent_at)));
        }
        answer::of_jira(&asked, status, answer::content_type(&headers).as_deref(), &text)?;
        self.heed(request, &headers).await;
        let (date, storable) = (answer::date(&headers), storable_json(&text));
        let silent = verdict == Verdict::Silent;
        Ok(Answer { asked, sent_at, received, date, status, silent, text, storable })
    }
}

/// With what the sentence is about, for Atlassian's support.
pub(crate) fn not_ourselves(asked: &Asked, reason: &str) -> Error {
    Error::NotOurselves { reason: format!("{reason} [{asked}]") }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("site", &self.inner.config.site).field("priority", &self.priority).finish()
    }
}
