//! One question to Jira: its route as metrics name it, its address, its body.

use reqwest::{Method, Url};
use serde::Serialize;

use crate::{Error, retry::RETRIES};

/// A question. Some are POSTs, but all of them only read, so asking twice is safe.
#[derive(Debug)]
pub(crate) struct Request {
    /// The route with placeholders: bounded, for metrics and errors.
    pub(crate) route: &'static str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<String>,
    /// How often it may be asked again.
    pub(crate) retries: u32,
}

impl Request {
    /// A GET.
    pub(crate) fn get(url: Url, route: &'static str) -> Self {
        Self { route, method: Method::GET, url, body: None, retries: RETRIES }
    }

    /// A POST that only reads: searches and bulk fetches, whose questions are too long for an address.
    pub(crate) fn reading_post(url: Url, route: &'static str, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_string(body).map_err(|error| Error::unreadable("our own question", &error))?;
        Ok(Self { route, method: Method::POST, url, body: Some(body), retries: RETRIES })
    }

    /// Adds parameters to the address.
    pub(crate) fn with(mut self, parameters: &[(&str, &str)]) -> Self {
        self.url.query_pairs_mut().extend_pairs(parameters);
        self
    }

    /// For questions that are expected to fail: fewer tries.
    pub(crate) fn with_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }
}
