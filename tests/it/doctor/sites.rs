//! Sites that do not know us, do not answer, or do not tell us of changes.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::{AccountId, InstanceState, Watermark};
use jira::{Budgets, Reach};
use sea_orm::{ConnectionTrait, TransactionTrait};
use simulator::{Fault, Route};
use store::{Registration, WebhookKind};
use tests::TestFleet;

use super::{examine, house};
use crate::{cli::Cli, store::sample::connect};

/// Runs as the schema's owner, under the fleet's tenant.
async fn in_tenant(fleet: &TestFleet, sql: &str) {
    let tx = connect(&fleet.database.owner_url).await.begin().await.unwrap();
    let set = format!("SELECT set_config('app.current_tenant_id', '{}', true)", fleet.instance.tenant);
    tx.execute_unprepared(&set).await.unwrap();
    let done = tx.execute_unprepared(sql).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn tokens_that_do_not_work_are_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-token");
    let sound = examine(&cli).await;
    for check in ["instance.secrets", "jira.reachable", "jira.token", "jira.identity", "jira.clock", "jira.budget"] {
        assert_eq!(sound.state(check), "ok", "{check}");
    }
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    tenant.set_account(fleet.instance.id, &AccountId("somebody:else".into())).await.unwrap();
    examine(&cli).await.finds("jira.identity", "failure", "were somebody:else");
    fleet.jira().replace_token("fresh");
    let report = examine(&cli).await;
    report.finds("jira.token", "failure", "");
    assert_eq!(report.state("jira.reachable"), "ok");
    in_tenant(&fleet, "UPDATE mirror.jira_instances SET credentials_sealed = '\\x0102'").await;
    examine(&cli).await.finds("instance.secrets", "failure", "does not open");
}

#[tokio::test]
async fn accounts_that_may_not_see_are_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-permissions");
    assert_eq!(examine(&cli).await.state("jira.permissions"), "ok");
    fleet.jira().withhold("USER_PICKER");
    examine(&cli).await.finds("jira.permissions", "warning", "may not browse users");
    for project in fleet.jira().project_keys() {
        fleet.jira().deny_project(&project).unwrap();
    }
    examine(&cli).await.finds("jira.permissions", "failure", "may browse no project");
}

#[tokio::test]
async fn sites_that_do_not_answer_or_ask_for_rest_are_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-site");
    fleet.jira().advance(Duration::from_secs(45));
    examine(&cli).await.finds("jira.clock", "failure", "Jira's clock is 4");
    fleet.jira().fail_next(Route::Myself, 1_000, &Fault::Status(503, None));
    examine(&cli).await.finds("jira.reachable", "failure", "no answer");
    fleet.jira().clear_faults();
    let budgets = Budgets::connect(&fleet.queues.url, &fleet.queues.prefix).await.unwrap();
    budgets.pause(fleet.instance.id, Reach::Instance, Duration::from_secs(600)).await.unwrap();
    let report = examine(&cli).await;
    report.finds("jira.budget", "warning", "a pause of 5");
    assert_eq!(report.state("jira.token"), "skipped");
}

#[tokio::test]
async fn instances_that_rest_are_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-rest");
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let suspended = InstanceState::Suspended { reason: "token refused".into() };
    tenant.set_state(fleet.instance.id, &suspended).await.unwrap();
    let report = examine(&cli).await;
    report.finds("instance.state", "failure", "token refused");
    assert_eq!(report.state("sync.poll"), "skipped");
    tenant.set_state(fleet.instance.id, &InstanceState::Paused { reason: None }).await.unwrap();
    examine(&cli).await.finds("instance.state", "warning", "paused");
    tenant.set_state(fleet.instance.id, &InstanceState::Active).await.unwrap();
    cli.ok(&["tenant", "suspend", "acme"]).await;
    examine(&cli).await.finds("instance.state", "warning", "tenant acme is suspended");
    assert!(cli.fails(3, &["doctor", "--instance", "acmee"]).await.contains("is \"acme\" meant?"));
}

#[tokio::test]
async fn webhooks_that_do_not_come_are_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-webhooks");
    examine(&cli).await.finds("webhook.registered", "warning", "none is known");
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let ending = |days| Registration {
        kind: WebhookKind::Dynamic,
        url: "https://hooks.example/webhooks/acme".into(),
        remote_ids: vec![7],
        expires_at: Some(Utc::now() + TimeDelta::days(days)),
    };
    for (days, state) in [(30, "ok"), (3, "warning"), (-1, "failure")] {
        tenant.keep_webhook(fleet.instance.id, &ending(days), Utc::now()).await.unwrap();
        let report = examine(&cli).await;
        assert_eq!((report.state("webhook.registered"), report.state("webhook.expiry")), ("ok", state), "{days} days");
        if days < 30 {
            report.finds("webhook.expiry", state, "it ends");
        }
    }
    for (health, state) in [("lossy", "warning"), ("silent", "failure")] {
        in_tenant(&fleet, &format!("UPDATE mirror.webhooks SET health = '{health}'")).await;
        examine(&cli).await.finds("webhook.health", state, health);
    }
    in_tenant(&fleet, "UPDATE mirror.webhooks SET problem = 'Jira has none of ours'").await;
    examine(&cli).await.finds("webhook.registered", "failure", "Jira has none of ours");
}

#[tokio::test]
async fn readings_that_lag_are_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-sync");
    examine(&cli).await.finds("sync.backfill", "warning", "none was asked for");
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    for (seconds, state) in [(3_600, "failure"), (900, "warning")] {
        let mark = Watermark(Utc::now() - TimeDelta::seconds(seconds));
        tenant.advance_poll_mark(fleet.instance.id, mark).await.unwrap();
        examine(&cli).await.finds("sync.poll", state, "every 300 s");
    }
}

#[tokio::test]
async fn work_that_was_given_up_or_held_is_found() {
    let mut fleet = house().await;
    fleet.start_worker().await;
    fleet.backfill().await;
    fleet.census().await;
    fleet.stop_workers().await;
    let cli = Cli::of(&fleet, "doctor-held");
    let sound = examine(&cli).await;
    assert_eq!((sound.state("sync.backfill"), sound.state("sync.census")), ("ok", "ok"));
    let failed =
        "UPDATE mirror.sync_watermarks SET state = 'failed', reason = 'no such project' WHERE project_id IS NOT NULL";
    in_tenant(&fleet, failed).await;
    examine(&cli).await.finds("sync.backfill", "warning", "no such project");
    in_tenant(&fleet, "UPDATE mirror.censuses SET state = 'held', reason = '9 of 10 are gone'").await;
    examine(&cli).await.finds("sync.census", "warning", "9 of 10 are gone");
}
