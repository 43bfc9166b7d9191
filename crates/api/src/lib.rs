//! What a person or an agent may ask of the mirror. For now: whether it is well.

use std::convert::Infallible;

use axum::{Json, Router, routing::get};
use listener::{
    Listener,
    health::{self, Readiness},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Answers until `shutdown`; then requests that are open are still answered, within the listener's drain time.
pub async fn serve(listener: Listener, readiness: Readiness, shutdown: CancellationToken) -> Result<(), Infallible> {
    let app = routes(readiness.until(shutdown.clone()));
    listener::serve(listener, app, shutdown).await;
    Ok(())
}

fn routes(readiness: Readiness) -> Router {
    Router::new().route("/", get(async || Json(contents()))).merge(health::routes(readiness))
}

/// What is here, for whoever opens the address in a browser.
fn contents() -> Value {
    json!({ "name": "jirafleet", "version": env!("CARGO_PKG_VERSION"), "here": ["/healthz", "/readyz"] })
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
        let response = routes(Readiness::new()).oneshot(request).await.expect("an answer");
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
