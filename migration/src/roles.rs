//! The roles behind the policies. They belong to the whole server, so another database may be making them right now.
//!
//! `jirafleet_app` holds what processes may do; logins are members of it. `jirafleet_system` owns the few functions that
//! look across tenants and may do nothing else. `jirafleet_views` owns the materialized views and reads what they count.
//! None of them can log in.

use std::time::Duration;

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::{Error, session::Session};

/// What processes may do.
pub(crate) const APP: &str = "jirafleet_app";
/// Looks across tenants, inside functions only.
pub(crate) const SYSTEM: &str = "jirafleet_system";
/// Counts across tenants, inside materialized views only.
pub(crate) const VIEWS: &str = "jirafleet_views";

const ATTEMPTS: u32 = 8;

/// Makes schema and roles, and refuses roles that no policy would stop.
pub(crate) async fn prepare(session: &Session) -> Result<(), Error> {
    session.run("CREATE SCHEMA IF NOT EXISTS mirror").await?;
    for role in [APP, SYSTEM, VIEWS] {
        session.run(&create(role)).await?;
        must_be_harmless(session, role).await?;
    }
    Ok(())
}

/// Makes a login a member of the processes' role.
pub(crate) async fn admit(session: &Session, login: &str) -> Result<(), Error> {
    must_be_harmless(session, login).await?;
    let sql = format!(
        "DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {name})
                AND NOT pg_catalog.pg_has_role({name}, '{APP}', 'MEMBER') THEN
                EXECUTE pg_catalog.format('GRANT {APP} TO %I', {name});
            END IF;
        END $$",
        name = quoted(login)
    );
    let mut attempt = 0;
    // Two databases of one server that admit the same login at once meet in one row of the server's catalogue.
    loop {
        match session.run(&sql).await {
            Err(Error::Database(_)) if attempt < ATTEMPTS => attempt += 1,
            answer => return answer,
        }
        tokio::time::sleep(Duration::from_millis(20 << attempt.min(5))).await;
    }
}

fn create(role: &str) -> String {
    format!(
        "DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{role}') THEN
                CREATE ROLE {role} NOLOGIN;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$"
    )
}

async fn must_be_harmless(session: &Session, role: &str) -> Result<(), Error> {
    let sql = "SELECT FROM pg_catalog.pg_roles WHERE rolname = $1 AND (rolsuper OR rolbypassrls)";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [role.into()]);
    match session.connection().query_one_raw(statement).await? {
        None => Ok(()),
        Some(_) => Err(Error::TooPowerful { role: role.to_owned() }),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
