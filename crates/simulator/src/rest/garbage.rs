//! Plays the scripted faults: answers that are late, cut, refused or no answers at all.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use chrono::TimeDelta;
use futures::stream;
use serde_json::json;

use super::answer::{self, Refusal};
use super::limits::throttled;
use crate::faults::Fault;
use crate::limits::{Reason, Reset, Throttle, until_next_hour};
use crate::line::Switch;
use crate::world::World;

/// Large answers are made in pieces of this size.
const PIECE: usize = 64 * 1024;

/// The answer to a request that meets this fault.
pub(super) async fn play(world: &World, fault: Fault, request: Request, next: Next) -> Response {
    let line = request.extensions().get::<ConnectInfo<Switch>>().map(|line| line.0.clone());
    match fault {
        Fault::RateLimited(retry_after) => {
            refused(world, &Throttle { reason: Reason::Burst, retry_after, reset: Reset::Absent })
        }
        Fault::Throttled(throttle) => refused(world, &throttle),
        Fault::Status(status, wait) => broken(status, wait),
        Fault::Slow(wait) => {
            tokio::time::sleep(wait).await;
            next.run(request).await
        }
        Fault::Late(wait) => {
            let answer = next.run(request).await;
            tokio::time::sleep(wait).await;
            answer
        }
        Fault::CutBefore => end(line),
        Fault::Cut => cut(),
        Fault::CutAfter => {
            drop(next.run(request).await);
            end(line)
        }
        Fault::Html => Html("<!DOCTYPE html><title>Atlassian</title><h1>Page unavailable</h1>").into_response(),
        Fault::WrongType => {
            let mut response = next.run(request).await;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
            response
        }
        Fault::Truncated => half(next.run(request).await).await,
        Fault::Huge(bytes) => huge(bytes),
        Fault::Redirect(to) => redirect(&to),
        Fault::Empty => answer::with_status(StatusCode::OK, &json!({})),
        // Whoever dresses the answer puts the other account's name on it.
        Fault::AsAccount(_) => next.run(request).await,
    }
}

fn refused(world: &World, throttle: &Throttle) -> Response {
    let now = world.now();
    let wait = match throttle.reason {
        Reason::GlobalQuota | Reason::TenantQuota => until_next_hour(now),
        _ => throttle.retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or(TimeDelta::seconds(1)),
    };
    throttled(throttle, 100, now + wait)
}

fn broken(status: u16, wait: Option<Duration>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Refusal::broken(status).into_response();
    if let Some(wait) = wait {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    response
}

/// Nothing of this answer is sent: the connection ends at the first byte.
fn end(line: Option<Switch>) -> Response {
    if let Some(line) = line {
        line.cut();
    }
    Response::default()
}

/// Starts to answer and breaks off: the connection ends without the end of the body.
fn cut() -> Response {
    let pieces = [Ok(Bytes::from_static(b"{\"issues\":[")), Err(io::Error::other("cut on purpose"))];
    Response::new(Body::from_stream(stream::iter(pieces)))
}

/// The first half of the body, as if that were all.
async fn half(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes.slice(..bytes.len() / 2)))
}

/// JSON that is right and says nothing, but for its size.
fn huge(bytes: u64) -> Response {
    let (head, tail) = (Bytes::from_static(b"{\"issues\":["), Bytes::from_static(b"],\"isLast\":true}"));
    let spaces = Bytes::from(vec![b' '; PIECE]);
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_sub(head.len() + tail.len());
    let middle = std::iter::from_fn(move || {
        let piece = left.min(PIECE);
        left -= piece;
        (piece > 0).then(|| spaces.slice(..piece))
    });
    let pieces = std::iter::once(head).chain(middle).chain([tail]).map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(stream::iter(pieces)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    response
}

fn redirect(to: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}
