//! What every table of a tenant gets, whichever step makes it.

use sea_orm_migration::{DbErr, SchemaManager, sea_orm::ConnectionTrait};

use crate::roles::APP;

/// Row security, also for the owner, and the processes' rights. `tenant` is the column that says whose a row is.
///
/// The sub-select is how policies were written up to `m0014_policies`; a later step calls `m0015_checks::once` after this.
pub(crate) async fn protect(manager: &SchemaManager<'_>, table: &str, tenant: &str) -> Result<(), DbErr> {
    let sql = format!(
        "ALTER TABLE mirror.{table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE mirror.{table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY own_tenant ON mirror.{table}
            USING ({tenant} = (SELECT mirror.current_tenant()))
            WITH CHECK ({tenant} = (SELECT mirror.current_tenant()));
        GRANT SELECT, INSERT, UPDATE, DELETE ON mirror.{table} TO {APP};"
    );
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}

/// Takes back what [`protect`] did.
pub(crate) async fn expose(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    let sql = format!(
        "REVOKE ALL ON mirror.{table} FROM {APP};
        DROP POLICY own_tenant ON mirror.{table};
        ALTER TABLE mirror.{table} NO FORCE ROW LEVEL SECURITY;
        ALTER TABLE mirror.{table} DISABLE ROW LEVEL SECURITY;"
    );
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
