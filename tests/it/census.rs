//! The roll call against the simulated Jira: what nobody told of is found, and nothing that is there is called gone.

use std::{collections::BTreeMap, time::Duration};

use domain::{IssueId, Lifecycle};
use queue::{Compared, Job, Losses};
use simulator::{Blink, Config, Fault, Route};
use tests::{FleetOptions, TestFleet};
use uuid::Uuid;

use crate::{
    crash::{Process, until},
    pitfalls::desk::issue_id,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A fleet that holds everything and hears no webhooks.
async fn deaf(jira: Config) -> TestFleet {
    let fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    fleet
}

/// What the last censuses hid, and what they called deleted.
async fn gone(fleet: &TestFleet) -> (u64, u64) {
    let rows = fleet.censuses().await;
    assert!(rows.values().all(|row| row.finished_at.is_some()), "{rows:?}");
    (rows.values().map(|row| row.missing).sum(), rows.values().map(|row| row.deleted).sum())
}

async fn shows(fleet: &TestFleet, id: IssueId) -> bool {
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    tenant.issue_by_id(fleet.instance.id, id).await.unwrap().is_some()
}

#[tokio::test]
async fn thirty_deletions_nobody_told_of_are_found() {
    let fleet = deaf(Config { issues: 240, ..Default::default() }).await;
    let (world, before) = (fleet.jira(), fleet.jira().issue_ids());
    for id in before.iter().step_by(8) {
        world.delete(&id.to_string()).unwrap();
    }
    let after = world.issue_ids();
    let lost: Vec<IssueId> = before.into_iter().filter(|id| !after.contains(id)).map(issue_id).collect();
    assert!(lost.len() >= 30);
    fleet.census().await;
    assert_eq!(gone(&fleet).await, (lost.len() as u64, 0), "missing, and not yet deleted");
    for id in &lost {
        assert!(!shows(&fleet, *id).await, "{id}");
    }
    fleet.census().await;
    assert_eq!(gone(&fleet).await, (0, lost.len() as u64), "a second census agrees");
    let asked = fleet.requests();
    fleet.census().await;
    assert_eq!(gone(&fleet).await, (0, 0));
    assert_eq!(fleet.requests() - asked, 3 + 3, "a roster of three states, and one listing a project");
    // What pointed to the deleted changed without an update, and was asked for again.
    fleet.assert_mirror_equals_jira().await;
    assert_eq!(fleet.dead().await, 0);
}

#[tokio::test]
async fn a_hidden_issue_comes_back_however_often_it_was_missed() {
    let fleet = deaf(Config { issues: 60, ..Default::default() }).await;
    let (world, key) = (fleet.jira(), fleet.jira().issue_keys()[7].clone());
    let id = issue_id(world.issue_id(&key).unwrap());
    for (censuses, expected) in [(1, (1, 0)), (2, (0, 1))] {
        world.hide(&key).unwrap();
        for _ in 0..censuses {
            fleet.census().await;
        }
        assert_eq!(gone(&fleet).await, expected, "after {censuses}");
        assert!(!shows(&fleet, id).await);
        world.unhide(&key).unwrap();
        fleet.census().await;
        assert!(shows(&fleet, id).await, "it was only hidden");
    }
    fleet.reconcile(1000).await;
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn archived_trashed_and_forbidden_projects_lose_nothing() {
    let fleet = deaf(Config { issues: 60, projects: 4, ..Default::default() }).await;
    let (world, keys) = (fleet.jira(), fleet.jira().project_keys());
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    world.archive_project(&keys[0]).unwrap();
    world.trash_project(&keys[1]).unwrap();
    world.deny_project(&keys[2]).unwrap();
    for _ in 0..2 {
        fleet.census().await;
        assert_eq!(gone(&fleet).await, (0, 0));
    }
    let lifecycles: BTreeMap<_, _> = tenant
        .projects(fleet.instance.id)
        .await
        .unwrap()
        .into_iter()
        .map(|project| (project.key.to_string(), project.lifecycle))
        .collect();
    let expected = [Lifecycle::Archived, Lifecycle::Deleted, Lifecycle::Unlisted, Lifecycle::Live];
    assert_eq!(lifecycles, keys.iter().cloned().zip(expected).collect());
    assert_eq!(tenant.count_issues(fleet.instance.id).await.unwrap(), 60);
    assert_eq!(fleet.censuses().await.len(), 1, "only the live one was called");
    world.restore_project(&keys[0]).unwrap();
    world.restore_project(&keys[1]).unwrap();
    world.allow_project(&keys[2]).unwrap();
    fleet.census().await;
    assert_eq!((gone(&fleet).await, fleet.censuses().await.len()), ((0, 0), 4));
    fleet.assert_mirror_equals_jira().await;
}

/// The roster was read, and the project went into the trash before it was listed: everything in it seems to be gone.
#[tokio::test]
async fn a_project_that_goes_in_the_middle_of_its_census_loses_nothing() {
    let fleet = deaf(Config { issues: 12, projects: 3, ..Default::default() }).await;
    let (world, tenant) = (fleet.jira(), fleet.store.tenant(fleet.instance.tenant));
    let (instance, run) = (fleet.instance.id, Uuid::now_v7());
    let project = tenant.projects(instance).await.unwrap()[0].clone();
    tenant.census_plan(instance, &[project.id], run).await.unwrap();
    world.trash_project(project.key.as_str()).unwrap();
    let (compared, losses) = (Compared::Ids, Losses::Hold);
    let chain = Job::CensusProject { instance, project: project.id, run, page: 0, compared, losses };
    fleet.producer.enqueue(chain).await.unwrap();
    fleet.drain().await;
    let row = fleet.censuses().await.remove(project.key.as_str()).unwrap();
    assert_eq!((row.state.as_str(), row.missing), ("left", 0), "{row:?}");
    assert_eq!(tenant.count_issues(instance).await.unwrap(), 12);
    assert_eq!(fleet.dead().await, 0);
}

#[tokio::test]
async fn half_of_a_project_gone_at_once_is_held_until_somebody_has_looked() {
    let fleet = deaf(Config { issues: 60, projects: 3, ..Default::default() }).await;
    let (world, tenant) = (fleet.jira(), fleet.store.tenant(fleet.instance.tenant));
    let project = world.project_keys()[0].clone();
    let of_project = |key: &String| key.starts_with(&format!("{project}-"));
    let hidden: Vec<String> = world.issue_keys().into_iter().filter(of_project).step_by(2).collect();
    assert_eq!(hidden.len(), 10, "of twenty");
    hidden.iter().for_each(|key| world.hide(key).unwrap());
    for _ in 0..3 {
        fleet.census().await;
        let row = fleet.censuses().await.remove(&project).unwrap();
        assert_eq!((row.state.as_str(), row.reason.as_deref()), ("held", Some("10 of 20 issues would go at once")));
        assert_eq!(tenant.count_issues(fleet.instance.id).await.unwrap(), 60, "however often it is called");
    }
    fleet.ask_for_census(Compared::Ids, Losses::Accept).await;
    assert_eq!((gone(&fleet).await, tenant.count_issues(fleet.instance.id).await.unwrap()), ((10, 0), 50));
    hidden.iter().for_each(|key| world.unhide(key).unwrap());
    fleet.census().await;
    assert_eq!(tenant.count_issues(fleet.instance.id).await.unwrap(), 60);
    fleet.reconcile(1000).await;
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn what_the_index_does_not_know_is_not_gone() {
    let index_blink = Blink { chance: 1.0, extra: HOUR..=HOUR };
    let fleet = deaf(Config { issues: 60, index_lag: HOUR..=HOUR, index_blink, ..Default::default() }).await;
    let (world, keys) = (fleet.jira(), fleet.jira().issue_keys());
    for key in &keys[..20] {
        world.blink_out(world.issue_id(key).unwrap(), HOUR);
    }
    // Edited, and lost from the index for it; and one that the index has never known.
    world.edit(&keys[30], |issue| issue.summary = "edited unseen".into()).unwrap();
    let born = world.create(&world.project_keys()[0], "born unseen").unwrap();
    let listed: usize = {
        fleet.census().await;
        fleet.censuses().await.values().map(|row| usize::try_from(row.listed).unwrap()).sum()
    };
    assert_eq!(listed, 39);
    assert_eq!(gone(&fleet).await, (0, 0));
    assert_eq!(fleet.row(&keys[30]).await.unwrap().summary, "edited unseen", "asked for by id, it was newer");
    world.settle_index();
    fleet.census().await;
    assert!(fleet.row(&born).await.is_some());
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn a_census_survives_the_death_of_its_worker() {
    let jira = Config { issues: 120, projects: 8, ..Default::default() };
    let mut fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    fleet.stop_workers().await;
    let (world, before) = (fleet.jira(), fleet.jira().issue_ids().len());
    for id in world.issue_ids().into_iter().step_by(10) {
        world.delete(&id.to_string()).unwrap();
    }
    let lost = before - world.issue_ids().len();
    let asked = world.requests().of(Route::Search);
    // Slow enough to be caught in the middle.
    world.fail_next(Route::Search, 1000, &Fault::Slow(Duration::from_millis(100)));
    let (compared, losses) = (Compared::Ids, Losses::Hold);
    let job = Job::Census { instance: fleet.instance.id, projects: Vec::new(), compared, losses };
    fleet.producer.enqueue(job).await.unwrap();
    let key_file = std::env::temp_dir().join(format!("jirafleet-census-{}", std::process::id()));
    std::fs::write(&key_file, "5a".repeat(32)).unwrap();
    let listed = || async { world.requests().of(Route::Search) - asked };
    let first = Process::worker(&fleet, &key_file);
    until(|| async { listed().await >= 4 }).await;
    drop(first);
    let ended = fleet.censuses().await.values().filter(|row| row.finished_at.is_some()).count();
    assert!(ended < 8, "the worker was killed after the end");
    let _second = Process::worker(&fleet, &key_file);
    let all = || async { fleet.censuses().await.values().filter(|row| row.finished_at.is_some()).count() == 8 };
    until(all).await;
    fleet.drain().await;
    assert_eq!(gone(&fleet).await, (lost as u64, 0), "nothing was marked twice, or taken for a second census");
    assert!(listed().await <= 10, "8 projects were listed in {} requests", listed().await);
    assert_eq!(fleet.dead().await, 0);
    std::fs::remove_file(key_file).unwrap();
}
