//! The keys that seal secrets, themselves sealed: one row a tenant and data key, and those of the whole house.

use sea_orm_migration::prelude::*;

use crate::{
    lookups,
    roles::{APP, SYSTEM},
    tables::{expose, protect},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        protect(manager, "tenant_keys", "tenant_id").await?;
        manager.get_connection().execute_unprepared(&lookup()).await?;
        lookups::hand_over(manager, LOOKUP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = format!(
            "DROP FUNCTION mirror.{LOOKUP};
            DROP POLICY system_reads ON mirror.tenant_keys;
            REVOKE ALL ON mirror.tenant_keys FROM {SYSTEM};"
        );
        manager.get_connection().execute_unprepared(&sql).await?;
        expose(manager, "tenant_keys").await?;
        manager.get_connection().execute_unprepared("DROP TABLE mirror.tenant_keys, mirror.house_keys").await?;
        Ok(())
    }
}

/// `kek` names the master key that sealed the row; no key can be learned from it.
const UP: &str = "
CREATE TABLE mirror.tenant_keys (
    tenant_id uuid NOT NULL REFERENCES mirror.tenants (id),
    id integer NOT NULL CHECK (id > 0),
    kek text NOT NULL,
    key_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE mirror.house_keys (
    name text PRIMARY KEY,
    kek text NOT NULL,
    key_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE mirror.house_keys IS 'peppers, which belong to no tenant and never change';
";

const LOOKUP: &str = "find_tenant_keys(text, uuid, integer, bigint)";

/// Data keys that another master key sealed than the one named, in order: a page of at most so many after one. Ids and ages, never a key.
fn lookup() -> String {
    format!(
        "GRANT SELECT (tenant_id, id, kek, created_at) ON mirror.tenant_keys TO {SYSTEM};
        CREATE POLICY system_reads ON mirror.tenant_keys FOR SELECT TO {SYSTEM} USING (true);
        GRANT SELECT, INSERT, UPDATE ON mirror.house_keys TO {APP};
        CREATE FUNCTION mirror.{LOOKUP}
            RETURNS TABLE (tenant_id uuid, id integer, kek text, created_at timestamptz)
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $$
                SELECT k.tenant_id, k.id, k.kek, k.created_at
                FROM mirror.tenant_keys k
                WHERE ($1 IS NULL OR k.kek <> $1) AND ($2 IS NULL OR (k.tenant_id, k.id) > ($2, $3))
                ORDER BY k.tenant_id, k.id LIMIT $4
            $$;"
    )
}
