//! Pages that tell what is known: what is left alone, and what must not be taken for it.

use chrono::{TimeDelta, TimeZone, Utc};
use domain::{IssueId, IssueSnapshot};
use store::Applied;

use super::{
    EVERYTHING,
    sample::{Mirror, at, rich, said},
    written,
};

#[tokio::test]
async fn twice_is_once() {
    let mirror = Mirror::new().await;
    let mut page = vec![rich(1), said(2, (1, 1), "a")];
    // Finer than the database keeps: it must not seem newer than itself.
    page[0].observed_at += TimeDelta::nanoseconds(999);
    mirror.apply(&page).await;
    let before = mirror.rows(&EVERYTHING).await;
    assert_eq!(mirror.apply(&page).await, Applied { unchanged: 2, ..Applied::default() });
    assert_eq!(mirror.rows(&EVERYTHING).await, before);
}

/// PostgreSQL leaves out of its answer what is surely known; everything else it must tell.
#[tokio::test]
async fn what_is_known_is_told_from_what_is_not() {
    let mirror = Mirror::new().await;
    let before: Vec<_> = (1..=7).map(|id| said(id, (5, 5), "a")).collect();
    mirror.apply(&before).await;
    mirror.deleted(6, 7).await;
    mirror.missing(7, 7).await;
    let same_words_changed_later = IssueSnapshot { content_hash: before[3].content_hash, ..said(4, (6, 6), "a") };
    let page = [
        said(1, (5, 5), "a"),
        said(2, (5, 8), "a"),
        said(3, (5, 5), "other words, as late"),
        same_words_changed_later,
        said(5, (5, 3), "a"),
        said(6, (5, 5), "a"),
        said(7, (5, 8), "a"),
        said(8, (1, 1), "a"),
    ];
    // 4 and 8 are written; 1, 2, 5 and 7 are as they were; 3 lost a tie, and 6 was deleted after it was seen.
    let expected = Applied { written: 2, unchanged: 4, refused: 2 };
    assert_eq!(mirror.apply(&page).await, expected);
    assert_eq!(mirror.shown(4).await.unwrap().issue.updated_at, at(6));
    assert!(mirror.shown(6).await.is_none() && mirror.shown(7).await.is_some());
    // That 2 was seen at 8 is remembered, beside others that were seen earlier.
    mirror.missing(2, 7).await;
    assert!(mirror.shown(2).await.is_some());
}

#[tokio::test]
async fn a_time_that_cannot_be_held_is_told_by_its_name() {
    let mirror = Mirror::new().await;
    let mut long_ago = said(1, (1, 1), "a");
    long_ago.issue.updated_at = Utc.with_ymd_and_hms(-200_000, 1, 1, 0, 0, 0).unwrap();
    let mut tx = mirror.tenant.begin().await.unwrap();
    let page = [long_ago, said(2, (1, 1), "b")];
    let (applied, spoilt) = tx.apply_storable(mirror.instance, &page).await.unwrap();
    assert_eq!(applied, written(1));
    let [(id, error)] = spoilt.as_slice() else { panic!("{spoilt:?}") };
    assert_eq!(*id, IssueId(1));
    assert!(error.to_string().contains("the time of update of issue 1"), "{error}");
}
