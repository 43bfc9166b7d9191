//! A made-up Jira site in memory: the store (immediate), the search index (late), and who may look.
//! Tests and demos script it through [`World`]; the routes read it, and change it through the same edits.

pub(crate) mod adf;
pub(crate) mod boards;
pub(crate) mod catalogue;
pub(crate) mod edits;
mod generate;
pub(crate) mod issue;
mod lifecycle;
mod notices;
pub(crate) mod parts;
pub(crate) mod people;
pub(crate) mod releases;
pub(crate) mod text;
pub(crate) mod troubles;
pub(crate) mod view;
mod vocabulary;
pub(crate) mod workflow;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::rngs::Xoshiro256PlusPlus;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::config::Config;
use crate::faults::Door;
use crate::index::Index;
use crate::webhooks::Outbox;
use edits::EditError;
use issue::{AccountId, Issue};
use people::{Cards, Person, Project};
use troubles::Troubles;

/// One simulated site. Cheap to share; every method takes `&self`.
pub struct World {
    config: Config,
    state: RwLock<State>,
    pub(crate) door: Door,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Clock,
}

/// Everything that edits change, behind one lock.
pub(crate) struct State {
    pub(crate) projects: Vec<Project>,
    /// The service account first.
    pub(crate) people: Vec<Person>,
    pub(crate) cards: Cards,
    pub(crate) issues: BTreeMap<u64, Arc<Issue>>,
    /// Present and former keys, in capitals.
    keys: HashMap<String, u64>,
    pub(crate) index: Index,
    next: Next,
    dice: Xoshiro256PlusPlus,
    /// On whose behalf the edit at hand happens.
    acting: By,
    /// When which worklog was deleted (for the feed), oldest first.
    pub(crate) deleted_worklogs: Vec<(DateTime<Utc>, u64)>,
    pub(crate) troubles: Troubles,
    /// Permissions that the service account lost.
    pub(crate) withheld: BTreeSet<String>,
}

/// On whose behalf an edit happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// One of the site's people, chosen by the numbers involved.
    Someone,
    /// Whoever sent the request.
    Account(AccountId),
}

/// The ids to be given out next.
pub(crate) struct Next {
    pub(crate) issue: u64,
    pub(crate) comment: u64,
    pub(crate) history: u64,
    pub(crate) link: u64,
    pub(crate) worklog: u64,
    pub(crate) remote_link: u64,
}

impl World {
    /// Makes the site that `config` describes, without serving it. Deterministic.
    pub fn new(config: Config) -> Self {
        let state = RwLock::new(generate::site(&config));
        let outbox = Outbox::new(&config);
        Self { door: Door::new(&config), outbox, clock: Clock::new(config.clock), state, config }
    }

    /// Ids of every issue the service account can find, ascending; archived ones are not among them.
    pub fn issue_ids(&self) -> Vec<u64> {
        self.read().findable().map(|issue| issue.id).collect()
    }

    /// Present keys of every issue the service account can find, in the order of their ids.
    pub fn issue_keys(&self) -> Vec<String> {
        self.read().findable().map(|issue| issue.key.clone()).collect()
    }

    /// Number of issues the service account can find.
    pub fn issue_count(&self) -> usize {
        self.read().findable().count()
    }

    /// The test oracle: the issue as API v3 would show it with `fields=*all`, every comment and the whole changelog
    /// (newest first). `None` when it does not exist or is hidden.
    pub fn store_view(&self, id: u64) -> Option<Value> {
        let state = self.read();
        let issue = state.issues.get(&id).filter(|issue| state.sees(issue))?;
        Some(view::whole(&state, &self.config, issue))
    }

    /// The id behind an id, a present key or a former key, in any case; hidden issues included.
    pub fn issue_id(&self, id_or_key: &str) -> Option<u64> {
        self.read().resolve(id_or_key)
    }

    /// Keys of the site's projects, in the order of their ids.
    pub fn project_keys(&self) -> Vec<String> {
        self.read().projects.iter().map(|project| project.key.clone()).collect()
    }

