//! The wall between tenants: policies on every table, forced on the owner too, and the two functions that look over it.

use sea_orm_migration::prelude::*;

use crate::{
    roles::{APP, SYSTEM},
    tables::{expose, protect},
};

/// Every table that holds tenants' rows, and the column that says whose.
const TABLES: [(&str, &str); 11] = [
    ("tenants", "id"),
    ("jira_instances", "tenant_id"),
    ("projects", "tenant_id"),
    ("users", "tenant_id"),
    ("custom_fields", "tenant_id"),
    ("issues", "tenant_id"),
    ("issue_key_aliases", "tenant_id"),
    ("comments", "tenant_id"),
    ("changelogs", "tenant_id"),
    ("issue_links", "tenant_id"),
    ("sync_watermarks", "tenant_id"),
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, tenant) in TABLES {
            protect(manager, table, tenant).await?;
        }
        let schema = format!(
            "GRANT USAGE ON SCHEMA mirror TO {APP}, {SYSTEM};
            GRANT SELECT ON mirror.seaql_migrations TO {APP};
            REVOKE ALL ON FUNCTION mirror.current_tenant() FROM PUBLIC;
            GRANT EXECUTE ON FUNCTION mirror.current_tenant() TO {APP}, {SYSTEM};"
        );
        manager.get_connection().execute_unprepared(&schema).await?;
        manager.get_connection().execute_unprepared(&lookups()).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = format!(
            "DROP FUNCTION mirror.find_tenants(uuid, text);
            DROP FUNCTION mirror.find_instances(uuid, text);
            DROP POLICY system_reads ON mirror.tenants;
            DROP POLICY system_reads ON mirror.jira_instances;
            REVOKE ALL ON mirror.tenants, mirror.jira_instances FROM {SYSTEM};
            REVOKE ALL ON mirror.seaql_migrations FROM {APP};
            REVOKE ALL ON FUNCTION mirror.current_tenant() FROM {APP}, {SYSTEM};
            GRANT EXECUTE ON FUNCTION mirror.current_tenant() TO PUBLIC;
            REVOKE ALL ON SCHEMA mirror FROM {APP}, {SYSTEM};"
        );
        manager.get_connection().execute_unprepared(&sql).await?;
        for (table, _) in TABLES {
            expose(manager, table).await?;
        }
        Ok(())
    }
}

/// What schedulers and operators need before they know a tenant: names and states, never a credential.
///
/// Handing a function to another role needs membership and the right to create; both are taken back at once, because a
/// member would also be covered by that role's policies.
fn lookups() -> String {
    format!(
        "GRANT SELECT ON mirror.tenants TO {SYSTEM};
        GRANT SELECT (tenant_id, id, name, site, account_id, state, state_reason, poll_interval_seconds,
            requests_per_minute, created_at) ON mirror.jira_instances TO {SYSTEM};
        CREATE POLICY system_reads ON mirror.tenants FOR SELECT TO {SYSTEM} USING (true);
        CREATE POLICY system_reads ON mirror.jira_instances FOR SELECT TO {SYSTEM} USING (true);

        CREATE FUNCTION mirror.find_tenants(by_id uuid, by_name text)
            RETURNS TABLE (id uuid, name text, suspended boolean, created_at timestamptz)
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $$
                SELECT t.id, t.name, t.suspended, t.created_at
                FROM mirror.tenants t
                WHERE (by_id IS NULL OR t.id = by_id) AND (by_name IS NULL OR t.name = by_name)
                ORDER BY t.name
            $$;

        CREATE FUNCTION mirror.find_instances(by_id uuid, by_name text)
            RETURNS TABLE (tenant_id uuid, id uuid, name text, site text, account_id text, state text,
                state_reason text, poll_interval_seconds bigint, requests_per_minute integer, created_at timestamptz)
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $$
                SELECT i.tenant_id, i.id, i.name, i.site, i.account_id, i.state, i.state_reason,
                    i.poll_interval_seconds, i.requests_per_minute, i.created_at
                FROM mirror.jira_instances i
                WHERE (by_id IS NULL OR i.id = by_id) AND (by_name IS NULL OR i.name = by_name)
                ORDER BY i.name
            $$;

        REVOKE ALL ON FUNCTION mirror.find_tenants(uuid, text), mirror.find_instances(uuid, text) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION mirror.find_tenants(uuid, text), mirror.find_instances(uuid, text) TO {APP};

        GRANT {SYSTEM} TO CURRENT_USER;
        GRANT CREATE ON SCHEMA mirror TO {SYSTEM};
        ALTER FUNCTION mirror.find_tenants(uuid, text) OWNER TO {SYSTEM};
        ALTER FUNCTION mirror.find_instances(uuid, text) OWNER TO {SYSTEM};
        REVOKE CREATE ON SCHEMA mirror FROM {SYSTEM};
        REVOKE {SYSTEM} FROM CURRENT_USER;"
    )
}
