//! PostgreSQL that is not as it should be.

use sea_orm::ConnectionTrait;
use tests::TestFleet;

use super::{Report, examine, house};
use crate::{cli::Cli, store::sample::connect};

/// A house in which the schema's owner did something, as the doctor sees it.
async fn after(name: &str, sql: &[&str]) -> Report {
    let fleet = house().await;
    as_owner(&fleet, sql).await;
    examine(&Cli::of(&fleet, name)).await
}

async fn as_owner(fleet: &TestFleet, sql: &[&str]) {
    let owner = connect(&fleet.database.owner_url).await;
    for statement in sql {
        owner.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    owner.close().await.unwrap();
}

#[tokio::test]
async fn walls_with_a_hole_are_found() {
    let report = after("doctor-walls", &["ALTER TABLE mirror.issues NO FORCE ROW LEVEL SECURITY"]).await;
    report.finds("tenants.guarded", "failure", "issues");
    assert_eq!(report.state("tenants.policies"), "ok");
    let report = after("doctor-policies", &["DROP POLICY own_tenant ON mirror.comments"]).await;
    report.finds("tenants.policies", "failure", "comments");
    assert_eq!(report.state("tenants.guarded"), "ok");
}

#[tokio::test]
async fn a_schema_that_is_not_whole_is_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-schema");
    migration::down(&fleet.database.owner_url, migration::Steps::Newest(1)).await.unwrap();
    let report = examine(&cli).await;
    report.finds("schema.current", "failure", "1 of");
    assert_eq!((report.state("schema.whole"), report.state("key.opens")), ("ok", "skipped"));
    migration::up(&fleet.database.owner_url).await.unwrap();
    assert_eq!(examine(&cli).await.state("schema.current"), "ok");

    let gap = "DELETE FROM mirror.seaql_migrations WHERE version = 'm0007_search'";
    after("doctor-gap", &[gap]).await.finds("schema.whole", "failure", "m0007_search");
    let future = "INSERT INTO mirror.seaql_migrations VALUES ('m9999_future', 0)";
    let report = after("doctor-ahead", &[future]).await;
    report.finds("schema.ahead", "warning", "m9999_future");
    assert_eq!((report.state("schema.current"), report.state("key.opens")), ("ok", "ok"));
}

#[tokio::test]
async fn an_index_that_was_not_finished_is_found() {
    let fleet = house().await;
    as_owner(&fleet, &["CREATE TABLE mirror.twice (n int)", "INSERT INTO mirror.twice VALUES (1), (1)"]).await;
    let owner = connect(&fleet.database.owner_url).await;
    owner.execute_unprepared("CREATE UNIQUE INDEX CONCURRENTLY half ON mirror.twice (n)").await.unwrap_err();
    let cli = Cli::of(&fleet, "doctor-index");
    examine(&cli).await.finds("schema.whole", "failure", "half");
}

#[tokio::test]
async fn a_database_that_only_reads_is_found() {
    let fleet = house().await;
    let name = fleet.database.owner_url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    as_owner(&fleet, &[&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")]).await;
    examine(&Cli::of(&fleet, "doctor-reads")).await.finds("postgres.writable", "failure", "no writes");
}

#[tokio::test]
async fn a_database_without_schema_is_found() {
    let fleet = house().await;
    let mut cli = Cli::of(&fleet, "doctor-empty");
    cli.database_url = tests::empty_database().await.app_url;
    let report = examine(&cli).await;
    report.finds("postgres.admitted", "failure", "may not use the schema");
    report.finds("schema.current", "failure", "no schema");
}

#[tokio::test]
async fn the_schemas_owner_is_no_login_for_processes() {
    let fleet = house().await;
    let mut cli = Cli::of(&fleet, "doctor-owner");
    cli.database_url = fleet.database.owner_url.clone();
    let report = examine(&cli).await;
    report.finds("postgres.owner", "failure", "belong to");
    assert_eq!((report.state("postgres.login"), report.state("key.opens")), ("ok", "skipped"));
}

/// Roles, extensions and views belong to more than one test, so this takes servers of its own.
#[tokio::test]
async fn what_only_a_superuser_can_spoil_is_found() {
    let fleet = house().await;
    let servers = tests::private_servers().await;
    migration::up(&servers.owner_url()).await.unwrap();
    let mut cli = Cli::of(&fleet, "doctor-superuser");
    cli.database_url = servers.superuser_url_on("jirafleet");
    let report = examine(&cli).await;
    report.finds("postgres.login", "failure", "superuser or has BYPASSRLS");
    assert_eq!(report.state("key.opens"), "skipped", "nothing is opened by such a login");

    cli.database_url = servers.app_url();
    assert_eq!(examine(&cli).await.state("postgres.connections"), "ok");
    let superuser = connect(&servers.superuser_url_on("jirafleet")).await;
    for (sql, check, state, found) in [
        ("ALTER ROLE jirafleet CONNECTION LIMIT 8", "postgres.connections", "warning", "7 more can be opened"),
        ("ALTER ROLE jirafleet CONNECTION LIMIT 4", "postgres.connections", "failure", "3 more can be opened"),
        ("ALTER ROLE jirafleet CONNECTION LIMIT -1", "", "", ""),
        (&old_views("0.5"), "views.fresh", "warning", "s old"),
        (&old_views("2"), "views.fresh", "failure", "s old"),
        ("DROP EXTENSION pg_trgm CASCADE", "postgres.extensions", "failure", "pg_trgm is missing"),
    ] {
        superuser.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        if !check.is_empty() {
            examine(&cli).await.finds(check, state, found);
        }
    }
    superuser.close().await.unwrap();
}

fn old_views(hours: &str) -> String {
    format!("UPDATE mirror_views.refreshes SET refreshed_at = now() - interval '{hours} hours'")
}
