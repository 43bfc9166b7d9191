//! The wall between tenants: PostgreSQL's policies, and the way into a transaction.

mod catalogue;
mod interleaved;
mod matrix;
mod pgbouncer;

use domain::{InstanceId, IssueId, Scope};
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use store::{
    Actor, ActorKind, AiCall, App, Config, Credentials, Deed, Ending, Error, Grant, NewApiKey, Store, TenantStore,
};
use tests::TestDatabase;

use crate::store::sample::{Mirror, at, connect, register, rich, said};

/// Every table that holds tenants' rows, and the column that says whose, as the catalogue knows them.
async fn tables(mirror: &Mirror) -> Vec<(String, &'static str)> {
    let names = texts(
        &mirror.database.owner_url,
        "SELECT relname::text AS text FROM pg_class c
        WHERE relnamespace = 'mirror'::regnamespace AND relkind IN ('r', 'p') AND EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
        ORDER BY 1",
    )
    .await;
    let mut tables: Vec<_> = names.into_iter().map(|name| (name, "tenant_id")).collect();
    tables.push(("tenants".to_owned(), "id"));
    tables
}

async fn texts(url: &str, sql: &str) -> Vec<String> {
    let connection = connect(url).await;
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), sql)).await.unwrap();
    connection.close().await.unwrap();
    rows.into_iter().map(|row| row.try_get("", "text").unwrap()).collect()
}

/// Puts a row of this tenant's into every table: what the store can write by its own words, the rest from the catalogue.
pub(crate) async fn fill(database: &TestDatabase, tenant: &TenantStore, instance: InstanceId) {
    let mut issue = rich(1);
    apply(tenant, instance, issue.clone()).await;
    issue.issue.key = "MOVED-1".parse().unwrap();
    issue.observed_at += chrono::TimeDelta::minutes(1);
    issue.content_hash = [1; 32];
    apply(tenant, instance, issue).await;
    tenant.advance_poll_mark(instance, domain::Watermark(at(1))).await.unwrap();
    let app = App { client_id: "app".to_owned(), client_secret: "secret".into() };
    let grant = Grant { access: "a".into(), refresh: "r".into(), expires_at: at(1), version: 1 };
    tenant.set_credentials(instance, &Credentials::OAuth { app, grant }).await.unwrap();
    let actor = Actor::new(ActorKind::Operator, "mia");
    let key = NewApiKey {
        name: "ci".to_owned(),
        environment: "test".to_owned(),
        scopes: vec![Scope::ReadIssues],
        networks: Vec::new(),
        expires_at: None,
    };
    tenant.clone().on_behalf_of(&actor).create_api_key(key).await.unwrap();
    let mut tx = tenant.begin().await.unwrap();
    let begun = tx.audit_begin(Deed::new(&actor, "issue.update").on(instance).about("ACME-1"));
    tx.audit_complete(&begun, Ending::Done);
    tx.add_ai_call(&ai_call()).await.unwrap();
    tx.commit().await.unwrap();
    for table in [
        "censuses (tenant_id, instance_id, project_id, run, state, began_at) VALUES ($1, $2, 1, $2, 'listing', now())",
        "roll_calls (tenant_id, instance_id, project_id, answer, part, ids, observed_at)
            VALUES ($1, $2, 1, 'listed', 0, '{1}', now())",
    ] {
        let tx = connect(&database.app_url).await.begin().await.unwrap();
        let (tenant, values) = (tenant.id(), [tenant.id().0.into(), instance.0.into()]);
        tx.execute_unprepared(&format!("SELECT set_config('app.current_tenant_id', '{tenant}', true)")).await.unwrap();
        let sql = format!("INSERT INTO mirror.{table}");
        tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await.unwrap();
        tx.commit().await.unwrap();
    }
    fill_from_the_catalogue(database, tenant, instance).await;
}

async fn apply(tenant: &TenantStore, instance: InstanceId, issue: domain::IssueSnapshot) {
    let mut tx = tenant.begin().await.unwrap();
    tx.apply(instance, &[issue]).await.unwrap();
    tx.commit().await.unwrap();
}

pub(crate) fn ai_call() -> AiCall {
    AiCall {
        at: at(1),
        use_case: "classify_intent".to_owned(),
        provider: "mock".to_owned(),
        model: "mock-1".to_owned(),
        prompt_version: "1".to_owned(),
        prompt_hash: [7; 32],
        input_tokens: 100,
        output_tokens: 10,
        cache_read_tokens: 0,
        cache_write_tokens: 0,
        duration_ms: 5,
        cost_microdollars: Some(42),
        outcome: "ok".to_owned(),
    }
}

