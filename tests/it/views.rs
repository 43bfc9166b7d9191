//! The materialized views: their figures, who may see them, and refreshing them beside readers.

mod model;

use std::time::Duration;

use domain::{AccountId, ProjectId};
use queue::{Enqueued, Job, QueueName};
use rand::{SeedableRng, rngs::SmallRng};
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use store::{LeadTime, LeadTimeFilter, Refreshed, Store, TenantStore, View};
use tests::{FleetOptions, TestFleet};

use crate::store::sample::{Mirror, connect, register, said};
use model::History;

pub(crate) async fn refresh(store: &Store) {
    for view in View::ALL {
        assert_eq!(store.system().refresh_view(view).await.unwrap(), Refreshed::Done);
    }
}

/// All pages of so many.
async fn lead_times(tenant: &TenantStore, history: &History, filter: &LeadTimeFilter, page: u32) -> Vec<LeadTime> {
    let mut all: Vec<LeadTime> = Vec::new();
    loop {
        let after = all.last().map(|last| (last.done_at, last.issue));
        let more = tenant.lead_times(history.instance, filter, after, page).await.unwrap();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

async fn assert_shown(tenant: &TenantStore, history: &History, at: &str) {
    let instance = history.instance;
    assert_eq!(tenant.project_metrics(instance, None, 100).await.unwrap(), history.metrics(), "{at}");
    assert_eq!(tenant.workload(instance, None, 100).await.unwrap(), history.workload(), "{at}");
    let all = history.lead_times();
    assert_eq!(lead_times(tenant, history, &LeadTimeFilter::default(), 7).await, all, "{at}");
    for project in [1, 2].map(ProjectId) {
        let filter = LeadTimeFilter { project: Some(project), ..LeadTimeFilter::default() };
        let expected: Vec<_> = all.iter().filter(|one| one.project == project).cloned().collect();
        assert_eq!(lead_times(tenant, history, &filter, 4).await, expected, "{at}");
    }
    let Some(middle) = all.get(all.len() / 2) else { return };
    let filter = LeadTimeFilter {
        assignee: middle.assignee.clone(),
        done_since: Some(middle.done_at),
        done_before: Some(middle.done_at + chrono::TimeDelta::days(10)),
        ..LeadTimeFilter::default()
    };
    let fits = |one: &&LeadTime| {
        (filter.assignee.is_none() || one.assignee == filter.assignee)
            && one.done_at >= middle.done_at
            && one.done_at < middle.done_at + chrono::TimeDelta::days(10)
    };
    let expected: Vec<_> = all.iter().filter(fits).cloned().collect();
    assert_eq!(lead_times(tenant, history, &filter, 3).await, expected, "{at}");
}

#[tokio::test]
async fn the_figures_are_those_of_the_rows() {
    let mirror = Mirror::new().await;
    let (other, instance) = register(&mirror.store, "other").await;
    let own = mirror.tenant.clone();
    for seed in 0..6 {
        let mut random = SmallRng::seed_from_u64(seed);
        let first = History::random(mirror.instance, &mut random);
        let second = History::random(instance, &mut random);
        first.write(&own, seed).await;
        second.write(&other, seed).await;
        refresh(&mirror.store).await;
        assert_shown(&own, &first, &format!("acme, {seed}")).await;
        assert_shown(&other, &second, &format!("other, {seed}")).await;
        assert!(own.project_metrics(instance, None, 100).await.unwrap().is_empty());
        assert!(own.lead_times(instance, &LeadTimeFilter::default(), None, 100).await.unwrap().is_empty());
        assert!(own.workload(instance, None, 100).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn pages_follow_each_other() {
    let mirror = Mirror::new().await;
    let history = History::random(mirror.instance, &mut SmallRng::seed_from_u64(1));
    history.write(&mirror.tenant, 0).await;
    refresh(&mirror.store).await;
    let (metrics, workload) = (history.metrics(), history.workload());
    assert!(metrics.len() == 2 && workload.len() == 3);
    let second = mirror.tenant.project_metrics(mirror.instance, Some(metrics[0].project), 1).await.unwrap();
    assert_eq!(second, metrics[1..]);
    let after: &AccountId = &workload[0].assignee;
    assert_eq!(mirror.tenant.workload(mirror.instance, Some(after), 1).await.unwrap(), workload[1..2]);
}

#[tokio::test]
async fn of_two_refreshes_one_works_and_nobody_waits() {
    let mirror = Mirror::new().await;
    mirror.apply(&[said(1, (1, 1), "first")]).await;
    refresh(&mirror.store).await;
    mirror.apply(&[said(2, (1, 1), "second")]).await;
    let at_it = connect(&mirror.database.app_url).await.begin().await.unwrap();
    at_it.execute_unprepared("SELECT mirror.refresh_view('issue_metrics')").await.unwrap();
    let quick = async {
        let system = mirror.store.system();
        assert_eq!(system.refresh_view(View::IssueMetrics).await.unwrap(), Refreshed::BeingDone);
        assert_eq!(system.refresh_view(View::LeadTime).await.unwrap(), Refreshed::Done, "each view by itself");
        mirror.tenant.project_metrics(mirror.instance, None, 10).await.unwrap()
    };
    let before = tokio::time::timeout(Duration::from_secs(20), quick).await.expect("neither refresh nor reader waits");
    assert_eq!(before[0].issues, 1, "what was before, until the refresh is committed");
    at_it.commit().await.unwrap();
    assert_eq!(mirror.tenant.project_metrics(mirror.instance, None, 10).await.unwrap()[0].issues, 2);
    refresh(&mirror.store).await;
}

#[tokio::test]
async fn their_age_is_known() {
    let mirror = Mirror::new().await;
    let system = mirror.store.system();
    let made = system.view_ages().await.unwrap();
    assert_eq!(made.iter().map(|age| age.view).collect::<Vec<_>>(), View::ALL);
    system.refresh_view(View::LeadTime).await.unwrap();
    let now = system.view_ages().await.unwrap();
    assert!(now[1].refreshed_at > made[1].refreshed_at && now[1].age < Duration::from_secs(30), "{now:?}");
    assert!(now[1].took > Duration::ZERO);
    assert_eq!((now[0].refreshed_at, now[0].took), (made[0].refreshed_at, Duration::ZERO));
}

async fn refused(url: &str, sql: &str) -> String {
    let connection = connect(url).await;
    let error = connection.execute_unprepared(sql).await.expect_err(sql).to_string();
    connection.close().await.unwrap();
    error
}

#[tokio::test]
async fn nobody_reads_past_the_windows() {
    let mirror = Mirror::new().await;
    mirror.apply(&[said(1, (1, 1), "first")]).await;
    refresh(&mirror.store).await;
    let app = &mirror.database.app_url;
    for sql in [
        "SELECT * FROM mirror_views.issue_metrics",
        "SELECT * FROM mirror_views.lead_time_view",
        "SELECT * FROM mirror_views.user_workload_view",
        "SELECT * FROM mirror_views.refreshes",
        "REFRESH MATERIALIZED VIEW mirror_views.issue_metrics",
        "SET ROLE jirafleet_views",
    ] {
        assert!(refused(app, sql).await.contains("denied"), "{sql}");
    }
    for sql in ["SELECT mirror.refresh_view('issues')", "SELECT mirror.refresh_view('x; DROP TABLE mirror.issues')"] {
        assert!(refused(app, sql).await.contains("undefined_table"), "{sql}");
    }
    // Without a tenant, or with another one, a window is empty, also for a condition that would tell what it is shown.
    // Without a barrier the cheaper of two conditions comes first, here the one that tells.
    let tell = "CREATE FUNCTION pg_temp.tell(uuid) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
        AS $$ BEGIN RAISE EXCEPTION 'told %', $1; END $$";
    for window in ["issue_metrics", "lead_time_view", "user_workload_view", "held_issues"] {
        let connection = connect(app).await.begin().await.unwrap();
        connection.execute_unprepared(tell).await.unwrap();
        // An index would be asked for the tenant before the condition is.
        let walk = "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off";
        connection.execute_unprepared(walk).await.unwrap();
        let sql = format!("SELECT count(*) AS n FROM mirror.{window} WHERE pg_temp.tell(tenant_id)");
        let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await;
        assert_eq!(row.unwrap().unwrap().try_get::<i64>("", "n").unwrap(), 0, "{window}");
    }
}

#[tokio::test]
async fn the_views_role_reads_and_nothing_else() {
    let mirror = Mirror::new().await;
    let connection = connect(&mirror.database.owner_url).await;
    let sql = "SELECT count(*) AS n FROM (
            SELECT 1 FROM information_schema.table_privileges
            WHERE grantee = 'jirafleet_views' AND table_schema = 'mirror' AND table_name NOT LIKE '%\\_view'
                AND table_name <> 'issue_metrics'
            UNION ALL SELECT 1 FROM information_schema.column_privileges
            WHERE grantee = 'jirafleet_views' AND table_schema = 'mirror' AND privilege_type <> 'SELECT'
                AND table_name IN ('issues', 'changelogs')
            UNION ALL SELECT 1 FROM information_schema.column_privileges
            WHERE grantee = 'jirafleet_views' AND column_name IN ('raw', 'description', 'summary', 'author')
            UNION ALL SELECT 1 FROM pg_auth_members WHERE roleid = 'jirafleet_views'::regrole AND NOT admin_option
            UNION ALL SELECT 1 FROM pg_roles WHERE rolname = 'jirafleet_views' AND (rolcanlogin OR rolbypassrls OR rolsuper)
        ) AS wrong";
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await;
    assert_eq!(row.unwrap().unwrap().try_get::<i64>("", "n").unwrap(), 0);
}

#[tokio::test]
async fn down_and_up_again_they_count() {
    let mirror = Mirror::new().await;
    mirror.apply(&[said(1, (1, 1), "first")]).await;
    refresh(&mirror.store).await;
    let owner = &mirror.database.owner_url;
    let steps = migration::status(owner).await.unwrap();
    let place = steps.iter().position(|step| step.name == "m0009_views").unwrap();
    migration::down(owner, migration::Steps::Newest(u32::try_from(steps.len() - place).unwrap())).await.unwrap();
    migration::up(owner).await.unwrap();
    assert!(mirror.tenant.project_metrics(mirror.instance, None, 10).await.unwrap().is_empty());
    refresh(&mirror.store).await;
    assert_eq!(mirror.tenant.project_metrics(mirror.instance, None, 10).await.unwrap()[0].issues, 1);
}

#[tokio::test]
async fn a_restored_view_that_is_not_filled_is() {
    let mirror = Mirror::new().await;
    mirror.apply(&[said(1, (1, 1), "first")]).await;
    let owner = connect(&mirror.database.owner_url).await;
    let empty = "GRANT jirafleet_views TO CURRENT_USER;
        REFRESH MATERIALIZED VIEW mirror_views.issue_metrics WITH NO DATA;
        REVOKE jirafleet_views FROM CURRENT_USER";
    owner.execute_unprepared(empty).await.unwrap();
    assert!(mirror.tenant.project_metrics(mirror.instance, None, 10).await.is_err());
    refresh(&mirror.store).await;
    assert_eq!(mirror.tenant.project_metrics(mirror.instance, None, 10).await.unwrap()[0].issues, 1);
}

#[tokio::test]
async fn the_job_refreshes_all_and_is_asked_for_once() {
    let mut fleet = TestFleet::with(FleetOptions { worker: false, ..FleetOptions::default() }).await;
    assert!(matches!(fleet.producer.enqueue(Job::RefreshViews).await.unwrap(), Enqueued::New(_)));
    assert!(matches!(fleet.producer.enqueue(Job::RefreshViews).await.unwrap(), Enqueued::Already { .. }));
    assert_eq!(fleet.producer.depth(QueueName::Upkeep).await.unwrap().ready, 1);
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let mut tx = tenant.begin().await.unwrap();
    tx.apply(fleet.instance.id, &[said(1, (1, 1), "first")]).await.unwrap();
    tx.commit().await.unwrap();
    let before = fleet.store.system().view_ages().await.unwrap();
    fleet.start_worker().await;
    fleet.drain().await;
    let after = fleet.store.system().view_ages().await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert!(after.refreshed_at > before.refreshed_at, "{after:?}");
    }
    assert_eq!(tenant.project_metrics(fleet.instance.id, None, 10).await.unwrap()[0].issues, 1);
    assert!(matches!(fleet.producer.enqueue(Job::RefreshViews).await.unwrap(), Enqueued::New(_)), "when it has ended");
    fleet.drain().await;
}

#[tokio::test]
async fn after_a_large_backfill_the_views_are_fresh() {
    let jira = simulator::Config { issues: 1_100, ..simulator::Config::default() };
    let fleet = TestFleet::with(FleetOptions { jira, ..FleetOptions::default() }).await;
    let before = fleet.store.system().view_ages().await.unwrap();
    fleet.backfill().await;
    fleet.drain().await;
    let after = fleet.store.system().view_ages().await.unwrap();
    assert!(after[0].refreshed_at > before[0].refreshed_at);
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let metrics = tenant.project_metrics(fleet.instance.id, None, 100).await.unwrap();
    let counted: u64 = metrics.iter().map(|project| project.issues).sum();
    assert_eq!(counted, tenant.count_issues(fleet.instance.id).await.unwrap());
    assert_eq!(tenant.lead_times(fleet.instance.id, &LeadTimeFilter::default(), None, 1).await.unwrap().len(), 1);
}
