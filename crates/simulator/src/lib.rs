//! A Jira Cloud site that lives in memory: a real HTTP server with Jira's late search index, cut-off lists, quiet
//! authentication failures and signed webhooks, made from a seed and scripted by tests, demos and developers.

mod config;
mod faults;
mod index;
mod jql;
mod rest;
mod site;
mod webhooks;
mod world;

pub use config::{Config, IssueLimits, TransitionComments};
pub use faults::{Fault, Requests, Route};
pub use site::Simulator;
pub use webhooks::{Deliveries, Mischief};
pub use world::World;
pub use world::catalogue::{IssueType, Priority, Status};
pub use world::edits::EditError;
pub use world::issue::{AccountId, Issue};
pub use world::text::Text;
