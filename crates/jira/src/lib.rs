//! What Jira Cloud can be asked: the only door to Jira.
//!
//! Every request goes through [`Client`]'s one `send`: it is paid for from the instance's budget, tried again where that is
//! safe, and its answer is believed only when it is Jira's and provably came from our own account. The wire format stays in
//! here; what comes out is [`domain`], or a small type of this crate where the mirror keeps no such thing.
//!
//! - the door: `client`, `request`, `transfer`, `answer`, `identity`, `retry`, `unknown` (writes that may have happened)
//! - the way in: `credentials`, `access` (site or gateway; OAuth tokens that rotate)
//! - the limits: `budget` (the fleet's), `pace` (one issue's), `throttle` and `heed` (what Jira says about its own), `figures`
//! - reading: `search`, `hydrate`, `issues`, `comments`, `worklogs`, `directory`, `reference`, `meta`, `agile`, `hooks`,
//!   `tenants`, all listings through `paging`
//! - writing: `writes`
//! - JSON: `wire`, `lenient`, `convert`, `refusal`, `jql`

mod access;
mod agile;
mod answer;
mod budget;
mod client;
mod clients;
mod comments;
mod config;
mod convert;
mod credentials;
mod directory;
mod error;
mod figures;
mod heed;
mod hooks;
mod hydrate;
mod identity;
mod issues;
mod jql;
mod lenient;
mod meta;
mod pace;
mod paging;
mod reference;
mod refusal;
mod request;
mod retry;
mod search;
mod tenants;
mod throttle;
mod transfer;
mod unknown;
mod wire;
mod worklogs;
mod writes;

#[cfg(test)]
mod tests;

pub use agile::Board;
pub use budget::{Budgets, Drawn, Endpoint, Obstacle, Priority, Reach, Standing, Verb};
pub use client::Client;
pub use clients::Clients;
pub use comments::MarkedComment;
pub use config::ClientConfig;
pub use convert::{field_from_json, person_from_json, project_from_json, snapshot_from_json};
pub use credentials::{Atlassian, Claim, Credentials, Grant, OAuth, TokenStore, TokenStoreError};
pub use directory::{Myself, ServerInfo, Users};
pub use error::{Asked, Error, Trouble};
pub use figures::show_rare_figures;
pub use hooks::{DynamicWebhook, NewWebhook, RegisteredWebhook, Webhook};
pub use hydrate::Hydrated;
pub use issues::{IssueName, Transition, UpdateTimes};
pub use meta::CreateField;
pub use reference::{LinkType, SiteIssueType, SiteStatus};
pub use search::{IdPage, UpdatedPage};
pub use tenants::Resource;
pub use worklogs::WorklogChanges;
pub use writes::{Assignee, FieldValues, Landed, Mark, NewComment, NewIssue, NewTransition, Visible};
