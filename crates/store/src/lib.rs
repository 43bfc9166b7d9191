//! The mirror in PostgreSQL: the only crate that reads and writes rows.
//!
//! There is no connection without saying for whom: [`Store`] gives a [`TenantStore`], which reads, and opens a
//! [`TenantTx`], which writes. [`TenantTx::apply`] is the one door through which Jira's answers become rows.

mod apply;
mod backfill;
mod census;
mod credentials;
mod directory;
mod error;
mod grants;
mod instances;
mod issues;
mod missing;
mod orm;
mod reconcile;
mod rows;
mod seal;
mod snapshots;
mod tenancy;
mod tenants;
mod watermarks;

pub use apply::Applied;
pub use backfill::{BackfillPlan, BackfillPosition, BackfillProgress, BackfillRow};
pub use census::{Balance, CensusEnd, CensusPosition, CensusRow, CensusStep};
pub use credentials::{App, Credentials, Login};
pub use error::Error;
pub use grants::{Grant, Turn};
pub use instances::NewInstance;
pub use issues::Counts;
pub use missing::Gone;
pub use reconcile::TimeDrift;
pub use seal::{MasterKey, NotAMasterKey};
pub use tenancy::{Config, SCHEMA, Store, TenantStore, TenantTx};
pub use tenants::System;
