//! Entries that should have been dropped while Redis was away. They are not read here until they are, and dropped as soon
//! as Redis answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    door::{Door, LEASE},
    keys::LONGEST,
};

/// How many are remembered; what is beyond ends by its own time.
const MOST: usize = 50_000;

/// How many are dropped at once.
const PORTION: usize = 1_000;

/// How often Redis is asked again.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Owed {
    door: Arc<Door>,
    state: Mutex<State>,
    /// As many as `state` holds: hardly ever any, and then nobody need lock it.
    count: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Until when each may be there.
    names: HashMap<String, Instant>,
    paying: bool,
}

impl Owed {
    pub(super) fn new(door: Arc<Door>) -> Self {
        Self { door, state: Mutex::default(), count: AtomicUsize::new(0) }
    }

    /// Whether an entry must not be believed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.lock().names.contains_key(name)
    }

    /// Drops these now, else as soon as Redis answers.
    pub(super) async fn drop_all(self: &Arc<Self>, names: Vec<String>) {
        if names.is_empty() {
            return;
        }
        let count = names.len();
        if self.door.drop_all(&names).await.is_ok() {
            return dropped("ok", count);
        }
        let lost = self.remember(names);
        dropped("late", count - lost);
        dropped("lost", lost);
    }

    /// How many had no room.
    fn remember(self: &Arc<Self>, names: Vec<String>) -> usize {
        let ends = Instant::now() + LEASE + LONGEST;
        let mut state = self.lock();
        let room = MOST.saturating_sub(state.names.len());
        let lost = names.len().saturating_sub(room);
        state.names.extend(names.into_iter().take(room).map(|name| (name, ends)));
        self.count.store(state.names.len(), Ordering::Release);
        if !state.paying {
            state.paying = true;
            tokio::spawn(Arc::clone(self).pay());
        }
        lost
    }

    async fn pay(self: Arc<Self>) {
        while let Some(portion) = self.portion() {
            let names: Vec<String> = portion.iter().map(|(name, _)| name.clone()).collect();
            if self.door.drop_anyway(&names).await.is_ok() {
                self.paid(&portion);
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Some of what may still be there; nothing more to do when there is none.
    fn portion(&self) -> Option<Vec<(String, Instant)>> {
        let mut state = self.lock();
        let now = Instant::now();
        state.names.retain(|_, ends| *ends > now);
        self.count.store(state.names.len(), Ordering::Release);
        state.paying = !state.names.is_empty();
        state.paying.then(|| state.names.iter().take(PORTION).map(|(name, ends)| (name.clone(), *ends)).collect())
    }

    /// One that became owed anew while this was under way stays owed.
    fn paid(&self, portion: &[(String, Instant)]) {
        let mut state = self.lock();
        for (name, ends) in portion {
            if state.names.get(name) == Some(ends) {
                state.names.remove(name);
            }
        }
        self.count.store(state.names.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts dropped entries: `ok`, `late` (owed), or `lost` to their own time.
pub(super) fn dropped(result: &'static str, count: usize) {
    metrics::counter!("jirafleet_cache_dropped_total", "result" => result).increment(count as u64);
}
