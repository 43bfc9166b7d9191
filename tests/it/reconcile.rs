//! Comparing with Jira: each cause of drift is told from the others, and put right; and what it costs.

use std::collections::BTreeMap;

use chrono::Utc;
use domain::IssueId;
use jira::{Client, Priority};
use queue::{Compared, Losses};
use sea_orm::{ConnectionTrait, TransactionTrait};
use simulator::{Config, Fault, Route};
use tests::{FleetOptions, TestFleet};
use worker::drift::{self, Drift, Kind};

use crate::{cli::Cli, pitfalls::desk::issue_id, store::sample::connect};

/// Changes rows behind the mirror's back.
async fn tamper(fleet: &TestFleet, sql: &str) {
    let tx = connect(&fleet.database.owner_url).await.begin().await.unwrap();
    let tenant = fleet.instance.tenant;
    tx.execute_unprepared(&format!("SELECT set_config('app.current_tenant_id', '{tenant}', true)")).await.unwrap();
    let done = tx.execute_unprepared(sql).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{sql}");
    tx.commit().await.unwrap();
}

async fn client(fleet: &TestFleet) -> Client {
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let credentials = worker::credentials(&tenant, fleet.instance.id).await.unwrap();
    fleet.clients().client_as(&fleet.instance, credentials).unwrap().with_priority(Priority::Upkeep)
}

/// What drifted of everything that Jira or the mirror has, as a comparison of fields finds it.
async fn drifts(fleet: &TestFleet, jira: &Client, ids: &[IssueId]) -> Vec<Drift> {
    let answer = jira.hydrate(ids).await.unwrap();
    drift::find(&fleet.store.tenant(fleet.instance.tenant), fleet.instance.id, &answer).await.unwrap()
}

fn kinds(drifts: &[Drift]) -> BTreeMap<IssueId, (Kind, String)> {
    drifts.iter().map(|drift| (drift.issue, (drift.kind, drift.parts.join(" ")))).collect()
}

/// A fleet that holds everything and hears no webhooks, into which every kind of drift has come.
async fn drifted(issues: usize) -> (TestFleet, BTreeMap<IssueId, (Kind, String)>) {
    let jira = Config { issues, comments_per_issue: 1..=3, ..Default::default() };
    let fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    let world = fleet.jira();
    let ids: Vec<IssueId> = world.issue_ids().into_iter().map(issue_id).collect();
    let lonely = world.create("ACME", "deleted unseen").unwrap();
    let (lonely_id, client) = (issue_id(world.issue_id(&lonely).unwrap()), client(&fleet).await);
    fleet.producer.touch(fleet.instance.id, &[lonely_id], Utc::now()).await.unwrap();
    fleet.drain().await;
    let mut all = ids.clone();
    all.push(lonely_id);
    assert_eq!(drifts(&fleet, &client, &all).await, []);
    let [rewritten, uncommented, ahead] = [ids[3].0, ids[4].0, ids[5].0];
    tamper(&fleet, &format!("UPDATE mirror.issues SET summary = 'never said' WHERE id = {rewritten}")).await;
    let comment = format!("SELECT min(id) FROM mirror.comments WHERE issue_id = {uncommented}");
    let delete = format!("DELETE FROM mirror.comments WHERE issue_id = {uncommented} AND id = ({comment})");
    tamper(&fleet, &delete).await;
    let future = format!("UPDATE mirror.issues SET updated_at = updated_at + interval '9 years' WHERE id = {ahead}");
    tamper(&fleet, &future).await;
    world.edit(&ids[6].to_string(), |issue| issue.summary = "told by nobody".into()).unwrap();
    world.delete(&lonely).unwrap();
    let born = issue_id(world.issue_id(&world.create("WEB", "born unseen").unwrap()).unwrap());
    all.push(born);
    let found = kinds(&drifts(&fleet, &client, &all).await);
    let expected = [
        (ids[3], (Kind::Silent, "issue".to_owned())),
        (ids[4], (Kind::Silent, "comments".to_owned())),
        (ids[5], (Kind::Ahead, "issue".to_owned())),
        (ids[6], (Kind::Stale, "issue changelog raw".to_owned())),
        (lonely_id, (Kind::Extra, String::new())),
        (born, (Kind::Missing, String::new())),
    ];
    assert_eq!(found, BTreeMap::from(expected));
    (fleet, found)
}

#[tokio::test]
async fn a_comparison_of_fields_puts_right_what_the_mirror_shows() {
    let (fleet, found) = drifted(120).await;
    fleet.reconcile(1000).await;
    let ids: Vec<IssueId> = found.keys().copied().collect();
    let left = kinds(&drifts(&fleet, &client(&fleet).await, &ids).await);
    assert!(left.values().all(|(kind, _)| *kind == Kind::Missing), "the mirror knows nothing of it: {left:?}");
    assert_eq!(left.len(), 1);
    fleet.census().await;
    fleet.assert_mirror_equals_jira().await;
    assert_eq!(fleet.dead().await, 0);
}

#[tokio::test]
async fn a_comparison_of_times_puts_right_all_but_what_is_silent() {
    let (fleet, found) = drifted(330).await;
    // Sites that take no thousand ids are asked for a hundred.
    fleet.jira().fail_next(Route::BulkFetch, 1, &Fault::Status(400, None));
    fleet.ask_for_census(Compared::Times, Losses::Hold).await;
    let ids: Vec<IssueId> = found.keys().copied().collect();
    let left = kinds(&drifts(&fleet, &client(&fleet).await, &ids).await);
    assert!(left.values().all(|(kind, _)| *kind == Kind::Silent), "{left:?}");
    assert_eq!(left.len(), 2);
    fleet.reconcile(1000).await;
    fleet.assert_mirror_equals_jira().await;
    assert_eq!(fleet.dead().await, 0);
}

