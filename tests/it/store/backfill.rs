//! Backfills: page by page to an end, and whoever was overtaken leaves nothing.

use domain::{IssueId, ProjectId};
use store::{BackfillPlan, Error};
use uuid::Uuid;

use super::sample::{Mirror, said};

fn plan(run: Uuid) -> BackfillPlan {
    BackfillPlan { project: ProjectId(7), run, since: None, expected: Some(150) }
}

async fn begin(mirror: &Mirror, run: Uuid) {
    let mut tx = mirror.tenant.begin().await.unwrap();
    tx.backfill_plan(mirror.instance, &[plan(run)]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_backfill_goes_page_by_page_to_its_end() {
    let mirror = Mirror::new().await;
    let run = Uuid::now_v7();
    begin(&mirror, run).await;
    let (mut seen, mut pages) = (Vec::new(), 0);
    let mut listings = vec![(1..=150, Some("more".to_owned())), (151..=160, None)].into_iter();
    loop {
        let claimed = mirror.tenant.backfill_claim(mirror.instance, ProjectId(7), run).await.unwrap();
        let mut position = claimed.unwrap();
        if position.next.is_empty() && !position.listed_all {
            let (ids, token) = listings.next().unwrap();
            let mut tx = mirror.tenant.begin().await.unwrap();
            tx.backfill_listed(&mut position, ids.map(IssueId).collect(), token).await.unwrap();
            tx.commit().await.unwrap();
        }
        seen.extend(position.next.iter().map(|id| id.0));
        let mut tx = mirror.tenant.begin().await.unwrap();
        let progress = tx.backfill_advance(&position, position.next.len()).await.unwrap();
        tx.commit().await.unwrap();
        pages += 1;
        // Planning the same run again changes nothing.
        begin(&mirror, run).await;
        assert_eq!((progress.synced, progress.expected), (seen.len() as u64, Some(150)));
        if progress.finished {
            break;
        }
    }
    assert_eq!(seen, (1..=160).collect::<Vec<_>>());
    let rows = mirror.tenant.backfill_progress(mirror.instance).await.unwrap();
    assert_eq!(
        (rows.len(), rows[0].page, rows[0].state.as_str(), rows[0].project_key.as_str()),
        (1, pages, "done", "7")
    );
    assert!(rows[0].ended() && rows[0].finished_at.is_some());
    assert_eq!(mirror.tenant.backfill_claim(mirror.instance, ProjectId(7), run).await.unwrap(), None);
}

#[tokio::test]
async fn a_page_of_whoever_was_overtaken_leaves_nothing() {
    let mirror = Mirror::new().await;
    let run = Uuid::now_v7();
    begin(&mirror, run).await;
    let claim = async || mirror.tenant.backfill_claim(mirror.instance, ProjectId(7), run).await.unwrap().unwrap();
    let mut slow = claim().await;
    let mut fast = claim().await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    let refused = tx.backfill_listed(&mut slow, vec![IssueId(1)], None).await;
    assert!(matches!(refused, Err(Error::Overtaken)));
    drop(tx);
    let mut tx = mirror.tenant.begin().await.unwrap();
    tx.backfill_listed(&mut fast, vec![IssueId(1), IssueId(2)], None).await.unwrap();
    tx.commit().await.unwrap();
    let slow = claim().await;
    let fast = claim().await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    tx.apply(mirror.instance, &[said(1, (1, 1), "a")]).await.unwrap();
    assert!(matches!(tx.backfill_advance(&slow, slow.next.len()).await, Err(Error::Overtaken)));
    drop(tx);
    assert!(mirror.shown(1).await.is_none());
    let mut tx = mirror.tenant.begin().await.unwrap();
    assert!(tx.backfill_advance(&fast, fast.next.len()).await.unwrap().finished);
    tx.commit().await.unwrap();
}

/// A worker is stopped in the middle of a page's transaction, loses its place to another, and wakes: its page is older by
/// then, and nothing of it is kept, whatever it had written before it slept.
#[tokio::test]
async fn a_writer_that_slept_through_its_lease_is_refused() {
    let mirror = Mirror::new().await;
    let run = Uuid::now_v7();
    begin(&mirror, run).await;
    let claim = async || mirror.tenant.backfill_claim(mirror.instance, ProjectId(7), run).await.unwrap();
    let mut first = claim().await.unwrap();
    let mut tx = mirror.tenant.begin().await.unwrap();
    tx.backfill_listed(&mut first, (1..=150).map(IssueId).collect(), None).await.unwrap();
    tx.commit().await.unwrap();

    let mut asleep = Vec::new();
    for minute in 1..=3 {
        let position = claim().await.unwrap();
        let mut tx = mirror.tenant.begin().await.unwrap();
        // Issues of its own, so that nobody waits for its locks: what it wrote is seen only if it is kept.
        tx.apply(mirror.instance, &[said(1000 + minute, (minute, minute), "zombie")]).await.unwrap();
        asleep.push((tx, position));
    }
    let awake = claim().await.unwrap();
    let mut tx = mirror.tenant.begin().await.unwrap();
    tx.apply(mirror.instance, &[said(1, (9, 9), "newest")]).await.unwrap();
    assert!(!tx.backfill_advance(&awake, 100).await.unwrap().finished);
    tx.commit().await.unwrap();

    for (mut tx, position) in asleep {
        tx.apply(mirror.instance, &[said(1, (1, 1), "zombie")]).await.unwrap();
        assert!(matches!(tx.backfill_advance(&position, 100).await, Err(Error::Overtaken)));
        drop(tx);
    }
    assert_eq!(mirror.summary(1).await.as_deref(), Some("newest"));
    for id in 1001..=1003 {
        assert!(mirror.shown(id).await.is_none());
    }
    let row = mirror.tenant.backfill_progress(mirror.instance).await.unwrap().remove(0);
    assert_eq!((row.synced, row.page), (100, 1), "no page was counted twice");
    let mut late = awake;
    let mut tx = mirror.tenant.begin().await.unwrap();
    // Nor may whoever committed go on when another claims after it.
    claim().await.unwrap();
    assert!(matches!(tx.backfill_listed(&mut late, vec![IssueId(5)], None).await, Err(Error::Overtaken)));
}

#[tokio::test]
async fn another_run_takes_over_and_begins_anew() {
    let mirror = Mirror::new().await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    begin(&mirror, first).await;
    let old = mirror.tenant.backfill_claim(mirror.instance, ProjectId(7), first).await.unwrap().unwrap();
    begin(&mirror, second).await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    assert!(matches!(tx.backfill_advance(&old, old.next.len()).await, Err(Error::Overtaken)));
    drop(tx);
    assert_eq!(mirror.tenant.backfill_claim(mirror.instance, ProjectId(7), first).await.unwrap(), None);
    assert!(mirror.tenant.backfill_claim(mirror.instance, ProjectId(7), second).await.unwrap().is_some());
}
