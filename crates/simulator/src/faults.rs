//! What goes wrong on purpose, and what was asked: faults scripted per route, the state of the token, counts.

mod route;

pub use route::Route;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::access::Access;
use crate::config::Config;
use crate::limits::{Meter, Refused, Throttle};
use crate::world::World;
use crate::world::issue::AccountId;

/// What happens to a request instead of (or before) its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 by the burst limit, with `Retry-After` in whole seconds or without.
    RateLimited(Option<Duration>),
    /// 429 for this reason, with these headers.
    Throttled(Throttle),
    /// This status (500, 502, 503 ..) with Jira's error body, with `Retry-After` or without.
    Status(u16, Option<Duration>),
    /// The right answer, this much later.
    Slow(Duration),
    /// What was asked is done at once, and the right answer comes this much later.
    Late(Duration),
    /// The connection ends before the first byte of an answer; nothing was done.
    CutBefore,
    /// The connection breaks off in the middle of the answer.
    Cut,
    /// What was asked is done, then the connection ends without an answer: a write whose fate the caller cannot know.
    CutAfter,
    /// 200 with a page for people.
    Html,
    /// The right answer under `text/plain`.
    WrongType,
    /// A whole answer of which the second half of the JSON is missing.
    Truncated,
    /// 200 with this many bytes of JSON that says nothing, streamed.
    Huge(u64),
    /// 302 to this address.
    Redirect(String),
    /// 200 with `{}`.
    Empty,
    /// The right answer, said to be for another account.
    AsAccount(AccountId),
}

impl Fault {
    /// Whether the answer is not one that Jira's documentation knows; contract tests leave it out.
    pub(crate) fn is_garbage(&self) -> bool {
        !matches!(self, Self::RateLimited(_) | Self::Throttled(_) | Self::Slow(_) | Self::Late(_) | Self::AsAccount(_))
    }
}

/// How often what was asked since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// All requests, refused ones included.
    pub total: u64,
    /// The same by route.
    pub by_route: BTreeMap<Route, u64>,
}

impl Requests {
    /// Requests of one route.
    pub fn of(&self, route: Route) -> u64 {
        self.by_route.get(&route).copied().unwrap_or(0)
    }
}

/// The mutable part of the front door.
pub(crate) struct Door {
    pub(crate) access: Access,
    pub(crate) meter: Meter,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    requests: Requests,
    faults: HashMap<Route, VecDeque<Fault>>,
    any: VecDeque<Fault>,
    poisoned: BTreeSet<u64>,
}

impl Door {
    pub(crate) fn new(config: &Config) -> Self {
        let (access, meter) = (Access::new(config), Meter::new(config.limits.clone()));
        Self { access, meter, inner: Mutex::default() }
    }

    /// Counts a request and takes the fault that was scripted for it, its own before those for any route.
    pub(crate) fn enter(&self, route: Route) -> Option<Fault> {
        let mut inner = self.lock();
        inner.requests.total += 1;
        *inner.requests.by_route.entry(route).or_default() += 1;
        let own = inner.faults.get_mut(&route).and_then(VecDeque::pop_front);
        own.or_else(|| inner.any.pop_front())
    }

    /// Whether any of these issues makes the site stumble.
    pub(crate) fn is_poisoned(&self, mut ids: impl Iterator<Item = u64>) -> bool {
        let inner = self.lock();
        !inner.poisoned.is_empty() && ids.any(|id| inner.poisoned.contains(&id))
    }

    /// Whether one more write on an issue is within Jira's limits, which it then counts against. The door asks for
    /// every write whose path names the issue; other routes must.
    pub(crate) fn write_allowed(&self, issue: u64, now: DateTime<Utc>) -> Result<(), Refused> {
        self.meter.write_allowed(issue, now)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Requests seen so far.
    pub fn requests(&self) -> Requests {
        self.door.lock().requests.clone()
    }

    /// The next `times` requests of this route meet this fault, after those scripted before.
    pub fn fail_next(&self, route: Route, times: usize, fault: &Fault) {
        let mut inner = self.door.lock();
        inner.faults.entry(route).or_default().extend(std::iter::repeat_n(fault.clone(), times));
    }

    /// The next `times` requests of any route meet this fault.
    pub fn fail_any(&self, times: usize, fault: &Fault) {
        self.door.lock().any.extend(std::iter::repeat_n(fault.clone(), times));
    }

    /// Forgets every scripted fault; poisoned issues stay poisoned.
    pub fn clear_faults(&self) {
        let mut inner = self.door.lock();
        inner.faults.clear();
        inner.any.clear();
    }

    /// Any read that holds this issue answers 500 from now on.
    pub fn poison(&self, id: u64) {
        self.door.lock().poisoned.insert(id);
    }

    /// The issue can be read again.
    pub fn cure(&self, id: u64) {
        self.door.lock().poisoned.remove(&id);
    }
}
