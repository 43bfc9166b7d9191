//! What a person or a program may ask of the mirror, and have done in Jira: use cases, and REST over them.

#![recursion_limit = "256"]

mod layers;
mod openapi;
mod problem;
mod reading;
mod rest;
mod tagged;
mod usecases;

use std::{convert::Infallible, sync::Arc};

use axum::{Json, Router, routing::get};
use jira::Clients;
use listener::{
    Listener,
    health::{self, Readiness},
};
use queue::Producer;
use serde_json::{Value, json};
use store::Store;
use tokio_util::sync::CancellationToken;

pub use openapi::document as openapi;

use usecases::{Context, access::Access};

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
}

/// What every route is given.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) context: Context,
    pub(crate) access: Arc<Access>,
}

/// Answers until `shutdown`; then requests that are open are still answered, within the listener's drain time.
pub async fn serve(api: Api, shutdown: CancellationToken) -> Result<(), Infallible> {
    let Api { listener, store, producer, clients, readiness } = api;
    let house = House { context: Context { store, producer, clients }, access: Arc::default() };
    let app = rest::routes(house).merge(front(readiness.until(shutdown.clone())));
    listener::serve(listener, app, shutdown).await;
    Ok(())
}

/// What needs no key.
fn front(readiness: Readiness) -> Router {
    Router::new()
        .route("/", get(async || Json(contents())))
        .route("/openapi.json", get(async || Json(openapi::document())))
        .merge(health::routes(readiness))
}

/// What is here, for whoever opens the address in a browser.
fn contents() -> Value {
    json!({
        "name": "jirafleet",
        "version": env!("CARGO_PKG_VERSION"),
        "here": ["/healthz", "/readyz", "/openapi.json"],
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
