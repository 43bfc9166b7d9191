//! What the catalogue says about the wall: every table of tenants behind it, and every key beginning with the tenant.

use sea_orm::ConnectionTrait;

use super::texts;
use crate::store::sample::{Mirror, connect};

/// Tables of tenants whose wall has a hole, each with what is wrong: asked of the catalogue, so that tables nobody thought
/// of are found.
const HOLES: &str = "
WITH tables AS (
    SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner,
        CASE c.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END AS tenant
    FROM pg_class c
    WHERE c.relnamespace = 'mirror'::regnamespace AND c.relkind IN ('r', 'p')
        AND (c.relname = 'tenants' OR EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
), policies AS (
    SELECT p.polrelid, p.polcmd, pg_get_expr(p.polqual, p.polrelid) AS shows,
        pg_get_expr(p.polwithcheck, p.polrelid) AS takes,
        p.polpermissive AND NOT p.polroles <@ ARRAY['jirafleet_system', 'jirafleet_views']::regrole[]::oid[] AS for_processes
    FROM pg_policy p
), holes AS (
    SELECT relname, 'has no row security' AS hole FROM tables WHERE NOT relrowsecurity
    UNION ALL SELECT relname, 'does not force row security' FROM tables WHERE NOT relforcerowsecurity
    UNION ALL SELECT relname, 'has no policy of its tenant' FROM tables t WHERE NOT EXISTS (
        SELECT FROM policies p WHERE p.polrelid = t.oid AND p.for_processes AND p.polcmd = '*')
    UNION ALL SELECT t.relname, 'has a policy that is not of its tenant' FROM tables t JOIN policies p ON p.polrelid = t.oid
        CROSS JOIN LATERAL (SELECT format('(%s = (NULLIF(current_setting(''app.current_tenant_id''::text, true), ''''::text))::uuid)', t.tenant) AS own,
            format('(%s = ( SELECT (NULLIF(current_setting(''app.current_tenant_id''::text, true), ''''::text))::uuid AS \"nullif\"))', t.tenant) AS once) o
        WHERE p.for_processes AND (p.shows IS DISTINCT FROM o.own OR p.takes IS DISTINCT FROM o.once)
    UNION ALL SELECT t.relname, 'has a foreign key without the tenant: ' || k.conname
        FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
        JOIN tables parent ON parent.oid = k.confrelid
        WHERE NOT EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS pair (mine, theirs)
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = pair.mine AND a.attname = t.tenant
            JOIN pg_attribute b ON b.attrelid = parent.oid AND b.attnum = pair.theirs AND b.attname = parent.tenant)
    UNION ALL SELECT t.relname, 'has a primary key that another column leads' FROM tables t
        WHERE NOT EXISTS (SELECT FROM pg_index i
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0] AND a.attname = t.tenant
            WHERE i.indrelid = t.oid AND i.indisprimary)
    UNION ALL SELECT t.relname, 'belongs to the processes' FROM tables t
        WHERE pg_has_role('jirafleet_app', t.relowner, 'MEMBER')
)
SELECT relname || ' ' || hole AS text FROM holes ORDER BY 1";

#[tokio::test]
async fn the_wall_has_no_hole() {
    let mirror = Mirror::new().await;
    assert_eq!(texts(&mirror.database.owner_url, HOLES).await, Vec::<String>::new());
    let powerful = "SELECT rolname::text AS text FROM pg_roles
        WHERE rolname LIKE 'jirafleet%' AND (rolsuper OR rolbypassrls
            OR rolname <> 'jirafleet_views' AND pg_has_role(rolname, 'jirafleet_views', 'MEMBER'))";
    assert_eq!(texts(&mirror.database.owner_url, powerful).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_forgotten_table_is_found() {
    for (table, hole) in [
        ("(tenant_id uuid, n int, PRIMARY KEY (tenant_id, n))", "has no row security"),
        (
            "(tenant_id uuid, n int, PRIMARY KEY (tenant_id, n)); ALTER TABLE mirror.forgotten ENABLE ROW LEVEL SECURITY;
            CREATE POLICY own_tenant ON mirror.forgotten USING (tenant_id = (SELECT mirror.current_tenant()))
                WITH CHECK (tenant_id = (SELECT mirror.current_tenant()))",
            "does not force row security",
        ),
        (
            "(tenant_id uuid, n int, PRIMARY KEY (tenant_id, n)); ALTER TABLE mirror.forgotten ENABLE ROW LEVEL SECURITY,
                FORCE ROW LEVEL SECURITY",
            "has no policy of its tenant",
        ),
        (
            "(tenant_id uuid, n int, PRIMARY KEY (tenant_id, n)); ALTER TABLE mirror.forgotten ENABLE ROW LEVEL SECURITY,
                FORCE ROW LEVEL SECURITY; CREATE POLICY open ON mirror.forgotten USING (true)",
            "has a policy that is not of its tenant",
        ),
        (
            "(tenant_id uuid, n uuid REFERENCES mirror.jira_instances (id), PRIMARY KEY (n, tenant_id))",
            "has a foreign key without the tenant",
        ),
        ("(n int PRIMARY KEY, tenant_id uuid)", "has a primary key that another column leads"),
    ] {
        let mirror = Mirror::new().await;
        let owner = connect(&mirror.database.owner_url).await;
        owner.execute_unprepared(&format!("CREATE TABLE mirror.forgotten {table}")).await.unwrap();
        let found = texts(&mirror.database.owner_url, HOLES).await;
        assert!(found.iter().any(|line| line.starts_with(&format!("forgotten {hole}"))), "{hole}: {found:?}");
        assert!(found.iter().all(|line| line.starts_with("forgotten ")), "{found:?}");
    }
}
