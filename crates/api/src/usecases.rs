//! What a person or an agent may do. Nothing in here knows how it was asked: no HTTP, no status codes.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod caller;
pub(crate) mod context;
pub(crate) mod cursor;
pub(crate) mod directory;
pub(crate) mod error;
pub(crate) mod insight;
pub(crate) mod issues;
pub(crate) mod once;
pub(crate) mod recent;
pub(crate) mod sync;
pub(crate) mod tenants;
pub(crate) mod version;
pub(crate) mod write_back;
pub(crate) mod writing;

pub(crate) use caller::Caller;
pub(crate) use context::Context;
pub(crate) use cursor::{Listing, Paging};
pub(crate) use error::Error;
