//! The search index: what searches see, later than the store by a lag drawn for each change; and now and then an issue
//! that was found already is lost for a while.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;

use crate::config::Config;
use crate::world::issue::Issue;

/// Snapshots of issues as searches see them, and those on their way.
pub(crate) struct Index {
    seen: BTreeMap<u64, Arc<Issue>>,
    on_its_way: BTreeMap<(DateTime<Utc>, u64), Arc<Issue>>,
    /// Newest revision on its way per issue; consulted by `reconcile`.
    newest: HashMap<u64, Arc<Issue>>,
    serial: u64,
    /// Issues in the hands of a bulk operation.
    in_bulk: BTreeSet<u64>,
    lag: RangeInclusive<Duration>,
    bulk_lag: RangeInclusive<Duration>,
    blink: Blink,
    dice: Xoshiro256PlusPlus,
}

/// How often a change makes an issue that searches found already vanish from them, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Blink {
    /// From 0.0 (never) to 1.0 (with each change).
    pub chance: f64,
    /// How much longer than the lag of the change; drawn per change.
    pub extra: RangeInclusive<Duration>,
}

impl Default for Blink {
    fn default() -> Self {
        Self { chance: 0.0, extra: Duration::from_secs(1)..=Duration::from_secs(20) }
    }
}

impl Index {
    /// An index that has caught up with these issues.
    pub(crate) fn of(issues: &BTreeMap<u64, Arc<Issue>>, config: &Config) -> Self {
        Self {
            seen: issues.clone(),
            on_its_way: BTreeMap::new(),
            newest: HashMap::new(),
            serial: 0,
            in_bulk: BTreeSet::new(),
            lag: config.index_lag.clone(),
            bulk_lag: config.bulk_index_lag.clone(),
            blink: config.index_blink.clone(),
            dice: Xoshiro256PlusPlus::seed_from_u64(config.seed ^ 0x1d),
        }
    }

    /// From which range the lag of a change to this issue is drawn.
    pub(crate) fn lag(&self, id: u64) -> RangeInclusive<Duration> {
        if self.is_in_bulk(id) { self.bulk_lag.clone() } else { self.lag.clone() }
    }

    /// Whether a bulk operation is at work on this issue.
    pub(crate) fn is_in_bulk(&self, id: u64) -> bool {
        self.in_bulk.contains(&id)
    }

    pub(crate) fn begin_bulk(&mut self, ids: &[u64]) {
        self.in_bulk.extend(ids);
    }

    pub(crate) fn end_bulk(&mut self, ids: &[u64]) {
        for id in ids {
            self.in_bulk.remove(id);
        }
    }

    /// A change that searches will see from `visible_at` on, or later when the issue blinks out.
    pub(crate) fn note(&mut self, visible_at: DateTime<Utc>, issue: &Arc<Issue>) {
        self.serial += 1;
        let mut visible_at = visible_at;
        if self.blink.chance > 0.0 && self.dice.random_bool(self.blink.chance.min(1.0)) {
            self.seen.remove(&issue.id);
            visible_at += self.dice.random_range(self.blink.extra.clone());
        }
        self.on_its_way.insert((visible_at, self.serial), issue.clone());
        self.newest.insert(issue.id, issue.clone());
    }

    /// Deletion takes effect at once, as it does in Jira (facts 3.7).
    pub(crate) fn forget(&mut self, id: u64) {
        self.seen.remove(&id);
        self.newest.remove(&id);
        self.on_its_way.retain(|_, issue| issue.id != id);
    }

    /// Loses an issue until a moment, unless a newer state of it is seen before.
    pub(crate) fn lose(&mut self, id: u64, until: DateTime<Utc>) {
        let Some(issue) = self.seen.remove(&id) else { return };
        self.serial += 1;
        self.newest.entry(id).or_insert_with(|| issue.clone());
        self.on_its_way.insert((until, self.serial), issue);
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

    fn index() -> Index {
        Index::of(&BTreeMap::new(), &Config::default())
    }

    fn seen(index: &Index) -> Option<u64> {
        index.seen().get(&7).map(|issue| issue.revision)
    }

    #[test]
    fn a_change_is_seen_when_its_lag_is_over() {
        let mut index = index();
        index.note(at(10), &issue(1));
        assert!(!index.is_due(at(9)) && index.is_due(at(10)));
        index.settle(at(9));
        assert_eq!(seen(&index), None);
        index.settle(at(10));
        assert_eq!(seen(&index), Some(1));
    }

    #[test]
    fn an_older_state_that_is_late_replaces_nothing() {
        let mut index = index();
        index.note(at(30), &issue(1));
        index.note(at(10), &issue(2));
        index.settle(at(20));
        index.settle(at(40));
        assert_eq!(seen(&index), Some(2));
    }

    #[test]
    fn reconciling_shows_the_newest_and_forgetting_is_final() {
        let mut index = index();
        index.note(at(30), &issue(1));
        index.note(at(50), &issue(2));
        index.reconcile(&[7, 8]);
        assert_eq!(seen(&index), Some(2));
        index.forget(7);
        index.settle(at(60));
        assert_eq!(seen(&index), None);
    }
    #[test]
    fn a_lost_issue_comes_back_at_its_time_or_with_its_next_change() {
        let mut index = index();
        index.note(at(10), &issue(1));
        index.settle(at(10));
        index.lose(7, at(30));
        index.settle(at(29));
        assert_eq!(seen(&index), None);
        index.settle(at(30));
        assert_eq!(seen(&index), Some(1));
        index.lose(7, at(90));
        index.note(at(50), &issue(2));
        index.settle(at(50));
        assert_eq!(seen(&index), Some(2));
        index.settle(at(90));
        assert_eq!(seen(&index), Some(2));
        index.lose(7, at(99));
        index.reconcile(&[7]);
        assert_eq!(seen(&index), Some(2));
    }

    #[test]
    fn an_issue_that_blinks_is_seen_by_nobody_until_it_is_indexed_anew() {
        let extra = Duration::from_secs(5)..=Duration::from_secs(5);
        let config = Config { index_blink: Blink { chance: 1.0, extra }, ..Config::default() };
        let mut index = Index::of(&BTreeMap::from([(7, issue(1))]), &config);
        index.note(at(10), &issue(2));
        assert_eq!(seen(&index), None);
        index.settle(at(14));
        assert_eq!(seen(&index), None);
        index.settle(at(15));
        assert_eq!(seen(&index), Some(2));
    }

    #[test]
    fn bulk_operations_have_a_lag_of_their_own() {
        let mut index = index();
        index.begin_bulk(&[7]);
        assert!(index.lag(7).start() > index.lag(8).end());
        index.end_bulk(&[7]);
        assert_eq!(index.lag(7), index.lag(8));
    }
}
