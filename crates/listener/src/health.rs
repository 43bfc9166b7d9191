//! `GET /healthz`: the process turns. `GET /readyz`: it can do its work, or why not. Both are for anyone to ask, so reasons
//! must not tell secrets, and asking often must not cost: an answer is kept for a moment.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::{BoxFuture, FutureExt as _, join_all};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// The longest one check may take.
const CHECK_WITHIN: Duration = Duration::from_secs(1);
/// How long an answer is given again.
const KEPT_FOR: Duration = Duration::from_millis(250);

/// What runs here, for those who may know: the listener of figures tells it, those that face the world do not.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Which of the processes.
    pub process: &'static str,
    /// Its release.
    pub version: &'static str,
    /// The commit it was built from.
    pub revision: &'static str,
}

type Ask = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What must hold for a process to be ready. Without any check it always is.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Ask)>,
    about: Option<About>,
}

impl Readiness {
    /// No checks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check. The reason it gives is shown to anyone who asks: a few plain words.
    #[must_use]
    pub fn check<A, F>(mut self, name: &'static str, ask: A) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Box::new(move || ask().boxed())));
        self
    }

    /// Says at `/healthz` what runs here.
    #[must_use]
    pub fn telling(self, about: About) -> Self {
        Self { about: Some(about), ..self }
    }

    /// Not ready any more as soon as the process is asked to stop, so that a load balancer looks elsewhere.
    #[must_use]
    pub fn until(self, shutdown: CancellationToken) -> Self {
        self.check("running", move || {
            let stopping = shutdown.is_cancelled();
            async move { if stopping { Err("stopping".to_owned()) } else { Ok(()) } }
        })
    }

    /// Asks all at once.
    async fn report(&self) -> Report {
        let asked = self.checks.iter().map(|(name, ask)| async move {
            let state = match timeout(CHECK_WITHIN, ask()).await {
                Ok(Ok(())) => "ok".to_owned(),
                Ok(Err(reason)) => reason,
                Err(_) => "no answer within 1 s".to_owned(),
            };
            (*name, state)
        });
        let checks: BTreeMap<_, _> = join_all(asked).await.into_iter().collect();
        Report { ready: checks.values().all(|state| state == "ok"), checks }
    }
}

/// The body of `/readyz`: `{"ready":false,"checks":{"postgres":"ok","redis":"no answer within 1 s"}}`.
#[derive(Clone, Serialize)]
struct Report {
    ready: bool,
    checks: BTreeMap<&'static str, String>,
}

/// The body of a `/healthz` that tells what runs here.
#[derive(Serialize)]
struct Alive<'a> {
    status: &'static str,
    #[serde(flatten)]
    about: &'a About,
    up_s: u64,
}

struct Health {
    readiness: Readiness,
    since: Instant,
    last: Mutex<Option<(Instant, Report)>>,
}

impl Health {
    /// Those who ask while others are being answered get the same answer.
    async fn report(&self) -> Report {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < KEPT_FOR
        {
            return report.clone();
        }
        let report = self.readiness.report().await;
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

/// `GET /healthz` and `GET /readyz`.
pub fn routes(readiness: Readiness) -> Router {
    let health = Arc::new(Health { readiness, since: Instant::now(), last: Mutex::new(None) });
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(health)
}

async fn healthz(State(health): State<Arc<Health>>) -> Response {
    match &health.readiness.about {
        Some(about) => Json(Alive { status: "ok", about, up_s: health.since.elapsed().as_secs() }).into_response(),
        None => "ok\n".into_response(),
    }
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let report = health.report().await;
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_to_check_is_ready() {
        assert!(Readiness::new().report().await.ready);
    }

    #[tokio::test(start_paused = true)]
    async fn each_check_has_its_second_and_its_reason() {
        let readiness = Readiness::new()
            .check("postgres", || async { Ok(()) })
            .check("redis", std::future::pending)
            .check("jira", || async { Err("refused".to_owned()) });
        let begin = Instant::now();
        let report = readiness.report().await;
        assert!(begin.elapsed() < CHECK_WITHIN * 2);
        assert!(!report.ready);
        assert_eq!(report.checks["postgres"], "ok");
        assert_eq!(report.checks["redis"], "no answer within 1 s");
        assert_eq!(report.checks["jira"], "refused");
    }

    #[tokio::test]
    async fn a_stopping_process_is_not_ready() {
        let shutdown = CancellationToken::new();
        let readiness = Readiness::new().until(shutdown.clone());
        assert!(readiness.report().await.ready);
        shutdown.cancel();
        assert!(!readiness.report().await.ready);
    }
}
