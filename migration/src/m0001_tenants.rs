//! Tenants, the Jira sites they registered, and the question whose turn it is.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// After a transaction the setting is an empty text rather than absent, hence `nullif`.
const UP: &str = "
CREATE TABLE mirror.tenants (
    id uuid PRIMARY KEY,
    name text NOT NULL CONSTRAINT tenants_name_key UNIQUE,
    suspended boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE mirror.jira_instances (
    tenant_id uuid NOT NULL REFERENCES mirror.tenants (id),
    id uuid NOT NULL CONSTRAINT jira_instances_id_key UNIQUE,
    name text NOT NULL CONSTRAINT jira_instances_name_key UNIQUE,
    site text NOT NULL,
    account_id text,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'suspended')),
    state_reason text,
    poll_interval_seconds bigint NOT NULL CHECK (poll_interval_seconds > 0),
    requests_per_minute integer NOT NULL CHECK (requests_per_minute > 0),
    credentials_sealed bytea NOT NULL,
    webhook_secret_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);

COMMENT ON COLUMN mirror.jira_instances.credentials_sealed IS 'e-mail and token, sealed for this row';

CREATE FUNCTION mirror.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.current_tenant_id', true), '')::uuid $$;
";

const DOWN: &str = "
DROP FUNCTION mirror.current_tenant();
DROP TABLE mirror.jira_instances;
DROP TABLE mirror.tenants;
";
