//! What a made-up Jira Cloud site is asked to be: how large, how late, and who may look at it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono_tz::Tz;

use crate::clock::Pace;
use crate::index::Blink;
use crate::journal::Observer;
use crate::limits::Limits;
use crate::webhooks::Retries;

/// One simulated site. The same configuration gives the same site, letter for letter.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The site's name, as in `https://<name>.atlassian.net`.
    pub name: String,
    /// Where the links inside answers lead.
    pub links: Links,
    /// What everything made up is drawn from.
    pub seed: u64,
    /// Number of projects, at least 1.
    pub projects: usize,
    /// Number of people; the service account is one more.
    pub users: usize,
    /// Number of issues in all, spread over the projects.
    pub issues: usize,
    /// Comments of an issue; drawn per issue.
    pub comments_per_issue: RangeInclusive<usize>,
    /// Changelog entries of an issue; drawn per issue.
    pub histories_per_issue: RangeInclusive<usize>,
    /// How long the search index takes to see a change; drawn per change. What was there at the start is indexed.
    pub index_lag: RangeInclusive<Duration>,
    /// The same for changes by `World::bulk_edit`.
    pub bulk_index_lag: RangeInclusive<Duration>,
    /// Issues that vanish from searches while a change to them is indexed.
    pub index_blink: Blink,
    /// What makes the site's clock go forward.
    pub clock: Pace,
    /// Most issues a search page holds once real fields are asked for (about 100 on the real thing).
    pub page_cap: usize,
    /// Most comments embedded in an issue; the oldest are left out.
    pub embedded_comment_cap: usize,
    /// Most changelog entries embedded by search and bulk fetch; the oldest are left out.
    pub embedded_history_cap: usize,
    /// Worklogs of an issue; drawn per issue, apart from everything else.
    pub worklogs_per_issue: RangeInclusive<usize>,
    /// Most worklogs embedded in an issue; the oldest are left out.
    pub embedded_worklog_cap: usize,
    /// How much one issue may hold.
    pub issue_limits: IssueLimits,
    /// Every how many-th page in the middle of a search is cut short, roughly; 0 means never.
    pub short_pages: u64,
    /// What becomes of a comment that is sent along with a transition.
    pub transition_comments: TransitionComments,
    /// Who signs in.
    pub email: String,
    /// The API token that goes with `email`.
    pub token: String,
    /// Wrong tokens in a row after which an address is locked by a CAPTCHA; none never locks.
    pub captcha_after: Option<u32>,
    /// Whether answers through the gateway come without `X-Aaccountid`.
    pub gateway_hides_account: bool,
    /// Which limits are kept from the start; `World::set_limits` changes them.
    pub limits: Limits,
    /// Who is told of every exchange.
    pub observer: Option<Observer>,
    /// The profile zone of the service account: JQL literals and timestamps are in it.
    pub account_time_zone: Tz,
    /// By which schedule failed webhook deliveries are tried again.
    pub webhook_schedule: Retries,
    /// Pauses before a failed webhook delivery is tried again: Jira's five tries, compressed.
    pub webhook_retries: Vec<Duration>,
    /// How long a receiver may take to answer a webhook.
    pub webhook_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            name: "acme".into(),
            links: Links::default(),
            seed: 1,
            projects: 3,
            users: 12,
            issues: 300,
            comments_per_issue: 0..=6,
            histories_per_issue: 0..=10,
            index_lag: Duration::ZERO..=Duration::ZERO,
            bulk_index_lag: Duration::from_secs(5)..=Duration::from_secs(120),
            index_blink: Blink::default(),
            clock: Pace::Machine,
            page_cap: 100,
            embedded_comment_cap: 100,
            embedded_history_cap: 40,
            worklogs_per_issue: 0..=2,
            embedded_worklog_cap: 20,
            issue_limits: IssueLimits::default(),
            short_pages: 0,
            transition_comments: TransitionComments::Kept,
            email: "mirror@example.com".into(),
            token: "simulated-token".into(),
            captcha_after: None,
            gateway_hides_account: false,
            limits: Limits::default(),
            observer: None,
            account_time_zone: Tz::Europe__Berlin,
            webhook_schedule: Retries::Compressed,
            webhook_retries: [50, 100, 200, 400, 800].map(Duration::from_millis).to_vec(),
            webhook_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// What the links inside answers begin with.
    pub(crate) fn origin(&self) -> String {
        match &self.links {
            Links::To(origin) => origin.clone(),
            Links::Named | Links::Served => format!("https://{}.atlassian.net", self.name),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("listen", &self.listen)
            .field("seed", &self.seed)
            .field("projects", &self.projects)
            .field("issues", &self.issues)
            .finish_non_exhaustive()
    }
}

/// Where the links inside answers lead, `self` and `nextPage` among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// To `https://<name>.atlassian.net`, which is not this site: a client must not follow them with its token.
    #[default]
    Named,
    /// To where the site listens. A `World` that is not served has none, and links as if it were named.
    Served,
    /// To this origin, without a slash at its end.
    To(String),
}

/// How much one issue may hold; what would be more is refused with 413, longer text with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueLimits {
    /// Comments.
    pub comments: usize,
    /// Worklogs.
    pub worklogs: usize,
    /// Links to other issues.
    pub issue_links: usize,
    /// Links to things outside Jira.
    pub remote_links: usize,
    /// Characters of a comment, a description or another text field.
    pub text: usize,
}

impl Default for IssueLimits {
    fn default() -> Self {
        Self { comments: 5000, worklogs: 10_000, issue_links: 2000, remote_links: 2000, text: 32_767 }
    }
}

/// What becomes of a comment that is sent along with a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionComments {
    /// It is added.
    Kept,
    /// The screen has no comment field: it is dropped without a word, and the answer is 204 all the same.
    Dropped,
}
