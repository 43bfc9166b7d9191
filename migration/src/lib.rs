//! The database's schema as a list of steps, each of which can be taken and taken back.
//!
//! Everything lives in the schema `mirror`, the list of steps taken included. Several pods may call [`up`] at once.
#![expect(elided_lifetimes_in_paths, reason = "async_trait wants the lifetimes of SeaORM's trait as they are")]

mod error;
mod lookups;
mod m0001_tenants;
mod m0002_mirror;
mod m0003_indexes;
mod m0004_rls;
mod m0005_oauth_grants;
mod m0006_worklogs_sprints;
mod m0007_search;
mod m0008_access;
mod m0009_views;
mod m0010_tenant_keys;
mod m0011_census;
mod m0012_webhooks;
mod m0013_idempotency;
mod m0014_policies;
mod m0015_checks;
mod m0016_statistics;
mod m0017_held_issues;
mod roles;
mod session;
mod tables;

use sea_orm_migration::{MigrationStatus, MigrationTrait, MigratorTrait, async_trait};

pub use crate::error::Error;

/// The login of the processes that private servers and the guides make.
pub const APP_LOGIN: &str = "jirafleet";

/// How many steps to take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// The newest so many.
    Newest(u32),
    /// Everything: an empty database is left, and the roles, which belong to the whole server.
    All,
}

/// One step, and whether it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Such as `m0001_tenants`.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// Takes every step that is missing, as the owner of the database (a login with CREATEROLE, no superuser), and gives the
/// login [`APP_LOGIN`] what processes may do, if there is one.
pub async fn up(owner_url: &str) -> Result<(), Error> {
    up_for(owner_url, APP_LOGIN).await
}

/// [`up`] for processes that log in under another name. A login that does not exist yet is given its rights by the next
/// call.
pub async fn up_for(owner_url: &str, app_login: &str) -> Result<(), Error> {
    let session = session::open(owner_url).await?;
    roles::prepare(&session).await?;
    if let Err(error) = Migrator::up(session.connection(), None).await {
        return Err(Error::from(error).at(first_missing(&session).await));
    }
    roles::admit(&session, app_login).await?;
    session.close().await
}

/// The step that comes next: after one that broke off, the one that did.
async fn first_missing(session: &session::Session) -> Option<String> {
    let steps = Migrator::get_migration_with_status_read_only(session.connection()).await.ok()?;
    steps.iter().find(|step| step.status() == MigrationStatus::Pending).map(|step| step.name().to_owned())
}

/// Takes steps back. What they held is lost.
pub async fn down(owner_url: &str, steps: Steps) -> Result<(), Error> {
    let session = session::open(owner_url).await?;
    let count = match steps {
        Steps::Newest(count) => Some(count),
        Steps::All => None,
    };
    Migrator::down(session.connection(), count).await?;
    session.close().await
}

/// Every step this program knows, oldest first. Changes nothing, so the processes' login may ask too.
pub async fn status(url: &str) -> Result<Vec<Step>, Error> {
    let connection = session::connect(url).await?;
    let steps = Migrator::get_migration_with_status_read_only(&connection).await?;
    connection.close().await?;
    let applied = |status| status == MigrationStatus::Applied;
    Ok(steps.iter().map(|step| Step { name: step.name().to_owned(), applied: applied(step.status()) }).collect())
}

/// The names of all steps this program knows, oldest first.
pub fn known() -> Vec<String> {
    Migrator::migrations().iter().map(|step| step.name().to_owned()).collect()
}

/// The name of the newest step this program knows.
pub fn newest() -> String {
    Migrator::migrations().last().map(|step| step.name().to_owned()).unwrap_or_default()
}

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_tenants::Migration),
            Box::new(m0002_mirror::Migration),
            Box::new(m0003_indexes::Migration),
            Box::new(m0004_rls::Migration),
            Box::new(m0005_oauth_grants::Migration),
            Box::new(m0006_worklogs_sprints::Migration),
            Box::new(m0007_search::Migration),
            Box::new(m0008_access::Migration),
            Box::new(m0009_views::Migration),
            Box::new(m0010_tenant_keys::Migration),
            Box::new(m0011_census::Migration),
            Box::new(m0012_webhooks::Migration),
            Box::new(m0013_idempotency::Migration),
            Box::new(m0014_policies::Migration),
            Box::new(m0015_checks::Migration),
            Box::new(m0016_statistics::Migration),
            Box::new(m0017_held_issues::Migration),
        ]
    }
}
