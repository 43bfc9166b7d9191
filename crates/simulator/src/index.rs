//! The search index: what searches see, later than the store by a lag drawn for each change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::world::issue::Issue;

/// Snapshots of issues as searches see them, and those on their way.
#[derive(Default)]
pub(crate) struct Index {
    seen: BTreeMap<u64, Arc<Issue>>,
    on_its_way: BTreeMap<(DateTime<Utc>, u64), Arc<Issue>>,
    /// Newest revision on its way per issue; consulted by `reconcile`.
    newest: HashMap<u64, Arc<Issue>>,
    serial: u64,
}

impl Index {
    /// An index that has caught up with these issues.
    pub(crate) fn of(issues: &BTreeMap<u64, Arc<Issue>>) -> Self {
        Self { seen: issues.clone(), ..Self::default() }
    }

    /// A change that searches will see from `visible_at` on.
    pub(crate) fn note(&mut self, visible_at: DateTime<Utc>, issue: &Arc<Issue>) {
        self.serial += 1;
        self.on_its_way.insert((visible_at, self.serial), issue.clone());
        self.newest.insert(issue.id, issue.clone());
    }

    /// Deletion takes effect at once, as it does in Jira (facts 3.7).
    pub(crate) fn forget(&mut self, id: u64) {
        self.seen.remove(&id);
        self.newest.remove(&id);
        self.on_its_way.retain(|_, issue| issue.id != id);
    }

    /// Whether something has become visible that was not settled yet.
    pub(crate) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.on_its_way.first_key_value().is_some_and(|((at, _), _)| *at <= now)
    }

    /// Lets searches see what is due by `now`.
    pub(crate) fn settle(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.on_its_way.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let issue = entry.remove();
            self.show(issue);
        }
    }

    /// Lets searches see the newest state of these issues (`reconcileIssues`).
    pub(crate) fn reconcile(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(issue) = self.newest.get(id).cloned() {
                self.show(issue);
            }
        }
    }

    /// What searches see, by id.
    pub(crate) fn seen(&self) -> &BTreeMap<u64, Arc<Issue>> {
        &self.seen
    }

    /// Lags differ, so an older state may come due after a newer one: it is dropped then.
    fn show(&mut self, issue: Arc<Issue>) {
        let id = issue.id;
        if self.newest.get(&id).is_some_and(|newest| newest.revision <= issue.revision) {
            self.newest.remove(&id);
        }
        let newer = self.seen.get(&id).is_none_or(|seen| seen.revision < issue.revision);
        if newer {
            self.seen.insert(id, issue);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn issue(revision: u64) -> Arc<Issue> {
        let mut issue = Issue::new(7, "ACME-7".into(), "a".into(), at(0));
        issue.revision = revision;
        Arc::new(issue)
    }

    fn seen(index: &Index) -> Option<u64> {
        index.seen().get(&7).map(|issue| issue.revision)
    }

    #[test]
    fn a_change_is_seen_when_its_lag_is_over() {
        let mut index = Index::default();
        index.note(at(10), &issue(1));
        assert!(!index.is_due(at(9)) && index.is_due(at(10)));
        index.settle(at(9));
        assert_eq!(seen(&index), None);
        index.settle(at(10));
        assert_eq!(seen(&index), Some(1));
    }

    #[test]
    fn an_older_state_that_is_late_replaces_nothing() {
        let mut index = Index::default();
        index.note(at(30), &issue(1));
        index.note(at(10), &issue(2));
        index.settle(at(20));
        index.settle(at(40));
        assert_eq!(seen(&index), Some(2));
    }

    #[test]
    fn reconciling_shows_the_newest_and_forgetting_is_final() {
        let mut index = Index::default();
        index.note(at(30), &issue(1));
        index.note(at(50), &issue(2));
        index.reconcile(&[7, 8]);
        assert_eq!(seen(&index), Some(2));
        index.forget(7);
        index.settle(at(60));
        assert_eq!(seen(&index), None);
    }
}
