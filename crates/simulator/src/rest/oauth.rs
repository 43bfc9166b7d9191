//! What is answered beside Jira: the authorisation server's tokens and sites, and the edge's cloud id.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::answer::{self, Answer};
use super::auth;
use crate::access::oauth::{Denied, HOUR, Tokens};
use crate::world::World;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/oauth/token", post(token))
        .route("/oauth/token/accessible-resources", get(sites))
        .route("/_edge/tenant_info", get(tenant))
}

/// Whether a path is none of Jira's own: no account is asked for there.
pub(super) fn is_outside(route: &str) -> bool {
    route.starts_with("/oauth/") || route.starts_with("/_edge/")
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Ask {
    grant_type: String,
    client_id: String,
    client_secret: String,
    code: String,
    refresh_token: String,
}

async fn token(State(world): State<Arc<World>>, bytes: Bytes) -> Response {
    let Ok(ask) = serde_json::from_slice::<Ask>(&bytes) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_request", "The body is not JSON.");
    };
    let now = world.now();
    let given = world.door.access.apps(|apps| match ask.grant_type.as_str() {
        "authorization_code" | "refresh_token" | "client_credentials" => {
            let checked = apps.check(&ask.client_id, &ask.client_secret);
            Some(checked.and_then(|()| match ask.grant_type.as_str() {
                "authorization_code" => apps.exchange_code(&ask.client_id, &ask.code, now),
                "refresh_token" => apps.refresh(&ask.client_id, &ask.refresh_token, now),
                _ => apps.give_app(&ask.client_id, now),
            }))
        }
        _ => None,
    });
    match given {
        Some(Ok(tokens)) => show(&tokens),
        Some(Err(Denied::Client)) => refuse(StatusCode::UNAUTHORIZED, "access_denied", "Unauthorized"),
        Some(Err(Denied::Code)) => refuse(StatusCode::BAD_REQUEST, "invalid_grant", "Invalid authorization code"),
        Some(Err(Denied::Refresh)) => {
            refuse(StatusCode::FORBIDDEN, "invalid_grant", "Unknown or invalid refresh token.")
        }
        None => {
            let words = "grant_type must be one of [authorization_code|refresh_token|client_credentials]";
            refuse(StatusCode::BAD_REQUEST, "invalid_request", words)
        }
    }
}

fn show(tokens: &Tokens) -> Response {
    let mut body = json!({
        "access_token": tokens.access, "token_type": "Bearer", "expires_in": HOUR.num_seconds(),
        "scope": tokens.scopes.join(" "),
    });
    if let (Some(refresh), Some(fields)) = (&tokens.refresh, body.as_object_mut()) {
        fields.insert("refresh_token".into(), json!(refresh));
    }
    answer::with_status(StatusCode::OK, &body)
}

fn refuse(status: StatusCode, error: &str, words: &str) -> Response {
    answer::with_status(status, &json!({"error": error, "error_description": words}))
}

/// The sites an access token opens: this one.
async fn sites(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let now = world.now();
    let grant = auth::shown(&headers, "Bearer ")
        .and_then(|token| world.door.access.apps(|apps| apps.grant(token, now).cloned()));
    let Some(grant) = grant else { return auth::unauthorized("Unauthorized") };
    let name = &world.config().name;
    let scopes: Vec<_> = grant.scopes.iter().filter(|scope| *scope != "offline_access").collect();
    let site = json!({
        "id": world.cloud_id(), "url": world.config().origin(), "name": name, "scopes": scopes,
        "avatarUrl": format!("https://avatars.example.com/site/{name}.png"),
    });
    answer::with_status(StatusCode::OK, &[site])
}

/// Answered to everybody.
async fn tenant(State(world): State<Arc<World>>) -> Answer {
    answer::ok(&json!({"cloudId": world.cloud_id()}))
}
