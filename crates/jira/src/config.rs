//! What a client is made of.

use std::time::Duration;

use domain::{AccountId, Instance, InstanceId, Site};

use crate::{Atlassian, Credentials};

/// Everything that tells one client from another.
#[derive(Clone)]
pub struct ClientConfig {
    /// Whose budget is used.
    pub instance: InstanceId,
    /// Where Jira is.
    pub site: Site,
    /// Who we are there.
    pub credentials: Credentials,
    /// The account that every answer must come from; asked for at first contact when unknown.
    pub account: Option<AccountId>,
    /// What the whole fleet may ask.
    pub requests_per_minute: u32,
    /// Distinct from a browser's, which Jira treats as a cross-site forgery.
    pub user_agent: String,
    /// For one answer, from connecting to its last byte.
    pub timeout: Duration,
    /// The largest answer that is read, in bytes after decompression.
    pub body_cap: usize,
    /// Where Atlassian's own servers are.
    pub atlassian: Atlassian,
}

impl ClientConfig {
    /// The usual limits (30 s, 100 MB) and servers for an instance.
    pub fn of(instance: &Instance, credentials: Credentials) -> Self {
        Self {
            instance: instance.id,
            site: instance.site.clone(),
            credentials,
            account: instance.account.clone(),
            requests_per_minute: instance.requests_per_minute,
            user_agent: concat!("jirafleet/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_secs(30),
            body_cap: 100_000_000,
            atlassian: Atlassian::default(),
        }
    }

    /// Whether a client made of the other would do the same. An account that one of them does not know makes no difference.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let accounts_agree = match (&self.account, &other.account) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        accounts_agree
            && self.instance == other.instance
            && self.site == other.site
            && self.credentials.same_as(&other.credentials)
            && self.requests_per_minute == other.requests_per_minute
            && self.user_agent == other.user_agent
            && self.timeout == other.timeout
            && self.body_cap == other.body_cap
            && self.atlassian == other.atlassian
    }
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("instance", &self.instance)
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}
