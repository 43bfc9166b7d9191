//! The mirror in PostgreSQL: the only crate that reads and writes rows.
//!
//! There is no connection without saying for whom: [`Store`] gives a [`TenantStore`], which reads, and opens a
//! [`TenantTx`], which writes. [`TenantTx::apply`] is the one door through which Jira's answers become rows.

mod apply;
mod backfill;
mod credentials;
mod directory;
mod error;
mod grants;
mod instances;
mod issues;
mod missing;
mod orm;
mod rows;
mod seal;
mod search;
mod snapshots;
mod tenancy;
mod tenants;
mod watermarks;

pub use apply::Applied;
pub use backfill::{BackfillPlan, BackfillPosition, BackfillProgress, BackfillRow};
pub use credentials::{App, Credentials, Login};
pub use error::Error;
pub use grants::{Grant, Turn};
pub use instances::NewInstance;
pub use issues::Counts;
pub use seal::{MasterKey, NotAMasterKey};
pub use search::Issues;
pub use tenancy::{Config, SCHEMA, Store, TenantStore, TenantTx};
pub use tenants::System;
