//! Around every route that needs a key: the request gets an id, its sender a face, its refusal a document.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use domain::Scope;
use secrecy::{ExposeSecret, SecretString};
use tracing::{
    Instrument, Span,
    field::{Empty, display},
};
use uuid::Uuid;

use crate::{
    House,
    allowance::{Purse, Taken},
    problem::{Place, Problem, Raised},
    usecases::{Caller, Error, access},
};

/// Bytes of a body.
pub(crate) const LARGEST_BODY: usize = 1 << 20;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// How long it may take to find out who asks, and again to answer a question.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long an answer to a write may take; the write itself goes on, since one that is broken off leaves its end unknown.
const PATIENCE_TO_WRITE: Duration = Duration::from_secs(120);

/// The outermost layer.
pub(crate) async fn around(State(house): State<House>, mut request: Request, next: Next) -> Response {
    let asked = circumstances(&request);
    let place = if matches!(*request.method(), Method::GET | Method::HEAD) { Place::Address } else { Place::Body };
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let (method, begun) = (known(request.method()), Instant::now());
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        request.id = %asked.id,
        http.route = %route,
        http.response.status_code = Empty,
        error.code = Empty,
        tenant.id = Empty,
        user.id = Empty,
    );
    let parent = request.headers().get("traceparent").and_then(|parent| parent.to_str().ok());
    trace_context::go_on(&span, parent);
    let (key, length) = (bearer(request.headers()), announced(request.headers()));
    let mut taken = None;
    let mut response = async {
        let admitted = tokio::time::timeout(PATIENCE, admitted(&house, key.as_ref(), length, &asked, &mut taken));
        match admitted.await.unwrap_or_else(|_| Err(slow().into())) {
            Ok(caller) => {
                Span::current().record("tenant.id", display(caller.tenant)).record("user.id", &caller.actor.id);
                request.extensions_mut().insert(caller);
                in_time(place, next.run(request)).await
            }
            Err(problem) => problem.into_response(),
        }
    }
    .instrument(span.clone())
    .await;
    if let Some(Raised(problem)) = response.extensions_mut().remove::<Raised>() {
        span.record("error.code", display(format_args!("api.{}", problem.code())));
        if let Problem::Said(Error::Broken(why)) = &*problem {
            tracing::error!(request.id = %asked.id, http.route = %route, error.code = "api.broken", error = %why, "a request could not be answered");
        }
        response = problem.answer(&asked.id, place);
    }
    span.record("http.response.status_code", response.status().as_u16());
    span.in_scope(|| tracing::debug!(duration_ms = begun.elapsed().as_millis(), "a request was answered"));
    let outcome = response.status().as_u16().to_string();
    metrics::histogram!("jirafleet_api_request_duration_seconds", "route" => route, "method" => method, "outcome" => outcome)
        .record(begun.elapsed());
    if let Some(taken) = &taken {
        for (name, value) in [(LIMIT_POLICY, taken.policy()), (LIMIT, taken.left())] {
            response.headers_mut().extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
        }
    }
    if let Ok(id) = HeaderValue::from_str(&asked.id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A method in metrics, of which anybody can invent more.
fn known(method: &Method) -> &'static str {
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    known.iter().zip(names).find(|(one, _)| *one == method).map_or("other", |(_, name)| name)
}

/// Refuses a caller that lacks a scope, before anything of its request is read.
pub(crate) async fn require(State(scope): State<Scope>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().ok_or(Error::Unproven);
    match caller.and_then(|caller| caller.require(scope)) {
        Ok(()) => next.run(request).await,
        Err(error) => Problem::Said(error).into_response(),
    }
}

async fn admitted(
    house: &House,
    key: Option<&SecretString>,
    length: Option<u64>,
    asked: &access::Request,
    taken: &mut Option<Taken>,
) -> Result<Caller, Problem> {
    let (rates, shown) = (house.allowances.rates, key.map(ExposeSecret::expose_secret));
    let caller = match house.access.caller(&house.context.store, shown, asked).await {
        Err(Error::Unproven) => {
            let purse = Purse { policy: "attempts", of: asked.from.to_string(), quota: rates.attempts };
            let attempt = house.allowances.take(&[purse]).await;
            return Err(attempt.and_then(|attempt| attempt.wait).map_or(Error::Unproven.into(), Problem::TooMany));
        }
        caller => caller?,
    };
    let purses = [
        Purse { policy: "key", of: caller.purse.clone(), quota: rates.key },
        Purse { policy: "tenant", of: caller.tenant.to_string(), quota: rates.tenant },
    ];
    *taken = house.allowances.take(&purses).await;
    if let Some(wait) = taken.as_ref().and_then(|taken| taken.wait) {
        return Err(Problem::TooMany(wait));
    }
    if length.is_some_and(|length| length > LARGEST_BODY as u64) {
        return Err(Problem::TooLarge);
    }
    Ok(caller)
}

/// Every request is answered, whoever else does not answer us.
async fn in_time(place: Place, answer: impl Future<Output = Response>) -> Response {
    let (patience, late) = match place {
        Place::Address => (PATIENCE, slow()),
        Place::Body => (PATIENCE_TO_WRITE, Error::Late),
    };
    tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| Problem::Said(late).into_response())
}

fn slow() -> Error {
    Error::Unavailable("the answer took too long: ask for less, or again".to_owned())
}

fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().into())
}

/// Bytes of the body, as the sender says.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn circumstances(request: &Request) -> access::Request {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let id = header(REQUEST_ID.as_str()).filter(|id| is_id(id));
    access::Request {
        from: peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip()),
        at: Utc::now(),
        id: id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned),
        trace: header("traceparent").and_then(trace),
    }
}

/// What may stand in a log line and in the audit log.
fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// The trace of a W3C `traceparent`.
fn trace(parent: &str) -> Option<String> {
    let id = parent.split('-').nth(1)?;
    let fits = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0');
    fits.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_taken_over() {
        assert!(is_id("a-1_B.2") && !is_id("") && !is_id("a b") && !is_id("a\nb") && !is_id(&"a".repeat(65)));
    }

    #[tokio::test(start_paused = true)]
    async fn every_request_is_answered_though_nobody_answers_us() {
        for (place, code) in [(Place::Address, "unavailable"), (Place::Body, "late")] {
            let mut response = in_time(place, std::future::pending()).await;
            let Some(Raised(problem)) = response.extensions_mut().remove::<Raised>() else { panic!("no problem") };
            assert_eq!(problem.code(), code);
        }
    }

    #[test]
    fn a_trace_is_found_in_its_parent() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(), Some(id));
        assert_eq!(trace(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))), None);
        assert_eq!(trace("nonsense"), None);
    }
}