#[tokio::test]
async fn the_zone_of_the_night_is_that_of_our_profile() {
    let jira = Config { issues: 6, account_time_zone: chrono_tz::Asia::Kathmandu, ..Default::default() };
    let fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
    let zone = async || {
        let instance = fleet.store.system().instance(fleet.instance.id).await.unwrap().unwrap();
        instance.time_zone
    };
    assert_eq!(zone().await, None);
    fleet.backfill().await;
    assert_eq!(zone().await.as_deref(), Some("Asia/Kathmandu"), "learned at first contact");
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    tenant.set_time_zone(fleet.instance.id, Some("Europe/Berlin")).await.unwrap();
    fleet.reconcile(1).await;
    assert_eq!(zone().await.as_deref(), Some("Asia/Kathmandu"), "the account has moved");
}

/// N issues cost N / 5,000 listings, and N / 1,000 questions for times.
#[tokio::test]
async fn five_thousand_issues_are_compared_in_nine_requests() {
    let none = 0..=0;
    let jira = Config {
        issues: 5000,
        projects: 1,
        comments_per_issue: none.clone(),
        histories_per_issue: none.clone(),
        worklogs_per_issue: none,
        ..Default::default()
    };
    let fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
    let (world, tenant) = (fleet.jira(), fleet.store.tenant(fleet.instance.tenant));
    fleet.lose_webhooks();
    for page in world.issue_ids().chunks(500) {
        let said =
            |id: &u64| jira::snapshot_from_json(&world.store_view(*id).unwrap().to_string(), Utc::now()).unwrap();
        let mut tx = tenant.begin().await.unwrap();
        tx.apply(fleet.instance.id, &page.iter().map(said).collect::<Vec<_>>()).await.unwrap();
        tx.commit().await.unwrap();
    }
    fleet.reconcile(1).await;
    for (compared, requests) in [(Compared::Ids, 3 + 1), (Compared::Times, 3 + 1 + 5)] {
        let asked = fleet.requests();
        fleet.ask_for_census(compared, Losses::Hold).await;
        assert_eq!(fleet.requests() - asked, requests, "the roster in three states, and the issues ({compared:?})");
    }
    let keys = world.issue_keys();
    for key in keys.iter().step_by(500) {
        world.edit(key, |issue| issue.summary = "told by nobody".into()).unwrap();
    }
    for id in world.issue_ids().iter().skip(7).step_by(1000) {
        world.delete(&id.to_string()).unwrap();
    }
    let (asked, searched) = (fleet.requests(), world.requests().of(Route::Search));
    fleet.ask_for_census(Compared::Times, Losses::Hold).await;
    let (asked, searched) = (fleet.requests() - asked, world.requests().of(Route::Search) - searched);
    assert_eq!(searched, 1);
    // Roster 3, listing 1, times 5, the unlisted 1, the project itself 1, a batch for each lane that was touched, and one more
    // where something pointed to what went.
    assert!(asked <= 3 + 1 + 5 + 1 + 1 + 4 + 4, "{asked}");
    assert_eq!(fleet.row(&keys[500]).await.unwrap().summary, "told by nobody");
    assert_eq!(tenant.count_issues(fleet.instance.id).await.unwrap(), world.issue_count() as u64);
}

#[tokio::test]
async fn an_operator_compares_repairs_and_calls_the_roll() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    let (cli, keys) = (Cli::of(&fleet, "reconcile"), fleet.jira().issue_keys());
    let said = cli.run(&["sync", "reconcile", "acme"]).await;
    assert!(said.status.success() && String::from_utf8_lossy(&said.stderr).contains("60 issues compared, 0 differ"));
    fleet.jira().edit(&keys[5], |issue| issue.summary = "told by nobody".into()).unwrap();
    let said = cli.run(&["sync", "reconcile", "acme", "--full", "-o", "jsonl"]).await;
    assert_eq!(said.status.code(), Some(7));
    let row: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((row["key"].as_str(), row["cause"].as_str()), (Some(keys[5].as_str()), Some("stale")));
    cli.ok(&["sync", "reconcile", "acme", "--repair"]).await;
    assert_eq!(fleet.row(&keys[5]).await.unwrap().summary, "told by nobody");
    fleet.jira().edit(&keys[6], |issue| issue.summary = "told by nobody".into()).unwrap();
    cli.ok(&["sync", "reconcile", "acme", "--full", "--repair"]).await;
    fleet.drain().await;
    assert_eq!(fleet.row(&keys[6]).await.unwrap().summary, "told by nobody");
    let acme: Vec<&String> = keys.iter().filter(|key| key.starts_with("ACME-")).collect();
    for key in &acme[..15] {
        fleet.jira().hide(key).unwrap();
    }
    cli.ok(&["sync", "census", "acme", "--project", "ACME"]).await;
    fleet.drain().await;
    let status = cli.ok(&["sync", "status", "acme", "-o", "json"]).await;
    assert!(status.contains("census:ACME") && status.contains("15 of 20 issues would go at once"), "{status}");
    assert!(fleet.row(acme[0]).await.is_some());
    cli.ok(&["sync", "census", "acme", "--project", "ACME", "--accept"]).await;
    fleet.drain().await;
    assert!(fleet.row(acme[0]).await.is_none());
    assert!(cli.fails(3, &["sync", "census", "acme", "--project", "NOPE"]).await.contains("ACME"));
}
