//! Made-up tenants: as many rows as asked for, the same each time, never twice, and never asked for at a site.

use domain::InstanceState;
use queue::QueueName;
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use serde_json::{Value, json};
use store::TenantStore;
use tests::{FleetOptions, TestFleet};

use crate::{cli::Cli, store::sample::connect};

const SEED: [&str; 11] =
    ["seed", "--tenants", "2", "--instances", "2", "--projects", "3", "--issues", "40", "-o", "json"];

async fn seeded(name: &str) -> (TestFleet, Cli, Value) {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await;
    let cli = Cli::of(&fleet, name);
    let said = serde_json::from_str(&cli.ok(&SEED).await).unwrap();
    (fleet, cli, said)
}

/// The tenant of the instance, and the instance.
async fn found(fleet: &TestFleet, name: &str) -> (TenantStore, domain::Instance) {
    let instance = fleet.store.system().instance_by_name(name).await.unwrap().unwrap();
    (fleet.store.tenant(instance.tenant), instance)
}

/// Everything the mirror shows of an instance, as text, without what says whose it is.
async fn shown(fleet: &TestFleet, name: &str) -> Vec<String> {
    let (tenant, instance) = found(fleet, name).await;
    let ids = tenant.issue_ids(instance.id, None, 1000).await.unwrap();
    let snapshots = tenant.snapshots(instance.id, &ids).await.unwrap();
    let projects = tenant.projects(instance.id).await.unwrap();
    let issues = snapshots.iter().map(|snapshot| format!("{snapshot:?}"));
    issues.chain(projects.iter().map(|project| format!("{project:?}"))).collect()
}

/// One number under the instance's tenant.
async fn count(fleet: &TestFleet, instance: &domain::Instance, sql: &str) -> i64 {
    let tx = connect(&fleet.database.app_url).await.begin().await.unwrap();
    let set = format!("SELECT set_config('app.current_tenant_id', '{}', true)", instance.tenant);
    tx.execute_unprepared(&set).await.unwrap();
    let row = tx.query_one_raw(Statement::from_string(tx.get_database_backend(), sql)).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn a_mirror_is_filled_without_a_jira() {
    let (fleet, _cli, said) = seeded("seed-fills").await;
    assert_eq!(said["schema"], "jirafleet.seed/1");
    let names = ["seed-1-1-1", "seed-1-1-2", "seed-1-2-1", "seed-1-2-2"];
    for (row, name) in said["rows"].as_array().unwrap().iter().zip(names) {
        let expected = json!({"tenant": &name[..8], "instance": name, "projects": 3, "issues": 120, "added": 120});
        assert_eq!(row, &expected);
    }
    let (tenant, instance) = found(&fleet, names[3]).await;
    let counts = tenant.counts(instance.id).await.unwrap();
    assert_eq!(counts.issues, 120);
    assert!(counts.comments > 120 && counts.histories > 120, "{counts:?}");
    assert_eq!(tenant.project_keys(instance.id).await.unwrap().len(), 3);
    assert!(tenant.fields(instance.id).await.unwrap().len() > 30);
    let per_project = "SELECT count(*) FROM (SELECT project_id FROM mirror.issues GROUP BY 1 HAVING count(*) = 80) p";
    assert_eq!(count(&fleet, &instance, per_project).await, 3, "two instances of forty each");
    let hashed = "SELECT count(*) FROM mirror.users WHERE length(email_hash) = 32";
    assert!(count(&fleet, &instance, hashed).await > 1);
    let leaked = "SELECT count(*) FROM mirror.users u WHERE u::text LIKE '%@%'";
    assert_eq!(count(&fleet, &instance, leaked).await, 0, "addresses are kept as hashes only");
    assert_ne!(shown(&fleet, names[0]).await, shown(&fleet, names[1]).await, "no two sites are the same");
}

#[tokio::test]
async fn the_same_command_again_doubles_nothing_and_completes_what_is_missing() {
    let (fleet, cli, _) = seeded("seed-again").await;
    let name = "seed-1-2-1";
    let before = shown(&fleet, name).await;
    let again = cli.run(&SEED).await;
    let said: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert!(said["rows"].as_array().unwrap().iter().all(|row| row["added"] == 0 && row["issues"] == 120), "{said}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("all 480 issues were there already"));

    let (_, instance) = found(&fleet, name).await;
    let lose = format!(
        "WITH lost AS (DELETE FROM mirror.issues WHERE instance_id = '{}' AND id % 3 = 0 RETURNING id)
        SELECT count(*) FROM lost",
        instance.id
    );
    let lost = count(&fleet, &instance, &lose).await;
    assert!(lost > 10);
    let said: Value = serde_json::from_str(&cli.ok(&SEED).await).unwrap();
    assert_eq!(said["rows"][2]["added"], lost);
    assert_eq!(shown(&fleet, name).await, before, "the same seed, the same rows");
}

#[tokio::test]
async fn nobody_asks_a_site_that_does_not_exist() {
    let (fleet, cli, _) = seeded("seed-rests").await;
    let name = "seed-1-1-1";
    let (_, instance) = found(&fleet, name).await;
    assert!(matches!(&instance.state, InstanceState::Paused { reason: Some(why) } if why.contains("no such site")));
    assert!(instance.site.as_str().ends_with(".invalid"));
    let listed: Value = serde_json::from_str(&cli.ok(&["instance", "show", name, "-o", "json"]).await).unwrap();
    assert!(listed["rows"][0]["reason"].as_str().unwrap().contains("jirafleet seed --seed 1"), "{listed}");

    let said = cli.fails(4, &["backfill", name]).await;
    assert!(said.contains("paused") && said.contains("no such site"), "{said}");
    cli.fails(69, &["instance", "resume", name]).await;
    let (_, instance) = found(&fleet, name).await;
    assert_eq!(instance.state.name(), "paused", "only a site that answers is worked for");
    for queue in QueueName::ALL {
        assert!(fleet.producer.depth(queue).await.unwrap().is_idle(), "{queue:?}");
    }
}

#[tokio::test]
async fn what_is_something_else_is_left_alone() {
    let (fleet, cli, _) = seeded("seed-other").await;
    let before = shown(&fleet, "seed-1-1-1").await;
    let said = cli.fails(4, &["seed", "--tenants", "1", "--projects", "3", "--issues", "41"]).await;
    assert!(said.contains("seed-1-1-1") && said.contains("choose another --seed"), "{said}");
    assert_eq!(shown(&fleet, "seed-1-1-1").await, before);
    cli.ok(&["seed", "--tenants", "1", "--instances", "1", "--projects", "1", "--issues", "5", "--seed", "2"]).await;
    assert_eq!(shown(&fleet, "seed-2-1-1").await.len(), 5 + 1);
    cli.fails(2, &["seed", "--tenants", "0"]).await;
}
