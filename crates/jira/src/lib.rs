//! What Jira Cloud can be asked: the only door to Jira.
//!
//! Every request goes through [`Client`]'s one `send`: it is paid for from the instance's budget, tried again where that is
//! safe, and its answer is believed only when it provably came from our own account. The wire format stays in here; what
//! comes out is [`domain`].

mod answer;
mod budget;
mod client;
mod clients;
mod convert;
mod directory;
mod error;
mod hydrate;
mod identity;
mod jql;
mod lenient;
mod refusal;
mod request;
mod retry;
mod search;
mod wire;

#[cfg(test)]
mod tests;

pub use budget::{Budgets, Drawn, Priority};
pub use client::{Client, ClientConfig, Credentials};
pub use clients::Clients;
pub use convert::snapshot_from_json;
pub use directory::{Myself, ServerInfo, Users};
pub use error::Error;
pub use hydrate::Hydrated;
pub use search::{IdPage, UpdatedPage};
