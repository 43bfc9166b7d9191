//! The outermost door: takes the gateway's prefix off a path, and tells the observer of every exchange.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::Response;
use chrono::SecondsFormat;
use serde_json::json;
use tower::ServiceExt;

use super::answer;
use super::auth::Via;
use super::dress;
use crate::journal::{Exchange, Observer};
use crate::world::World;

/// Where the gateway keeps Jira sites.
const PREFIX: &str = "/ex/jira/";
/// The most of a body an observer is shown; a larger one is told as empty.
const MOST: usize = 64 << 20;

/// The site behind its gateway.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) world: Arc<World>,
    pub(super) site: Router,
}

/// What the inside tells the gate about an answer.
#[derive(Clone)]
pub(super) struct Played {
    pub(super) route: Option<String>,
    pub(super) garbage: bool,
}

pub(super) async fn pass(State(gate): State<Gate>, request: Request) -> Response {
    match gate.world.config().observer.clone() {
        Some(observer) => observed(gate, request, &observer).await,
        None => enter(gate, request).await,
    }
}

/// Tells the site from the gateway by the path.
async fn enter(gate: Gate, mut request: Request) -> Response {
    let path = request.uri().path();
    let Some(rest) = path.strip_prefix(PREFIX) else {
        request.extensions_mut().insert(Via::Site);
        return inside(gate.site, request).await;
    };
    let (cloud, _) = rest.split_once('/').unwrap_or((rest, ""));
    if cloud != gate.world.cloud_id() {
        return unknown_cloud(&gate.world, path);
    }
    let inner = request.uri().path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
    let inner = inner.get(PREFIX.len() + cloud.len()..).filter(|inner| inner.starts_with('/')).unwrap_or("/");
    *request.uri_mut() = inner.parse().unwrap_or_else(|_| Uri::from_static("/"));
    request.extensions_mut().insert(Via::Gateway);
    inside(gate.site, request).await
}

async fn inside(site: Router, request: Request) -> Response {
    match site.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn unknown_cloud(world: &World, path: &str) -> Response {
    let at = world.now().to_rfc3339_opts(SecondsFormat::Nanos, true);
    let body =
        json!({"timestamp": at, "status": 404, "error": "Not Found", "message": "No message available", "path": path});
    let mut response = answer::with_status(StatusCode::NOT_FOUND, &body);
    response.headers_mut().insert("x-failure-category", HeaderValue::from_static("FAILURE_CLIENT_TCS"));
    dress(world, response, None)
}

async fn observed(gate: Gate, request: Request, observer: &Observer) -> Response {
    let method = request.method().clone();
    let path = request.uri().path_and_query().map(PathAndQuery::as_str).unwrap_or_default().to_owned();
    let (parts, body) = request.into_parts();
    let Ok(sent) = to_bytes(body, MOST).await else {
        let refusal = answer::with_status(StatusCode::PAYLOAD_TOO_LARGE, &json!({"errorMessages": ["Too large."]}));
        return dress(&gate.world, refusal, None);
    };
    let response = enter(gate, Request::from_parts(parts, Body::from(sent.clone()))).await;
    let Played { route, garbage } =
        response.extensions().get().cloned().unwrap_or(Played { route: None, garbage: false });
    let (parts, body) = response.into_parts();
    let (body, shown) = if garbage { (body, Bytes::new()) } else { whole(body).await };
    let (status, headers) = (parts.status, parts.headers.clone());
    let exchange = Exchange { method, route, path, request: sent, status, headers, response: shown, garbage };
    observer.tell(&exchange);
    Response::from_parts(parts, body)
}

/// The body, read and put back.
async fn whole(body: Body) -> (Body, Bytes) {
    let bytes = to_bytes(body, MOST).await.unwrap_or_default();
    (Body::from(bytes.clone()), bytes)
}
