//! A Jira Cloud site that lives in memory: a real HTTP server with Jira's late search index, cut-off lists, quiet
//! authentication failures and signed webhooks, made from a seed and scripted by tests, demos and developers.

mod access;
mod clock;
mod config;
mod faults;
mod index;
mod journal;
mod jql;
mod limits;
mod line;
mod rest;
mod site;
mod webhooks;
mod world;

pub use access::oauth::AppKeys;
pub use clock::Pace;
pub use config::{Config, IssueLimits, Links, TransitionComments};
pub use faults::{Fault, Requests, Route};
pub use index::Blink;
pub use journal::{Exchange, Observer};
pub use limits::{Enforcement, Limits, Quota, Reason, Reset, Signs, Throttle};
pub use site::Simulator;
pub use webhooks::{About, Deliveries, Mischief, Retries};
pub use world::World;
pub use world::catalogue::{IssueType, Priority, Status};
pub use world::edits::EditError;
pub use world::issue::{AccountId, Issue};
pub use world::parts::{Part, Parts};
pub use world::text::Text;
