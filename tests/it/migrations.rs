//! The schema: there and back again, by several at once, and never with roles that no policy stops.

use std::collections::BTreeMap;

use migration::{Steps, down, status, up};
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};

use crate::{
    store::sample::{connect, register},
    tenancy::fill,
};

/// Everything in the schema that a migration can make: columns, indexes, constraints, policies, functions and grants.
const SCHEMA: &str = "
WITH ours AS (SELECT oid, nspname, nspacl FROM pg_namespace WHERE nspname ~ '^mirror'),
things AS (SELECT * FROM pg_class WHERE relnamespace IN (SELECT oid FROM ours) AND relkind IN ('r', 'v', 'm'))
SELECT string_agg(line, E'\n' ORDER BY line) AS schema FROM (
    SELECT 'column ' || c.relname || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) AS line
        FROM things c JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname ~ '^mirror'
    UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT 'policy ' || tablename || ' ' || policyname || ' ' || coalesce(qual, '') FROM pg_policies
        WHERE schemaname ~ '^mirror'
    UNION ALL SELECT 'function ' || proname || ' ' || proowner::regrole || ' ' || proacl::text FROM pg_proc
        WHERE pronamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT 'view ' || relname || ' ' || pg_get_viewdef(oid) FROM things WHERE relkind <> 'r'
    UNION ALL SELECT 'grant ' || relname || ' ' || relowner::regrole || coalesce(relacl::text, '')
            || relrowsecurity || relforcerowsecurity
        FROM things
    UNION ALL SELECT 'column grant ' || attrelid::regclass || ' ' || attname || ' ' || attacl::text
        FROM pg_attribute WHERE attrelid IN (SELECT oid FROM things) AND attacl IS NOT NULL
    UNION ALL SELECT 'schema ' || nspname || coalesce(nspacl::text, '') FROM ours WHERE nspname <> 'mirror'
) AS everything";

async fn schema(url: &str) -> String {
    let connection = connect(url).await;
    let statement = Statement::from_string(connection.get_database_backend(), SCHEMA);
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    connection.close().await.unwrap();
    row.try_get::<Option<String>>("", "schema").unwrap().unwrap_or_default()
}

async fn applied(url: &str) -> usize {
    status(url).await.unwrap().iter().filter(|step| step.applied).count()
}

#[tokio::test]
async fn up_down_up_is_up() {
    let database = tests::empty_database().await;
    let owner = &database.owner_url;
    assert_eq!(applied(owner).await, 0);
    up(owner).await.unwrap();
    let steps = status(owner).await.unwrap();
    assert!(steps.iter().all(|step| step.applied), "{steps:?}");
    let before = schema(owner).await;
    for _ in 0..steps.len() {
        down(owner, Steps::Newest(1)).await.unwrap();
    }
    assert_eq!(applied(owner).await, 0);
    let left = schema(owner).await;
    assert!(left.lines().all(|line| line.contains("seaql_migrations")), "{left}");
    up(owner).await.unwrap();
    assert_eq!(schema(owner).await, before);
    down(owner, Steps::All).await.unwrap();
    up(owner).await.unwrap();
    assert_eq!(schema(owner).await, before);
    assert_eq!(applied(&database.app_url).await, steps.len());
}

#[tokio::test]
async fn each_step_down_is_the_step_before() {
    let database = tests::empty_database().await;
    let owner = &database.owner_url;
    up(owner).await.unwrap();
    let full = schema(owner).await;
    let steps = u32::try_from(status(owner).await.unwrap().len()).unwrap();
    for count in 1..=steps {
        down(owner, Steps::Newest(count)).await.unwrap();
        up(owner).await.unwrap();
        assert_eq!(schema(owner).await, full, "after {count} steps down and up");
    }
}