/// Tables that are still empty get a row of made-up values: this tenant, this instance, anything else by its type.
async fn fill_from_the_catalogue(database: &TestDatabase, tenant: &TenantStore, instance: InstanceId) {
    let made = texts(
        &database.owner_url,
        &format!(
            "SELECT format('INSERT INTO mirror.%I (%s) SELECT %s WHERE NOT EXISTS (SELECT FROM mirror.%1$I)', c.relname,
                string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
                string_agg(CASE
                    WHEN a.attname = 'tenant_id' THEN '''{tenant}''::uuid'
                    WHEN a.attname = 'instance_id' THEN '''{instance}''::uuid'
                    WHEN a.attname = 'lifecycle' THEN '''live'''
                    WHEN a.attname IN ('issue_id', 'id') AND a.atttypid = 'bigint'::regtype THEN '1'
                    WHEN a.atttypid = 'uuid'::regtype THEN 'gen_random_uuid()'
                    WHEN a.atttypid IN ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype, 'real'::regtype,
                        'double precision'::regtype, 'numeric'::regtype) THEN '1'
                    WHEN a.atttypid = 'boolean'::regtype THEN 'true'
                    WHEN a.atttypid IN ('jsonb'::regtype, 'json'::regtype) THEN '''{{}}'''
                    WHEN a.atttypid = 'bytea'::regtype THEN 'decode(repeat(''07'', 32), ''hex'')'
                    WHEN a.atttypid IN ('timestamptz'::regtype, 'date'::regtype) THEN 'now()'
                    WHEN t.typcategory = 'A' THEN '''{{}}'''
                    ELSE '''x''' END, ', ' ORDER BY a.attnum), c.relname) AS text
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
            WHERE c.relnamespace = 'mirror'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
                AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef
                AND EXISTS (SELECT FROM pg_attribute w WHERE w.attrelid = c.oid AND w.attname = 'tenant_id')
            GROUP BY c.oid, c.relname ORDER BY c.oid",
            tenant = tenant.id()
        ),
    )
    .await;
    let tx = connect(&database.app_url).await.begin().await.unwrap();
    let words = format!("SELECT set_config('app.current_tenant_id', '{}', true)", tenant.id());
    tx.execute_unprepared(&words).await.unwrap();
    for sql in made {
        let done = tx.execute_unprepared(&sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}: give `fill` a row that this table takes"));
    }
    tx.commit().await.unwrap();
}

/// A mirror with a row in every table.
async fn full_mirror() -> Mirror {
    let mirror = Mirror::new().await;
    fill(&mirror.database, &mirror.tenant, mirror.instance).await;
    mirror
}

#[tokio::test]
async fn another_tenant_sees_nothing_and_changes_nothing() {
    let mirror = full_mirror().await;
    let (other, _) = register(&mirror.store, "other").await;
    assert!(other.snapshots(mirror.instance, &[IssueId(1)]).await.unwrap().is_empty());
    assert!(matches!(other.credentials(mirror.instance).await, Err(Error::NotFound(_))));
    assert!(matches!(other.remove_instance(mirror.instance).await, Err(Error::NotFound(_))));
    assert!(other.backfill_progress(mirror.instance).await.unwrap().is_empty());
    // Its own rows under an instance that is not its own: the foreign key names the tenant too.
    let mut tx = other.begin().await.unwrap();
    assert!(matches!(tx.apply(mirror.instance, &[said(1, (9, 9), "x")]).await, Err(Error::Database { .. })));
    drop(tx);
    assert!(mirror.shown(1).await.is_some());
}

#[tokio::test]
async fn a_tenant_ends_with_its_transaction() {
    let database = tests::database().await;
    let store = tests::store_for(&database, 1).await;
    let (acme, instance) = register(&store, "acme").await;
    let (other, _) = register(&store, "other").await;
    let mut tx = acme.begin().await.unwrap();
    tx.apply(instance, &[rich(1)]).await.unwrap();
    tx.commit().await.unwrap();
    // The same connection, handed on; also after a transaction that was dropped.
    assert!(other.snapshots(instance, &[IssueId(1)]).await.unwrap().is_empty());
    drop(acme.begin().await.unwrap());
    assert!(other.snapshots(instance, &[IssueId(1)]).await.unwrap().is_empty());
    assert_eq!(acme.snapshots(instance, &[IssueId(1)]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_lookups_show_no_secrets() {
    let mirror = full_mirror().await;
    let shown =
        texts(&mirror.database.app_url, "SELECT f::text AS text FROM mirror.find_instances(NULL, NULL) f").await;
    assert_eq!(shown.len(), 1);
    let columns = texts(
        &mirror.database.owner_url,
        "SELECT column_name::text AS text
        FROM information_schema.column_privileges WHERE grantee = 'jirafleet_system' AND table_schema = 'mirror'",
    )
    .await;
    assert!(!columns.is_empty() && columns.iter().all(|column| !column.ends_with("_sealed")), "{columns:?}");
    let members = texts(
        &mirror.database.owner_url,
        "SELECT member::regrole::text AS text FROM pg_auth_members
        WHERE roleid = 'jirafleet_system'::regrole AND NOT admin_option",
    )
    .await;
    assert_eq!(members, Vec::<String>::new());
}

async fn refusal(url: &str) -> String {
    let config = Config {
        url: url.to_owned(),
        max_connections: 1,
        master_key: tests::master_key(),
        application_name: "tests".to_owned(),
        cache: None,
    };
    match Store::connect(config).await {
        Err(Error::Configuration(sentence)) => sentence,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the store opened"),
    }
}

#[tokio::test]
async fn a_store_refuses_a_database_without_its_schema() {
    let empty = tests::empty_database().await;
    assert!(refusal(&empty.app_url).await.contains("jirafleet migrate up"));
    migration::up(&empty.owner_url).await.unwrap();
    tests::store_for(&empty, 1).await.ping().await.unwrap();
    migration::down(&empty.owner_url, migration::Steps::Newest(1)).await.unwrap();
    assert!(refusal(&empty.app_url).await.contains("jirafleet migrate up"));
    assert!(refusal("mysql://nowhere").await.contains("postgres://"));
}
