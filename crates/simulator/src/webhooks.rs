//! Tells receivers what changed: who registered for it, in which form, and what became of it.

mod agenda;
mod courier;
pub(crate) mod filter;
mod mischief;
mod news;
mod parcel;
pub(crate) mod payload;
pub(crate) mod registry;

pub use mischief::Mischief;
pub use news::About;

pub(crate) use courier::send_all;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, watch};

use crate::clock::Pace;
use crate::config::Config;
use crate::world::{State, World};
use agenda::Agenda;
use filter::Filter;
use mischief::Fortune;
use parcel::{Address, Parcel};
use payload::Event;
use registry::{Admin, Hook, Kind, MAIN, Registry};

/// What became of the deliveries so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// Answered with 2xx.
    pub taken: u64,
    /// Answered with a status that Jira does not try again (400, 401, 404 ..).
    pub refused: u64,
    /// Given up after the last try.
    pub lost: u64,
    /// Never sent, by `World::set_mischief`.
    pub dropped: u64,
    /// Never sent, for a body of more than 25 MB.
    pub oversized: u64,
    /// Tries in all, including the first ones.
    pub tries: u64,
}

/// When a failed delivery is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// After the pauses of `Config::webhook_retries`: Jira's schedule, compressed.
    #[default]
    Compressed,
    /// Five times, each 5 to 15 minutes after the one before; by the site's clock, which a test may move.
    AsJira,
}

/// The most a webhook may weigh.
const MOST: usize = 25 << 20;

/// Where edits leave their webhooks, in order.
pub(crate) struct Outbox {
    pub(crate) registry: Mutex<Registry>,
    agenda: Mutex<Agenda>,
    fortune: Mutex<Fortune>,
    done: Mutex<Deliveries>,
    /// Rings when there may be something to send.
    bell: Notify,
    /// Changes whenever a delivery is posted or settled.
    changed: watch::Sender<()>,
    retries: Retries,
    pauses: Vec<Duration>,
    timeout: Duration,
}

impl Outbox {
    pub(crate) fn new(config: &Config) -> Self {
        let one_by_one = matches!(config.clock, Pace::Virtual(_));
        let agenda = Agenda::default();
        Self {
            registry: Mutex::default(),
            agenda: Mutex::new(if one_by_one { agenda.one_by_one() } else { agenda }),
            fortune: Mutex::new(Fortune::new(config.seed)),
            done: Mutex::default(),
            bell: Notify::new(),
            changed: watch::Sender::new(()),
            retries: config.webhook_schedule,
            pauses: config.webhook_retries.clone(),
            timeout: config.webhook_timeout,
        }
    }

    /// Sends an event to everybody who registered for it; several webhooks of one app are one delivery.
    pub(crate) fn publish(&self, world: &World, site: &State, event: &Event<'_>) {
        let now = world.now();
        let hooks: Vec<Hook> = lock(&self.registry).hooks().filter(|it| it.wants(event, site, now)).cloned().collect();
        let mut of_apps: BTreeMap<(&str, &str, &str), Vec<&Hook>> = BTreeMap::new();
        for hook in &hooks {
            match &hook.kind {
                Kind::Admin(admin) => {
                    let body = (!admin.exclude_body).then(|| payload::body(site, world.config(), event, (now, &[])));
                    self.post(now, &self.parcel(event, site, (vec![hook.id], hook.address(&world.door.access)), body));
                }
                Kind::Dynamic(it) if delivers(world, it) => {
                    of_apps.entry((&it.app, &it.user, &hook.url)).or_default().push(hook);
                }
                Kind::Dynamic(_) => {}
            }
        }
        for hooks in of_apps.values() {
            let Some(address) = hooks.first().map(|hook| hook.address(&world.door.access)) else { continue };
            let ids: Vec<u64> = hooks.iter().map(|hook| hook.id).collect();
            let body = Some(payload::body(site, world.config(), event, (now, &ids)));
            self.post(now, &self.parcel(event, site, (ids, address), body));
        }
    }

    fn parcel(
        &self,
        event: &Event<'_>,
        site: &State,
        (hooks, address): (Vec<u64>, Address),
        body: Option<axum::body::Bytes>,
    ) -> Parcel {
        Parcel {
            identifier: parcel::identifier(),
            event: event.name().to_owned(),
            body,
            flow: event.flow(site),
            hooks,
            address,
            variables: event.variables(site),
            tries: 0,
            single: false,
            forged: false,
        }
    }

    /// Hands a webhook to the sender, as often and as late as its fortune has it.
    fn post(&self, now: DateTime<Utc>, parcel: &Parcel) {
        if parcel.body.as_ref().is_some_and(|body| body.len() > MOST) {
            lock(&self.done).oversized += 1;
            return;
        }
        let fates = lock(&self.fortune).draw();
        if fates.iter().all(|fate| fate.forged) {
            lock(&self.done).dropped += 1;
        }
        for fate in fates {
            let copy = if fate.forged { parcel.clone().forged() } else { parcel.clone() };
            let delay = TimeDelta::from_std(fate.delay).unwrap_or(TimeDelta::zero());
            if !lock(&self.agenda).add(now + delay, copy) {
                lock(&self.done).lost += 1;
            }
        }
        self.bell.notify_one();
        self.changed.send_replace(());
    }

    /// The pause before the next try; none after the last.
    fn pause(&self, tries: usize) -> Option<TimeDelta> {
        let pause = match self.retries {
            Retries::Compressed => self.pauses.get(tries.checked_sub(1)?).copied(),
            Retries::AsJira if tries > 5 => None,
            Retries::AsJira => Some(lock(&self.fortune).pause()),
        };
        pause.and_then(|pause| TimeDelta::from_std(pause).ok())
    }
}

/// Apps here are not public: they hear only of what their owner registered.
fn delivers(world: &World, hook: &registry::Dynamic) -> bool {
    world.door.access.apps(|apps| apps.app(&hook.app).is_some_and(|(_, owner)| *owner == hook.user))
}

impl World {
    /// Where webhooks go from now on, and the secret they are signed with: an administrator's webhook for everything.
    pub fn set_webhook(&self, url: &str, secret: &str) {
        let (name, description, secret) = ("simulator".into(), String::new(), Some(secret.to_owned()));
        let admin = Admin { name, description, secret, exclude_body: false, enabled: true, updated: self.now() };
        let hook = Hook::new(url, "", Filter::Everything, Kind::Admin(admin));
        lock(&self.outbox.registry).put(Hook { id: MAIN, ..hook });
    }

    /// That webhook is gone: those on their way still go out.
    pub fn clear_webhook(&self) {
        lock(&self.outbox.registry).remove(MAIN);
    }

    /// Waits until every delivery is taken, refused or given up. Only a served site delivers; a virtual clock must be
    /// moved by somebody, or what is to be tried again never ends.
    pub async fn webhooks_idle(&self) {
        // The sender lives as long as the world: waiting cannot fail.
        let _ = self.outbox.changed.subscribe().wait_for(|()| lock(&self.outbox.agenda).is_empty()).await;
    }

    /// Waits until nothing can be sent before the site's clock has moved.
    pub async fn webhooks_at_rest(&self) {
        let at_rest = |_: &()| lock(&self.outbox.agenda).is_at_rest(self.now());
        let _ = self.outbox.changed.subscribe().wait_for(at_rest).await;
    }

    /// What became of the webhooks so far.
    pub fn deliveries(&self) -> Deliveries {
        *lock(&self.outbox.done)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
