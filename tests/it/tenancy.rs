//! The wall between tenants: PostgreSQL's policies, and the way into a transaction.

use domain::{IssueId, TenantId};
use sea_orm::{ConnectionTrait, Statement};
use store::{App, Config, Credentials, Error, Grant, Store};

use crate::store::sample::{Mirror, connect, register, rich, said};

/// Every table that holds tenants' rows, and the column that says whose, as the catalogue knows them.
async fn tables(mirror: &Mirror) -> Vec<(String, &'static str)> {
    let names = texts(
        &mirror.database.owner_url,
        "SELECT table_name::text AS text FROM information_schema.columns JOIN information_schema.tables
            USING (table_schema, table_name)
        WHERE table_schema = 'mirror' AND table_type = 'BASE TABLE' AND column_name = 'tenant_id' ORDER BY 1",
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

/// A mirror with a row in every table.
async fn full_mirror() -> Mirror {
    let mirror = Mirror::new().await;
    let mut issue = rich(1);
    mirror.apply(std::slice::from_ref(&issue)).await;
    issue.issue.key = "MOVED-1".parse().unwrap();
    issue.observed_at += chrono::TimeDelta::minutes(1);
    issue.content_hash = [1; 32];
    mirror.apply(&[issue]).await;
    mirror.tenant.advance_poll_mark(mirror.instance, domain::Watermark(crate::store::sample::at(1))).await.unwrap();
    let app = App { client_id: "app".to_owned(), client_secret: "secret".into() };
    let grant = Grant { access: "a".into(), refresh: "r".into(), expires_at: crate::store::sample::at(1), version: 1 };
    mirror.tenant.set_credentials(mirror.instance, &Credentials::OAuth { app, grant }).await.unwrap();
    for table in [
        "projects (tenant_id, instance_id, id, key, name, lifecycle, raw) VALUES ($1, $2, 1, 'A', 'A', 'live', '{}')",
        "custom_fields (tenant_id, instance_id, id, name, custom, raw) VALUES ($1, $2, 'a', 'A', true, '{}')",
        "censuses (tenant_id, instance_id, project_id, run, state, began_at) VALUES ($1, $2, 1, $2, 'listing', now())",
        "roll_calls (tenant_id, instance_id, project_id, answer, part, ids, observed_at)
            VALUES ($1, $2, 1, 'listed', 0, '{1}', now())",
    ] {
        let tx = mirror.as_tenant(&mirror.database.app_url).await;
        let values = [mirror.tenant.id().0.into(), mirror.instance.0.into()];
        let sql = format!("INSERT INTO mirror.{table}");
        tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await.unwrap();
        tx.commit().await.unwrap();
    }
    mirror
}

#[tokio::test]
async fn every_tenant_table_forces_its_policy() {
    let mirror = Mirror::new().await;
    let tables = tables(&mirror).await;
    assert!(tables.len() >= 11, "{tables:?}");
    let forced = texts(
        &mirror.database.owner_url,
        "SELECT relname::text AS text FROM pg_class c
        WHERE relnamespace = 'mirror'::regnamespace AND relrowsecurity AND relforcerowsecurity
            AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polwithcheck IS NOT NULL)",
    )
    .await;
    for (table, _) in &tables {
        assert!(forced.contains(table), "{table} is open");
    }
}

#[tokio::test]
async fn without_a_tenant_there_are_no_rows() {
    let mirror = full_mirror().await;
    for (table, _) in tables(&mirror).await {
        let count = format!("SELECT count(*)::text AS text FROM mirror.{table}");
        for url in [&mirror.database.app_url, &mirror.database.owner_url] {
            assert_eq!(texts(url, &count).await, ["0"], "{table}");
        }
        let tx = mirror.as_tenant(&mirror.database.app_url).await;
        let row = tx.query_one_raw(Statement::from_string(tx.get_database_backend(), count)).await.unwrap().unwrap();
        assert_ne!(row.try_get::<String>("", "text").unwrap(), "0", "{table} has no row to hide");
    }
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
    for (table, tenant) in tables(&mirror).await {
        for sql in [format!("UPDATE mirror.{table} SET {tenant} = {tenant}"), format!("DELETE FROM mirror.{table}")] {
            let tx = connect(&mirror.database.app_url).await;
            let as_other =
                format!("BEGIN; SELECT set_config('app.current_tenant_id', '{}', true);", TenantId::generate());
            let done = tx.execute_unprepared(&format!("{as_other} {sql}; COMMIT")).await;
            assert!(done.is_ok(), "{table}: {done:?}");
        }
        let stolen = format!("UPDATE mirror.{table} SET {tenant} = '{}'", other.id());
        let tx = mirror.as_tenant(&mirror.database.app_url).await;
        assert!(tx.execute_unprepared(&stolen).await.is_err(), "{table} gives rows away");
    }
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
