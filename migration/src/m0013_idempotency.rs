//! The keys with which callers make a write happen once: what was asked under each, and what came of it.

use sea_orm_migration::prelude::*;

use crate::tables::{expose, protect};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(TABLE).await?;
        protect(manager, "idempotency_keys", "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        expose(manager, "idempotency_keys").await?;
        manager.get_connection().execute_unprepared("DROP TABLE mirror.idempotency_keys").await?;
        Ok(())
    }
}

/// A row without an outcome is a write that is under way, or whose process ended in the middle of it.
const TABLE: &str = "
CREATE TABLE mirror.idempotency_keys (
    tenant_id uuid NOT NULL REFERENCES mirror.tenants (id),
    caller text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    claim uuid NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now(),
    outcome text,
    PRIMARY KEY (tenant_id, caller, key)
);

CREATE INDEX idempotency_keys_by_age ON mirror.idempotency_keys (tenant_id, began_at);

COMMENT ON COLUMN mirror.idempotency_keys.caller IS 'whose key it is: two callers may use the same text';
COMMENT ON COLUMN mirror.idempotency_keys.fingerprint IS 'SHA-256 of what was asked';
COMMENT ON COLUMN mirror.idempotency_keys.claim IS 'names the one request that does the work';
";
