//! The mirror in PostgreSQL: the only crate that reads and writes rows.
//!
//! There is no connection without saying for whom: [`Store`] gives a [`TenantStore`], which reads, and opens a
//! [`TenantTx`], which writes. [`TenantTx::apply`] is the one door through which Jira's answers become rows. What is read
//! again and again is kept in Redis; a write drops it when it is committed.

mod ai_calls;
mod api_keys;
mod api_token;
mod apply;
mod audit;
mod backfill;
mod cache;
mod census;
mod clearing;
mod credentials;
mod cursors;
mod directory;
mod error;
mod grants;
mod idempotency;
mod instances;
mod issues;
mod missing;
mod orm;
mod parts;
mod people;
mod reconcile;
mod rows;
mod seal;
mod search;
mod snapshots;
mod survey;
mod tenancy;
mod tenants;
mod views;
mod watermarks;
mod webhooks;

pub use ai_calls::{AiCall, AiSpent};
pub use api_keys::{ApiKey, ApiKeyId, NewApiKey};
pub use api_token::{ApiToken, NotAToken};
pub use apply::Applied;
pub use audit::{Actor, ActorKind, AuditEntry, AuditFilter, AuditId, Begun, Deed, Ending, Verified};
pub use backfill::{BackfillPlan, BackfillPosition, BackfillProgress, BackfillRow};
pub use cache::{CacheConfig, show_rare_figures};
pub use census::{Balance, CensusEnd, CensusPosition, CensusRow, CensusStep};
pub use clearing::Litter;
pub use credentials::{App, Credentials, Login};
pub use error::Error;
pub use grants::{Grant, Turn};
pub use idempotency::{Claim, Claimed};
pub use instances::NewInstance;
pub use ipnet::IpNet;
pub use issues::Counts;
pub use missing::Gone;
pub use parts::Parts;
pub use reconcile::TimeDrift;
pub use seal::{MasterKey, NotAMasterKey, SealedCount, TenantKey};
pub use search::Issues;
pub use survey::{Login as DatabaseLogin, Survey, survey};
pub use tenancy::{Config, SCHEMA, Store, TenantStore, TenantTx};
pub use tenants::{System, TenantChange};
pub use views::{LeadTime, LeadTimeFilter, ProjectMetrics, Refreshed, View, ViewAge, Workload};
pub use webhooks::{Registration, Webhook, WebhookKeys, WebhookKind, WebhookState};
