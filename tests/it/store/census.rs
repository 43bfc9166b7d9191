//! The roll call in the store: who is missing, who is deleted, and what is held.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{IssueId, Lifecycle, Project, ProjectId};
use store::{Balance, CensusEnd, CensusPosition, CensusStep, Error, Gone, TimeDrift};
use uuid::Uuid;

use super::sample::{Mirror, at, comment, json, said, seal};

const PROJECT: ProjectId = ProjectId(10_000);

fn ids(numbers: impl IntoIterator<Item = i64>) -> Vec<IssueId> {
    numbers.into_iter().map(IssueId).collect()
}

fn project(id: i64, key: &str) -> Project {
    Project {
        id: ProjectId(id),
        key: key.parse().unwrap(),
        name: key.to_owned(),
        project_type: None,
        lifecycle: Lifecycle::Live,
        lead: None,
        issue_count: None,
        raw: json("{}"),
    }
}

/// A mirror that shows these many issues of one project, all seen long ago.
async fn mirror_of(count: i64) -> Mirror {
    let mirror = Mirror::new().await;
    mirror.apply(&(1..=count).map(|id| said(id, (1, 1), "a")).collect::<Vec<_>>()).await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    tx.apply_roster(mirror.instance, &[project(PROJECT.0, "ACME")]).await.unwrap();
    tx.commit().await.unwrap();
    mirror
}

async fn claim(mirror: &Mirror, run: Uuid) -> CensusPosition {
    mirror.tenant.census_claim(mirror.instance, PROJECT, run).await.unwrap().unwrap()
}

/// Calls the roll up to the marking: these are listed, and of those who are not, `there` are shown when asked for by id.
async fn call(mirror: &Mirror, listed: &[IssueId], there: &[IssueId], now: DateTime<Utc>) -> (Uuid, Balance) {
    let run = Uuid::now_v7();
    assert_eq!(mirror.tenant.census_plan(mirror.instance, &[PROJECT], run).await.unwrap(), [PROJECT]);
    for (n, part) in listed.chunks(3).enumerate() {
        let position = claim(mirror, run).await;
        assert_eq!(position.step, CensusStep::List);
        let more = ((n + 1) * 3 < listed.len()).then_some("more");
        let mut tx = mirror.tenant.begin().await.unwrap();
        tx.census_listed(&position, part, more).await.unwrap();
        tx.commit().await.unwrap();
    }
    loop {
        let position = claim(mirror, run).await;
        assert_eq!(position.step, CensusStep::Verify);
        let asked = mirror.tenant.census_unlisted(&position, 2).await.unwrap();
        let absent: Vec<IssueId> = asked.iter().copied().filter(|id| !there.contains(id)).collect();
        let mut tx = mirror.tenant.begin().await.unwrap();
        tx.census_verified(&position, (&absent, now), asked.last().copied()).await.unwrap();
        tx.commit().await.unwrap();
        if asked.is_empty() {
            break;
        }
    }
    let position = claim(mirror, run).await;
    assert_eq!(position.step, CensusStep::Mark);
    (run, mirror.tenant.census_balance(&position).await.unwrap())
}

async fn mark(mirror: &Mirror, run: Uuid) -> Gone {
    let mut gone = Gone::default();
    loop {
        let position = claim(mirror, run).await;
        let mut tx = mirror.tenant.begin().await.unwrap();
        let Some(part) = tx.census_mark(&position).await.unwrap() else {
            tx.census_end(&position, &CensusEnd::Done(None)).await.unwrap();
            tx.commit().await.unwrap();
            return gone;
        };
        tx.commit().await.unwrap();
        (gone.missing, gone.deleted) = (gone.missing + part.missing, gone.deleted + part.deleted);
    }
}

/// The database's clock, by which censuses begin.
fn now() -> DateTime<Utc> {
    Utc::now() + TimeDelta::milliseconds(1)
}

