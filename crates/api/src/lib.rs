//! What a person or a program may ask of the mirror, and have done in Jira: use cases, and REST over them.

#![recursion_limit = "256"]

mod allowance;
mod docs;
mod layers;
mod openapi;
mod problem;
mod reading;
mod rest;
mod tagged;
mod usecases;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jira::Clients;
use listener::{
    Listener,
    health::{self, Readiness},
};
use queue::Producer;
use serde_json::{Value, json};
use store::Store;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

pub use allowance::Rates;
pub use openapi::document as openapi;
pub use redis_door::BadUrl;
pub use usecases::access::Issuer;

use allowance::Allowances;
use usecases::{
    Context,
    access::{Access, Mint},
};

/// What the api works with.
pub struct Api {
    /// A bound port.
    pub listener: Listener,
    /// The mirror.
    pub store: Store,
    /// Where issues are touched that could not be mirrored at once.
    pub producer: Producer,
    /// The way to Jira, for what is written.
    pub clients: Clients,
    /// What must hold for it to be ready.
    pub readiness: Readiness,
    /// Who is let in, and for how much.
    pub gate: Gate,
}

/// Who is let in, and for how much.
pub struct Gate {
    allowances: Allowances,
    /// Others whose tokens count.
    pub issuers: Vec<Issuer>,
    /// How often another key signs our own tokens.
    pub rotation: Duration,
}

impl Gate {
    /// Requests are counted in this Redis, under keys that begin with `prefix`. Nobody else's tokens count, and the key that
    /// signs our own is another one every day.
    pub fn new(redis_url: &str, prefix: &str, rates: Rates) -> Result<Self, BadUrl> {
        let allowances = Allowances::new(redis_url, prefix, rates)?;
        Ok(Self { allowances, issuers: Vec::new(), rotation: Duration::from_secs(24 * 3600) })
    }
}

/// What every route is given.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) context: Context,
    pub(crate) access: Arc<Access>,
    pub(crate) allowances: Arc<Allowances>,
}

/// Answers until `shutdown`; then requests that are open are still answered, within the listener's drain time.
pub async fn serve(api: Api, shutdown: CancellationToken) -> Result<(), Infallible> {
    let Api { listener, store, producer, clients, readiness, gate } = api;
    let Gate { allowances, issuers, rotation } = gate;
    jira::show_rare_figures();
    store::show_rare_figures();
    let house = House {
        context: Context::new(store, producer, clients),
        access: Arc::new(Access::new(Mint::new(rotation), issuers)),
        allowances: Arc::new(allowances),
    };
    let keys = Router::new().route("/.well-known/jwks.json", get(published)).with_state(house.clone());
    let app = rest::routes(house).merge(keys).merge(front(readiness.until(shutdown.clone())));
    listener::serve(listener, app.layer(CompressionLayer::new()), shutdown).await;
    Ok(())
}

/// What needs no key.
fn front(readiness: Readiness) -> Router {
    Router::new()
        .route("/", get(async || Json(contents())))
        .route("/openapi.json", get(async || Json(openapi::document())))
        .merge(docs::routes())
        .merge(health::routes(readiness))
}

/// The keys that prove our own tokens.
async fn published(State(house): State<House>) -> Response {
    match house.access.mint.published(&house.context.store, chrono::Utc::now()) {
        Ok(keys) => {
            let kept = [(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"))];
            (kept, Json(keys)).into_response()
        }
        Err(error) => {
            tracing::error!(error.code = "api.broken", %error, "our own public keys could not be told");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What is here, for whoever opens the address in a browser.
fn contents() -> Value {
    json!({
        "name": "jirafleet",
        "version": env!("CARGO_PKG_VERSION"),
        "here": ["/healthz", "/readyz", "/openapi.json", "/docs"],
        "with_a_key": rest::PREFIX,
    })
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Request, StatusCode},
    };
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str) -> (StatusCode, Vec<u8>) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = front(Readiness::new()).oneshot(request).await.expect("an answer");
        let status = response.status();
        (status, response.into_body().collect().await.expect("a body").to_bytes().to_vec())
    }

    #[tokio::test]
    async fn everything_it_names_is_there() {
        let (status, body) = ask("/").await;
        assert_eq!(status, StatusCode::OK);
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        for path in body["here"].as_array().expect("a list") {
            assert_eq!(ask(path.as_str().expect("a path")).await.0, StatusCode::OK, "{path}");
        }
        assert_eq!(ask("/nowhere").await.0, StatusCode::NOT_FOUND);
    }
}