    /// Account ids that can be assigned to; the service account is the first.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.read().people.iter().map(|person| person.account_id.clone()).collect()
    }

    /// The account id of the service account, as `/myself` and `X-Aaccountid` show it.
    pub fn service_account(&self) -> AccountId {
        self.read().service_account()
    }

    /// The site's id at the gateway, where it lives under `/ex/jira/<cloud id>`.
    pub fn cloud_id(&self) -> String {
        let digest = Sha256::digest(format!("{}/{}", self.config.name, self.config.seed));
        let hex = hex::encode(&digest[..16]);
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// What the site was asked to be.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Moves the site's clock, so that lag, expiry, limits and retries can be tested without waiting. Whoever waits
    /// for a moment that has come is woken at once.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Makes the search index see everything at once, whatever the lag.
    pub fn settle_index(&self) {
        self.write().index.settle(DateTime::<Utc>::MAX_UTC);
    }

    /// Searches lose an issue they had found already, for this long or until its next change is indexed.
    pub fn blink_out(&self, id: u64, length: Duration) {
        let until = self.now() + length;
        self.write().index.lose(id, until);
    }

    /// Changes many issues in one bulk operation and answers how many. Their webhooks say so, and searches see the
    /// changes after the longer lag.
    pub fn bulk_edit(&self, ids: &[u64], mut change: impl FnMut(&mut Issue)) -> Result<usize, EditError> {
        self.write().index.begin_bulk(ids);
        let edited = ids.iter().try_for_each(|id| self.edit(&id.to_string(), &mut change).map(drop));
        self.write().index.end_bulk(ids);
        edited.map(|()| ids.len())
    }

    /// What the site's clock says, to the millisecond.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The store. A script that panicked inside an edit changed nothing, so a poisoned lock is still sound.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store, to change it on somebody's behalf.
    pub(crate) fn write_as(&self, by: By) -> RwLockWriteGuard<'_, State> {
        let mut state = self.write();
        state.acting = by;
        state
    }

    /// The store with the index brought up to date for this moment.
    pub(crate) fn read_index(&self) -> RwLockReadGuard<'_, State> {
        let now = self.now();
        if self.read().index.is_due(now) {
            self.write().index.settle(now);
        }
        self.read()
    }
}

impl State {
    pub(crate) fn service_account(&self) -> AccountId {
        self.people.first().map(|person| person.account_id.clone()).unwrap_or_default()
    }

    /// The id behind an id or a key; keys match in any case and through moves.
    pub(crate) fn resolve(&self, id_or_key: &str) -> Option<u64> {
        match id_or_key.parse() {
            Ok(id) => self.issues.contains_key(&id).then_some(id),
            Err(_) => self.keys.get(&id_or_key.to_ascii_uppercase()).copied(),
        }
    }

    /// The issue, if the service account can see it.
    pub(crate) fn visible(&self, id_or_key: &str) -> Option<&Arc<Issue>> {
        let id = self.resolve(id_or_key)?;
        self.issues.get(&id).filter(|issue| self.sees(issue))
    }

    /// Whether direct reads show this issue to the service account.
    pub(crate) fn sees(&self, issue: &Issue) -> bool {
        !issue.hidden && self.projects.get(issue.project).is_some_and(Project::is_readable)
    }

    /// Issues that searches would show, were the index up to date.
    fn findable(&self) -> impl Iterator<Item = &Arc<Issue>> {
        self.issues.values().filter(|issue| !issue.archived && self.sees(issue))
    }

    /// Place of a project, by id, key or former key.
    pub(crate) fn project(&self, id_or_key: &str) -> Option<usize> {
        let is = |key: &String| key.eq_ignore_ascii_case(id_or_key);
        let present = self.projects.iter().position(|project| project.id == id_or_key || is(&project.key));
        present.or_else(|| self.projects.iter().position(|project| project.former_keys.iter().any(is)))
    }

    /// The same, if the service account can read its issues.
    pub(crate) fn readable_project(&self, id_or_key: &str) -> Option<usize> {
        self.project(id_or_key).filter(|place| self.projects[*place].is_readable())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn config(seed: u64) -> Config {
        Config { seed, issues: 120, ..Config::default() }
    }

    fn everything(world: &World) -> Vec<Value> {
        world.issue_ids().into_iter().filter_map(|id| world.store_view(id)).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_site() {
        assert_eq!(everything(&World::new(config(7))), everything(&World::new(config(7))));
        assert_ne!(everything(&World::new(config(7))), everything(&World::new(config(8))));
    }

    #[test]
    fn ids_ascend_with_creation_and_are_as_many_as_asked() {
        let world = World::new(config(1));
        let state = world.read();
        let issues: Vec<_> = state.issues.values().collect();
        assert_eq!(issues.len(), 120);
        assert!(issues.windows(2).all(|pair| pair[0].id < pair[1].id && pair[0].created < pair[1].created));
        assert!(issues.iter().all(|issue| issue.created <= issue.updated));
    }

    #[test]
    fn a_large_site_has_comments_histories_links_parents_and_sub_tasks() {
        let world = World::new(Config { issues: 1000, ..Config::default() });
        let state = world.read();
        let count = |of: fn(&Issue) -> usize| state.issues.values().map(|issue| of(issue)).sum::<usize>();
        assert!((2500..3500).contains(&count(|issue| issue.comments.len())));
        assert!((3500..5500).contains(&count(|issue| issue.histories.len())));
        assert!(count(|issue| issue.links.len()) > 50);
        assert!(count(|issue| issue.subtasks.len()) > 20);
        assert!(count(|issue| usize::from(issue.parent.is_some())) > 100);
    }

    #[test]
    fn keys_resolve_in_any_case() {
        let world = World::new(config(1));
        let key = world.issue_keys().remove(0);
        let id = world.issue_id(&key).unwrap();
        assert_eq!(world.issue_id(&key.to_lowercase()), Some(id));
        assert_eq!(world.issue_id(&id.to_string()), Some(id));
        assert_eq!(world.issue_id("NOPE-1"), None);
    }
}
