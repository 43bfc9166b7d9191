//! What went over the wire, for contract tests: every exchange is told to an observer, if the site was given one.

use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// The template of the route, such as `/rest/api/3/issue/{id}`; none when no route took it.
    pub route: Option<String>,
    /// Path and query as they were asked for, the gateway's prefix included.
    pub path: String,
    /// The body that was sent.
    pub request: Bytes,
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The body of the answer; empty for garbage.
    pub response: Bytes,
    /// Whether a fault was scripted that gives an answer Jira's documentation does not know.
    pub garbage: bool,
}

/// Who is told of every exchange; called before the answer goes out, so it must be quick.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Exchange) + Send + Sync>);

impl Observer {
    /// Tells this function.
    pub fn new(tell: impl Fn(&Exchange) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, exchange: &Exchange) {
        (self.0)(exchange);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