#[tokio::test]
async fn missing_once_and_deleted_when_a_second_census_agrees() {
    let mirror = mirror_of(20).await;
    let listed = ids((1..=20).filter(|id| ![3, 7, 9].contains(id)));
    // 9 is not listed, but shown when asked for: the index lags.
    let (run, balance) = call(&mirror, &listed, &ids([9]), now()).await;
    assert_eq!(balance, Balance { shown: 20, going: 2 });
    assert_eq!(mark(&mirror, run).await, Gone { missing: 2, deleted: 0 });
    assert!(mirror.shown(3).await.is_none() && mirror.shown(9).await.is_some());
    let (run, balance) = call(&mirror, &listed, &ids([9]), now()).await;
    assert_eq!(balance, Balance { shown: 18, going: 0 });
    assert_eq!(mark(&mirror, run).await, Gone { missing: 0, deleted: 2 });
    let (run, _) = call(&mirror, &listed, &ids([9]), now()).await;
    assert_eq!(mark(&mirror, run).await, Gone::default(), "deleted is said once");
    let rows = mirror.tenant.census_rows(mirror.instance).await.unwrap();
    assert_eq!((rows[0].project_key.as_str(), rows[0].state.as_str(), rows[0].listed), ("ACME", "done", 17));
    assert_eq!(mirror.rows(&["roll_calls"]).await, "");
}

#[tokio::test]
async fn who_comes_back_between_two_censuses_is_missed_anew() {
    let mirror = mirror_of(20).await;
    let listed = ids(2..=20);
    let (run, _) = call(&mirror, &listed, &[], now()).await;
    mark(&mirror, run).await;
    let mut back = said(1, (1, 1), "a");
    back.observed_at = now() + TimeDelta::seconds(1);
    mirror.apply(&[back]).await;
    assert!(mirror.shown(1).await.is_some());
    let (run, _) = call(&mirror, &listed, &[], now() + TimeDelta::seconds(2)).await;
    assert_eq!(mark(&mirror, run).await, Gone { missing: 1, deleted: 0 });
    // What a census says comes too late for whoever was seen after its question.
    let mut seen = said(2, (1, 1), "a");
    seen.observed_at = now() + TimeDelta::seconds(9);
    mirror.apply(&[seen]).await;
    let (run, balance) = call(&mirror, &ids(3..=20), &[], now() + TimeDelta::seconds(5)).await;
    assert_eq!(balance.going, 0);
    let gone = mark(&mirror, run).await;
    assert_eq!(gone, Gone { missing: 1, deleted: 0 }, "1 was missed after this census began: by its own question");
    assert!(mirror.shown(2).await.is_some());
}

#[tokio::test]
async fn one_census_never_counts_as_two() {
    let mirror = mirror_of(20).await;
    let asked_at = now() + TimeDelta::minutes(1);
    let (run, _) = call(&mirror, &ids(2..=20), &[], asked_at).await;
    let position = claim(&mirror, run).await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    tx.census_mark(&position).await.unwrap();
    let missed = (position.began_at, asked_at + TimeDelta::minutes(1));
    assert_eq!(tx.mark_missed(mirror.instance, &ids([1]), missed).await.unwrap(), Gone { missing: 1, deleted: 0 });
    drop(tx);
    assert_eq!(mark(&mirror, run).await, Gone { missing: 1, deleted: 0 }, "what was not committed is marked again");
}

#[tokio::test]
async fn half_of_a_project_is_weighed_before_anything_is_marked() {
    let mirror = mirror_of(20).await;
    let (run, balance) = call(&mirror, &ids(11..=20), &[], now()).await;
    assert!(balance.is_too_much(), "{balance:?}");
    let position = claim(&mirror, run).await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    tx.census_end(&position, &CensusEnd::Held("10 of 20".to_owned())).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(mirror.tenant.count_issues(mirror.instance).await.unwrap(), 20);
    assert_eq!(mirror.tenant.census_rows(mirror.instance).await.unwrap()[0].state, "held");
}

#[tokio::test]
async fn whoever_was_overtaken_marks_nothing() {
    let mirror = mirror_of(20).await;
    let (run, _) = call(&mirror, &ids(2..=20), &[], now()).await;
    let late = claim(&mirror, run).await;
    claim(&mirror, run).await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    assert!(matches!(tx.census_mark(&late).await, Err(Error::Overtaken)));
    drop(tx);
    assert!(mirror.shown(1).await.is_some());
    // Nor does another run begin while one is under way; the same one may be planned twice.
    let plan = async |run| mirror.tenant.census_plan(mirror.instance, &[PROJECT], run).await.unwrap();
    assert_eq!((plan(Uuid::now_v7()).await, plan(run).await), (vec![], vec![PROJECT]));
    assert_eq!(mark(&mirror, run).await.missing, 1);
    assert_eq!(plan(run).await, [], "it has ended");
}

