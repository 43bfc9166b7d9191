//! The tokens of OAuth grants, apart from their instances: a refresh rewrites these rows and no others.

use sea_orm_migration::prelude::*;

use crate::tables::{expose, protect};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        protect(manager, "oauth_grants", "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        expose(manager, "oauth_grants").await?;
        manager.get_connection().execute_unprepared("DROP TABLE mirror.oauth_grants").await?;
        Ok(())
    }
}

/// `version` counts the pairs that were stored; `holder` may replace this one until `lease_until`.
const UP: &str = "
CREATE TABLE mirror.oauth_grants (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0),
    expires_at timestamptz NOT NULL,
    tokens_sealed bytea NOT NULL,
    holder text,
    lease_until timestamptz,
    PRIMARY KEY (tenant_id, instance_id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES mirror.jira_instances (tenant_id, id) ON DELETE CASCADE
);

COMMENT ON COLUMN mirror.oauth_grants.tokens_sealed IS 'access and refresh token, sealed for this row';
COMMENT ON COLUMN mirror.oauth_grants.expires_at IS 'when the access token ends';
";
