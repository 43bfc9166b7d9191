//! Rows that are read again and again, kept in Redis for some minutes.
//!
//! A reader that finds no entry takes a lease: a token in the entry's place, shared by all who come while it stands. What
//! it then reads from PostgreSQL is put only in the place of that very token. A writer drops entry and token alike, after
//! its commit and before it says that it committed. So whoever reads later reads what was written, and what was read
//! before is never put back, however late it comes. Time bounds the rest: a process that dies between commit and drop, or
//! a Redis that forgot a drop, leaves an old entry for as long as an entry lasts and no longer.

mod circuit;
mod door;
mod flights;
mod keys;
mod owed;
mod stale;

use std::{fmt, sync::Arc, time::Instant};

use domain::TenantId;
use redis_door::Connector;

use crate::Error;
use door::{Door, Taken};
use flights::{Flights, Pilot, Place, Seat};
use owed::Owed;

pub(crate) use keys::{IssueByKey, Key, KnownUser, ProjectByKey, UserByAccount};
pub(crate) use stale::Stale;

/// Where entries are kept.
#[derive(Clone)]
pub struct CacheConfig {
    /// By any address that the queue takes too. Entries can fill a Redis: one that evicts must not be the queue's.
    pub url: String,
    /// What every key begins with, such as `jirafleet`: the same for all processes that write.
    pub prefix: String,
}

/// The URL may hold a password.
impl fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheConfig").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Shows the figures of what hardly ever happens to the cache: a rate does not see the step to a figure's first value. For
/// processes that read through it, once there is a recorder.
pub fn show_rare_figures() {
    for result in ["late", "lost"] {
        owed::dropped(result, 0);
    }
    for cache in [IssueByKey::CACHE, ProjectByKey::CACHE, UserByAccount::CACHE] {
        for result in ["hit", "error", "skipped"] {
            metrics::counter!("jirafleet_cache_requests_total", "cache" => cache, "result" => result).increment(0);
        }
    }
}

/// Longer entries are not worth their room.
const LARGEST: usize = 512 * 1024;

/// The entries of all tenants, each under its own.
pub(crate) struct Cache {
    prefix: String,
    door: Arc<Door>,
    flights: Arc<Flights>,
    owed: Arc<Owed>,
}

impl Cache {
    /// Connects when it is first used: Redis may be away.
    pub(crate) fn open(config: &CacheConfig) -> Result<Arc<Self>, Error> {
        let connector = Connector::parse(&config.url)
            .map_err(|error| Error::Configuration(format!("the cache has no Redis: {error}")))?;
        let prefix = format!("{}:cache", config.prefix);
        let door = Arc::new(Door::new(connector));
        Ok(Arc::new(Self { prefix, owed: Arc::new(Owed::new(Arc::clone(&door))), door, flights: Arc::default() }))
    }

    /// The entry under a key, else what `query` reads, which becomes the entry. Readers of one key that come at once share
    /// one query in a process. Redis being away or slow costs a moment, and then nothing.
    pub(crate) async fn read_through<K, F>(
        &self,
        tenant: TenantId,
        key: &K,
        query: impl FnOnce() -> F,
    ) -> Result<K::Value, Error>
    where
        K: Key,
        F: Future<Output = Result<K::Value, Error>>,
    {
        let arrived = Instant::now();
        let name = self.name(tenant, key);
        let seat = match self.look::<K>(&name).await {
            Look::Hit(value) => return Ok(value),
            Look::Miss(token) => Seat { name, token: Some(token) },
            Look::Unasked => Seat { name, token: None },
        };
        loop {
            match self.flights.board(&seat) {
                Place::Pilot(pilot) => return self.fly::<K, F>(&seat, pilot, query).await,
                Place::Passenger(flight) => {
                    if let Some(landed) = flight.landed(&seat, arrived).await {
                        return read::<K>(&landed?);
                    }
                }
            }
        }
    }

    async fn look<K: Key>(&self, name: &str) -> Look<K::Value> {
        let asked = if self.owed.has(name) { None } else { Some(self.door.take(name).await) };
        let (look, result) = match asked {
            Some(Ok(Taken::Entry(body))) => match read::<K>(&body) {
                Ok(value) => (Look::Hit(value), "hit"),
                // Another version of this program wrote it.
                Err(_) => {
                    self.owed.drop_all(vec![name.to_owned()]).await;
                    (Look::Unasked, "miss")
                }
            },
            Some(Ok(Taken::Lease(token))) => (Look::Miss(token), "miss"),
            Some(Err(silence)) => (Look::Unasked, silence.as_str()),
            None => (Look::Unasked, "skipped"),
        };
        metrics::counter!("jirafleet_cache_requests_total", "cache" => K::CACHE, "result" => result).increment(1);
        look
    }

    async fn fly<K: Key, F>(&self, seat: &Seat, pilot: Pilot, query: impl FnOnce() -> F) -> Result<K::Value, Error>
    where
        F: Future<Output = Result<K::Value, Error>>,
    {
        let read = query().await.and_then(|value| Ok((write::<K>(&value)?, value)));
        let (body, value) = match read {
            Ok(read) => read,
            Err(error) => {
                pilot.land(Err(error.clone()));
                return Err(error);
            }
        };
        pilot.land(Ok(Arc::clone(&body)));
        if let Some(token) = seat.token.as_ref().filter(|_| body.len() <= LARGEST) {
            self.door.put(&seat.name, token, &body, K::LIFE).await;
        }
        Ok(value)
    }

    fn name(&self, tenant: TenantId, key: &impl Key) -> String {
        name(&self.prefix, tenant, key)
    }

    /// Drops these entries in one round trip; those that cannot be dropped now are owed.
    async fn drop_all(&self, names: Vec<String>) {
        self.owed.drop_all(names).await;
    }
}

/// What was found.
enum Look<V> {
    Hit(V),
    /// Nothing, and this is the lease.
    Miss(String),
    /// Redis did not answer, or is not to be asked.
    Unasked,
}

/// The tenant stands in every name, and nobody but a tenant's own handle makes one.
fn name<K: Key>(prefix: &str, tenant: TenantId, key: &K) -> String {
    format!("{prefix}:tenant:{tenant}:{}:{}:{}", K::CACHE, key.instance(), key.id())
}

fn read<K: Key>(body: &[u8]) -> Result<K::Value, Error> {
    serde_json::from_slice(body).map_err(|_| Error::Unreadable(K::CACHE))
}

fn write<K: Key>(value: &K::Value) -> Result<Arc<[u8]>, Error> {
    serde_json::to_vec(value).map(Arc::from).map_err(|_| Error::Unreadable(K::CACHE))
}
