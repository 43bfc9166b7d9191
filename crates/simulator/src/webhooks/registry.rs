//! The webhooks somebody registered: an administrator's, which stay, and apps' own, which end after thirty days.

use std::collections::{BTreeMap, VecDeque};

use axum::body::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::filter::Filter;
use super::parcel::{Address, Seal};
use super::payload::Event;
use crate::access::Access;
use crate::world::State;
use crate::world::issue::AccountId;

/// The webhook of `World::set_webhook`.
pub(super) const MAIN: u64 = 1;
/// How long an app's webhook lives without being refreshed.
pub(crate) const LIFE: TimeDelta = TimeDelta::days(30);
/// How long an ended one can still be listed and refreshed.
const REMAINS: TimeDelta = TimeDelta::days(90);
/// After failing for so long a receiver gets each webhook once.
const PATIENCE: TimeDelta = TimeDelta::minutes(30);
/// How long failed deliveries are kept, and how many.
const KEPT: (TimeDelta, usize) = (TimeDelta::hours(72), 10_000);

/// A registered webhook.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) id: u64,
    pub(crate) url: String,
    /// Every event where none are named.
    pub(crate) events: Option<Vec<String>>,
    pub(crate) jql: String,
    pub(crate) filter: Filter,
    pub(crate) kind: Kind,
    pub(crate) failing_since: Option<DateTime<Utc>>,
}

/// Whose it is.
#[derive(Clone)]
pub(crate) enum Kind {
    Admin(Admin),
    Dynamic(Dynamic),
}

/// What an administrator's webhook has of its own.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) secret: Option<String>,
    pub(crate) exclude_body: bool,
    pub(crate) enabled: bool,
    pub(crate) updated: DateTime<Utc>,
}

/// What an app's webhook has of its own.
#[derive(Clone)]
pub(crate) struct Dynamic {
    pub(crate) app: String,
    pub(crate) user: AccountId,
    /// Of updates, only those that change one of these fields.
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) expires: DateTime<Utc>,
}

/// A delivery that was given up.
#[derive(Clone)]
pub(crate) struct Failed {
    pub(crate) identifier: String,
    pub(crate) body: Option<Bytes>,
    pub(crate) url: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) app: String,
}

/// All registered webhooks, and what apps missed.
#[derive(Default)]
pub(crate) struct Registry {
    hooks: BTreeMap<u64, Hook>,
    /// Number of administrators' webhooks registered so far.
    admins: u64,
    dynamics: u64,
    failed: VecDeque<Failed>,
}

impl Hook {
    pub(crate) fn new(url: &str, jql: &str, filter: Filter, kind: Kind) -> Self {
        let (url, jql) = (url.to_owned(), jql.to_owned());
        Self { id: 0, url, events: None, jql, filter, kind, failing_since: None }
    }

    pub(crate) fn admin(&self) -> Option<&Admin> {
        if let Kind::Admin(admin) = &self.kind { Some(admin) } else { None }
    }

    pub(crate) fn dynamic(&self) -> Option<&Dynamic> {
        if let Kind::Dynamic(dynamic) = &self.kind { Some(dynamic) } else { None }
    }

    pub(super) fn wants(&self, event: &Event<'_>, site: &State, now: DateTime<Utc>) -> bool {
        let listed = self.events.as_ref().is_none_or(|events| events.iter().any(|it| *it == event.name()));
        let alive = match &self.kind {
            Kind::Admin(admin) => admin.enabled,
            Kind::Dynamic(it) => now < it.expires && it.fields.as_ref().is_none_or(|fields| event.changes(fields)),
        };
        listed && alive && event.filtered_issue().is_none_or(|issue| self.filter.accepts(site, issue))
    }

    pub(super) fn address(&self, access: &Access) -> Address {
        let seal = match &self.kind {
            Kind::Admin(admin) => admin.secret.clone().map_or(Seal::None, Seal::Secret),
            Kind::Dynamic(it) => access.apps(|apps| {
                let secret = apps.app(&it.app).map(|(secret, _)| secret.to_owned());
                secret.map_or(Seal::None, |secret| Seal::App { client_id: it.app.clone(), secret })
            }),
        };
        Address { url: self.url.clone(), seal }
    }

    /// Whether its receiver has been failing for so long that nothing is tried twice.
    pub(super) fn is_given_up(&self, now: DateTime<Utc>) -> bool {
        self.failing_since.is_some_and(|since| now - since >= PATIENCE)
    }
}

impl Registry {
    pub(crate) fn hooks(&self) -> impl Iterator<Item = &Hook> {
        self.hooks.values()
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Hook> {
        self.hooks.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Hook> {
        self.hooks.get_mut(&id)
    }

    /// Registers a webhook under a new id: 2 and up for administrators, 1000 and up for apps.
    pub(crate) fn add(&mut self, hook: Hook) -> u64 {
        let id = match hook.kind {
            Kind::Admin(_) => {
                self.admins += 1;
                MAIN + self.admins
            }
            Kind::Dynamic(_) => {
                self.dynamics += 1;
                999 + self.dynamics
            }
        };
        self.put(Hook { id, ..hook });
        id
    }

    pub(super) fn put(&mut self, hook: Hook) {
        self.hooks.insert(hook.id, hook);
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        self.hooks.remove(&id).is_some()
    }

    /// An app's webhooks for one person, ended ones included until nobody could refresh them any more.
    pub(crate) fn of_app(&mut self, app: &str, user: &str, now: DateTime<Utc>) -> Vec<Hook> {
        self.hooks.retain(|_, hook| hook.dynamic().is_none_or(|it| now < it.expires + REMAINS));
        let own = |hook: &&Hook| hook.dynamic().is_some_and(|it| it.app == app && &*it.user == user);
        self.hooks.values().filter(own).cloned().collect()
    }

    pub(super) fn succeeded(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(hook) = self.hooks.get_mut(id) {
                hook.failing_since = None;
            }
        }
    }

    pub(super) fn failing(&mut self, ids: &[u64], at: DateTime<Utc>) {
        for id in ids {
            if let Some(hook) = self.hooks.get_mut(id) {
                hook.failing_since.get_or_insert(at);
            }
        }
    }

    pub(super) fn give_up(&mut self, failed: Failed) {
        self.failed.push_back(failed);
        if self.failed.len() > KEPT.1 {
            self.failed.pop_front();
        }
    }

    /// What an app missed since a moment, oldest first.
    pub(crate) fn failed(&self, app: &str, after: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Failed> {
        // The app asks with the milliseconds it was told.
        let later = |at: DateTime<Utc>| at.timestamp_millis() > after.timestamp_millis();
        let kept = |failed: &&Failed| failed.app == app && later(failed.at) && now - failed.at <= KEPT.0;
        self.failed.iter().filter(kept).cloned().collect()
    }
}
