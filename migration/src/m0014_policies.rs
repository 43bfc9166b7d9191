//! Row policies that cost next to nothing to plan.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        plainly(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let current = "(SELECT mirror.current_tenant())";
        compare(manager, current, current).await
    }
}

/// Whom the transaction is for.
pub(crate) const OWN: &str = "nullif(current_setting('app.current_tenant_id', true), '')::uuid";

/// Has every policy of tenants compare with the setting itself.
///
/// The sub-select was planned with each question, and the function in it parsed: a fifth of what reading an issue by its key
/// takes. Where a question names its tenant, the planner asks the plain expression once, before it reads a row; elsewhere it
/// goes into the index that the tenant leads.
pub(crate) async fn plainly(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    compare(manager, OWN, OWN).await
}

/// Has every policy of tenants compare what is read with `shown`, and what is written with `taken`.
pub(crate) async fn compare(manager: &SchemaManager<'_>, shown: &str, taken: &str) -> Result<(), DbErr> {
    let sql = format!(
        "DO $do$
        DECLARE t record;
        BEGIN
            FOR t IN
                SELECT c.relname AS name, CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END AS tenant
                FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
                WHERE p.polname = 'own_tenant' AND c.relnamespace = 'mirror'::regnamespace
                ORDER BY 1
            LOOP
                EXECUTE format('ALTER POLICY own_tenant ON mirror.%1$I USING (%2$I = %3$s) WITH CHECK (%2$I = %4$s)',
                    t.name, t.tenant, $shown${shown}$shown$, $taken${taken}$taken$);
            END LOOP;
        END $do$"
    );
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
