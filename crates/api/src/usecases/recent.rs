//! What the store said a moment ago, believed for less than a second: what was taken away is gone in every process within
//! that time, and what is asked with every request costs no question.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Error;

/// How long an answer of the store is believed, counted from the question.
const REMEMBERED: Duration = Duration::from_millis(900);
/// As many answers as are remembered.
const MOST: usize = 10_000;

/// What the store said within the last moment.
pub(crate) struct Recent<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    /// What is remembered, else what the store says now.
    pub(crate) async fn get<F>(&self, key: K, ask: impl FnOnce() -> F) -> Result<V, Error>
    where
        F: Future<Output = Result<V, store::Error>>,
    {
        let asked = Instant::now();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((since, value)) = known
            && asked.duration_since(since) < REMEMBERED
        {
            return Ok(value);
        }
        let value = ask().await?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (asked, value.clone()));
        Ok(value)
    }
}
