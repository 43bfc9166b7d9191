//! The webhook of each instance: where it is registered, until when it lives, and whether it can be relied upon.

use sea_orm_migration::prelude::*;

use crate::{
    roles::{APP, SYSTEM},
    tables::{expose, protect},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(TABLE).await?;
        protect(manager, "webhooks", "tenant_id").await?;
        manager.get_connection().execute_unprepared(&lookup()).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = format!(
            "DROP FUNCTION mirror.find_webhooks();
            DROP POLICY system_reads ON mirror.webhooks;
            REVOKE ALL ON mirror.webhooks FROM {SYSTEM};"
        );
        manager.get_connection().execute_unprepared(&sql).await?;
        expose(manager, "webhooks").await?;
        manager.get_connection().execute_unprepared("DROP TABLE mirror.webhooks").await?;
        Ok(())
    }
}

/// A row without a kind is an instance whose webhook was made by hand in Jira, or that has none: only its health is known.
const TABLE: &str = "
CREATE TABLE mirror.webhooks (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    kind text CHECK (kind IN ('admin', 'dynamic')),
    url text,
    remote_ids bigint[] NOT NULL DEFAULT '{}',
    expires_at timestamptz,
    registered_at timestamptz,
    checked_at timestamptz,
    verified_at timestamptz,
    problem text,
    health text NOT NULL DEFAULT 'unknown' CHECK (health IN ('unknown', 'healthy', 'lossy', 'silent')),
    health_since timestamptz NOT NULL DEFAULT now(),
    previous_secret_sealed bytea,
    previous_secret_until timestamptz,
    CHECK ((kind IS NULL) = (url IS NULL)),
    PRIMARY KEY (tenant_id, instance_id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES mirror.jira_instances (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN mirror.webhooks.checked_at IS 'when Jira was last asked whether it is still there';
COMMENT ON COLUMN mirror.webhooks.previous_secret_sealed IS 'what the secret replaced; still taken for a while';
COMMENT ON COLUMN mirror.webhooks.verified_at IS 'when a change made for that purpose last arrived';
";

/// Schedulers and gauges ask across tenants; what they see names no tenant's data.
fn lookup() -> String {
    format!(
        "GRANT SELECT (instance_id, kind, expires_at, problem, health, health_since) ON mirror.webhooks TO {SYSTEM};
        CREATE POLICY system_reads ON mirror.webhooks FOR SELECT TO {SYSTEM} USING (true);
        CREATE FUNCTION mirror.find_webhooks() RETURNS TABLE (instance_id uuid, kind text, expires_at timestamptz,
                problem text, health text, health_since timestamptz)
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $$
                SELECT w.instance_id, w.kind, w.expires_at, w.problem, w.health, w.health_since FROM mirror.webhooks w
            $$;
        REVOKE ALL ON FUNCTION mirror.find_webhooks() FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION mirror.find_webhooks() TO {APP};
        GRANT {SYSTEM} TO CURRENT_USER;
        GRANT CREATE ON SCHEMA mirror TO {SYSTEM};
        ALTER FUNCTION mirror.find_webhooks() OWNER TO {SYSTEM};
        REVOKE CREATE ON SCHEMA mirror FROM {SYSTEM};
        REVOKE {SYSTEM} FROM CURRENT_USER;"
    )
}