#[tokio::test]
async fn who_is_listed_where_the_mirror_does_not_show_it_is_a_stray() {
    let mirror = mirror_of(6).await;
    mirror.missing(2, 5).await;
    mirror.deleted(3, 5).await;
    let (mut moved, mut renamed) = (said(4, (2, 2), "a"), said(5, (2, 2), "a"));
    (moved.issue.project, renamed.issue.key) = (ProjectId(7), "EMCA-5".parse().unwrap());
    for issue in [&mut moved, &mut renamed] {
        issue.content_hash = [7; 32];
    }
    mirror.apply(&[moved, renamed]).await;
    let strays = mirror.tenant.census_strays(mirror.instance, PROJECT, &ids([1, 2, 3, 4, 5, 6, 99])).await.unwrap();
    assert_eq!(strays, ids([2, 3, 4, 5, 99]));
}

#[tokio::test]
async fn a_project_that_is_no_longer_listed_loses_nothing() {
    let mirror = mirror_of(3).await;
    let roster = async |projects: &[Project]| {
        let mut tx = mirror.tenant.begin().await.unwrap();
        let lost = tx.apply_roster(mirror.instance, projects).await.unwrap();
        tx.commit().await.unwrap();
        let lifecycle = mirror.tenant.projects(mirror.instance).await.unwrap()[0].lifecycle;
        (lost, lifecycle)
    };
    assert_eq!(roster(&[]).await, (vec!["ACME".to_owned()], Lifecycle::Unlisted));
    assert_eq!(roster(&[]).await, (vec![], Lifecycle::Unlisted));
    assert_eq!(mirror.tenant.count_issues(mirror.instance).await.unwrap(), 3);
    assert_eq!(mirror.tenant.live_issue_ids(mirror.instance, None, 10).await.unwrap(), []);
    assert_eq!(mirror.tenant.sample_ids(mirror.instance, 10).await.unwrap(), []);
    assert_eq!(roster(&[project(PROJECT.0, "ACME")]).await, (vec![], Lifecycle::Live));
    assert_eq!(mirror.tenant.live_issue_ids(mirror.instance, Some(IssueId(1)), 10).await.unwrap(), ids([2, 3]));
    assert_eq!(mirror.tenant.sample_ids(mirror.instance, 2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn times_tell_who_drifted_and_which_way() {
    let mirror = mirror_of(4).await;
    mirror.missing(4, 5).await;
    let told = [(1, 1), (2, 2), (3, 0), (4, 1), (5, 1)].map(|(id, minute)| (IssueId(id), at(minute)));
    let drifts = mirror.tenant.time_drifts(mirror.instance, &told).await.unwrap();
    let expected = [(2, TimeDrift::Behind), (3, TimeDrift::Ahead), (4, TimeDrift::Missing), (5, TimeDrift::Missing)];
    assert_eq!(drifts, expected.map(|(id, drift)| (IssueId(id), drift)));
}

/// A comment is lost from the database, and a row claims a time that never was: hash and time say that all is well.
#[tokio::test]
async fn what_is_doubted_is_written_anew() {
    let mirror = mirror_of(2).await;
    let mut truth = [said(1, (2, 2), "b"), said(2, (2, 2), "b")];
    truth[0].comments = vec![comment(1, "kept")];
    seal(&mut truth[0]);
    let mut wrong = truth.clone();
    wrong[0].comments.clear();
    wrong[1].issue.updated_at = at(99);
    wrong[1].issue.summary = "never said".to_owned();
    mirror.apply(&wrong).await;
    for issue in &mut truth {
        issue.observed_at = at(9);
    }
    let drifted = async || {
        let mut drifted = Vec::new();
        for issue in &truth {
            drifted.extend(issue.differences(&mirror.shown(issue.issue.id.0).await.unwrap()));
        }
        drifted
    };
    mirror.apply(&truth).await;
    assert_eq!(drifted().await, ["comments", "issue"], "an answer alone does not help");
    for (doubted_at, left) in [(at(1), 2), (at(10), 0)] {
        let mut tx = mirror.tenant.begin().await.unwrap();
        tx.doubt(mirror.instance, &ids([1, 2]), doubted_at).await.unwrap();
        tx.apply(mirror.instance, &truth).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(drifted().await.len(), left, "what is newer than the answer is not doubted");
    }
}
