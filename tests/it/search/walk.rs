//! Walking through an answer while rows change.

use std::collections::{BTreeMap, BTreeSet};

use domain::search::{Direction, IssueFilter, Limit, PageRequest, Question, Sort, SortKey};
use rand::RngExt;

use super::sample::{Library, rng};
use crate::store::sample::at;

#[tokio::test]
async fn what_does_not_change_is_shown_exactly_once() {
    for (seed, by, direction) in [
        (1, SortKey::Updated, Direction::Descending),
        (2, SortKey::Updated, Direction::Ascending),
        (3, SortKey::Key, Direction::Ascending),
        (4, SortKey::Due, Direction::Descending),
    ] {
        let mut library = Library::new(100).await;
        let mut rng = rng(seed);
        let question = Question::of_filter(&IssueFilter::default(), &[Sort { by, direction }]).unwrap();
        let mut request = PageRequest { limit: Limit::new(7).unwrap(), ..PageRequest::default() };
        let mut seen: BTreeMap<_, u32> = BTreeMap::new();
        let mut changed = BTreeSet::new();
        for minute in 0.. {
            let page = library.mirror.tenant.issues().search(&question, &request).await.unwrap();
            for item in &page.items {
                *seen.entry((item.instance, item.issue.id)).or_default() += 1;
            }
            let Some(next) = page.next else { break };
            request.after = Some(next);
            for _ in 0..3 {
                let one = rng.random_range(0..library.issues.len());
                changed.insert(touch(&mut library, one, minute).await);
            }
        }
        let unchanged = library.issues.iter().filter(|issue| issue.visible);
        let unchanged: Vec<_> = unchanged.map(|issue| (issue.instance, issue.snapshot.issue.id)).collect();
        let unchanged: Vec<_> = unchanged.into_iter().filter(|issue| !changed.contains(issue)).collect();
        assert!(unchanged.len() > 30 && changed.len() > 20);
        for issue in unchanged {
            assert_eq!(seen.get(&issue), Some(&1), "{by:?} {direction:?} {issue:?}");
        }
    }
}

/// A new version of an issue, which may move it anywhere; sometimes it goes away.
async fn touch(library: &mut Library, one: usize, minute: i64) -> (domain::InstanceId, domain::IssueId) {
    let shelved = &mut library.issues[one];
    let (instance, snapshot) = (shelved.instance, &mut shelved.snapshot);
    let place = (instance, snapshot.issue.id);
    snapshot.issue.updated_at = at(50 + minute);
    snapshot.issue.due_on = None;
    snapshot.observed_at = at(2_000 + minute);
    snapshot.content_hash[0] ^= 1;
    let snapshot = snapshot.clone();
    if minute % 3 == 0 && instance == library.mirror.instance {
        library.mirror.missing(place.1.0, 200_000).await;
    } else {
        library.apply(instance, &[snapshot]).await;
    }
    place
}