/// How many rows of a tenant's each table holds. The owner sees them whether policies are there or not.
async fn counts(owner: &str, tenant: domain::TenantId) -> BTreeMap<String, i64> {
    let connection = connect(owner).await.begin().await.unwrap();
    let set = format!("SELECT set_config('app.current_tenant_id', '{tenant}', true)");
    connection.execute_unprepared(&set).await.unwrap();
    let ask = async |sql: &str| {
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        connection.query_all_raw(statement).await.unwrap()
    };
    let tables = "SELECT relname::text AS name FROM pg_class
        WHERE relnamespace = 'mirror'::regnamespace AND relkind = 'r' AND relname NOT IN ('seaql_migrations', 'house_keys')";
    let mut counts = BTreeMap::new();
    for row in ask(tables).await {
        let table: String = row.try_get("", "name").unwrap();
        let column = if table == "tenants" { "id" } else { "tenant_id" };
        let rows = ask(&format!("SELECT count(*) AS n FROM mirror.{table} WHERE {column} = '{tenant}'")).await;
        counts.insert(table, rows[0].try_get("", "n").unwrap());
    }
    connection.rollback().await.unwrap();
    counts
}

#[tokio::test]
async fn a_step_back_and_forth_loses_no_row_of_the_tables_around_it() {
    let database = tests::empty_database().await;
    let owner = &database.owner_url;
    up(owner).await.unwrap();
    let full = schema(owner).await;
    let steps = u32::try_from(status(owner).await.unwrap().len()).unwrap();
    for count in 1..=steps {
        let store = tests::store_for(&database, 2).await;
        let (tenant, instance) = register(&store, &format!("tenant-{count}")).await;
        fill(&database, &tenant, instance).await;
        store.close().await;
        let before = counts(owner, tenant.id()).await;
        assert!(before.values().all(|rows| *rows > 0), "{before:?}");
        down(owner, Steps::Newest(count)).await.unwrap();
        let left = counts(owner, tenant.id()).await;
        assert!(left.len() < before.len() || count < steps);
        for (table, rows) in &left {
            assert_eq!(before.get(table), Some(rows), "{table} after {count} steps down");
        }
        up(owner).await.unwrap();
        let after = counts(owner, tenant.id()).await;
        for (table, rows) in &left {
            assert_eq!(after.get(table), Some(rows), "{table} after {count} steps up again");
        }
        assert_eq!(schema(owner).await, full);
    }
}

#[tokio::test]
async fn several_pods_may_migrate_at_once() {
    let (one, other) = (tests::empty_database().await, tests::empty_database().await);
    let urls = [&one, &other].into_iter().cycle().take(6).map(|database| database.owner_url.as_str());
    for answer in futures::future::join_all(urls.map(up)).await {
        answer.unwrap();
    }
    assert_eq!(schema(&one.owner_url).await, schema(&other.owner_url).await);
}

/// Such an index costs the same as the primary key in the eyes of a planner without statistics, and foreign keys would be
/// checked by walking an instance.
#[tokio::test]
async fn no_index_competes_with_a_primary_key() {
    let database = tests::database().await;
    let connection = connect(&database.owner_url).await;
    let sql = "SELECT i.indexrelid::regclass::text AS name
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'mirror'::regnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] AND a.attname = 'tenant_id'
        JOIN pg_attribute b ON b.attrelid = c.oid AND b.attnum = i.indkey[1] AND b.attname = 'instance_id'
        WHERE NOT i.indisprimary AND i.indpred IS NULL";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    assert_eq!(connection.query_all_raw(statement).await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_store_asks_for_the_newest_step() {
    assert_eq!(migration::newest(), store::SCHEMA);
}

#[tokio::test]
async fn a_login_that_no_policy_stops_is_refused() {
    let database = tests::empty_database().await;
    let refused = migration::up_for(&database.owner_url, "postgres").await.unwrap_err();
    assert!(refused.to_string().contains("NOBYPASSRLS"), "{refused}");
    migration::up_for(&database.owner_url, "nobody_of_this_name").await.unwrap();
}
