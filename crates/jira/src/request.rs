//! One question to Jira: its route as metrics name it, its address, its body, and whether asking twice does harm.

use domain::IssueId;
use reqwest::{Method, Url};
use serde::Serialize;

use crate::{
    Error,
    budget::{Endpoint, Verb},
    retry::RETRIES,
};

/// A question.
#[derive(Debug)]
pub(crate) struct Request {
    /// The route with placeholders: bounded, for budgets, metrics and errors.
    pub(crate) endpoint: Endpoint,
    /// At the site; through the gateway it is re-rooted on its way out.
    pub(crate) url: Url,
    pub(crate) body: Option<String>,
    /// How often it may be asked again.
    pub(crate) retries: u32,
    pub(crate) effect: Effect,
}

/// What asking does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It only reads, or does the same however often it is asked.
    Repeatable,
    /// It changes something each time: asked again only when it surely did not happen.
    Once {
        /// The issue that Jira counts it against.
        issue: Option<IssueId>,
        /// How to find out whether it happened.
        settle: &'static str,
    },
}

impl Request {
    /// A GET.
    pub(crate) fn get(url: Url, route: &'static str) -> Self {
        let endpoint = Endpoint::new(Verb::Get, route);
        Self { endpoint, url, body: None, retries: RETRIES, effect: Effect::Repeatable }
    }

    /// A POST that only reads: searches and bulk fetches, whose questions are too long for an address.
    pub(crate) fn reading_post(url: Url, route: &'static str, body: &impl Serialize) -> Result<Self, Error> {
        Self::repeatable(Verb::Post, url, route, body)
    }

    /// A question that may be asked twice, whatever its verb.
    pub(crate) fn repeatable(verb: Verb, url: Url, route: &'static str, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_string(body).map_err(|error| Error::unreadable("our own question", &error))?;
        Ok(Self { endpoint: Endpoint::new(verb, route), body: Some(body), ..Self::get(url, route) })
    }

    /// A change that must not be asked for twice. `settle` completes "to find out, ..".
    pub(crate) fn once(verb: Verb, url: Url, route: &'static str, settle: &'static str) -> Self {
        let effect = Effect::Once { issue: None, settle };
        Self { endpoint: Endpoint::new(verb, route), effect, ..Self::get(url, route) }
    }

    /// The same as a DELETE of what may be gone already: asking twice does no harm.
    pub(crate) fn deleting(mut self) -> Self {
        self.endpoint = Endpoint::new(Verb::Delete, self.endpoint.route());
        self
    }

    /// Gives it a body.
    pub(crate) fn saying(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_string(body).map_err(|error| Error::unreadable("our own question", &error))?;
        self.body = Some(body);
        Ok(self)
    }

    /// A change to this issue.
    pub(crate) fn on(mut self, id: IssueId) -> Self {
        if let Effect::Once { issue, .. } = &mut self.effect {
            *issue = Some(id);
        }
        self
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

    pub(crate) fn route(&self) -> &'static str {
        self.endpoint.route()
    }

    pub(crate) fn method(&self) -> Method {
        match self.endpoint.verb() {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        }
    }
}
