//! What goes wrong with single issues inside an answer that is otherwise right.

use std::collections::{HashMap, HashSet};

use super::World;

/// Scripted troubles by issue.
#[derive(Default)]
pub(crate) struct Troubles {
    /// What bulk fetch says instead of the issue, and how often still.
    fetches: HashMap<u64, (usize, String)>,
    /// Fields whose value cannot be loaded.
    fields: HashMap<u64, HashSet<String>>,
    /// Writes that still meet a conflict.
    conflicts: HashMap<u64, usize>,
}

impl Troubles {
    /// Takes one scripted failure of bulk fetch.
    pub(crate) fn fetch_error(&mut self, id: u64) -> Option<String> {
        let (left, words) = self.fetches.get_mut(&id)?;
        let words = words.clone();
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.fetches.remove(&id);
        }
        Some(words)
    }

    /// Whether bulk fetch has to look for scripted failures at all.
    pub(crate) fn any_fetch_error(&self) -> bool {
        !self.fetches.is_empty()
    }

    /// Takes one scripted conflict of a write.
    pub(crate) fn conflict(&mut self, id: u64) -> bool {
        let left = self.conflicts.get_mut(&id).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }

    /// Whether writes have to look for scripted conflicts at all.
    pub(crate) fn any_conflict(&self) -> bool {
        !self.conflicts.is_empty()
    }

    /// Whether this field of this issue cannot be loaded.
    pub(crate) fn is_broken(&self, id: u64, field: &str) -> bool {
        !self.fields.is_empty() && self.fields.get(&id).is_some_and(|fields| fields.contains(field))
    }
}

impl World {
    /// The next `times` bulk fetches name this issue in `issueErrors` with these words, and leave it out otherwise.
    pub fn fail_fetch(&self, id: u64, times: usize, words: &str) {
        if times > 0 {
            self.write().troubles.fetches.insert(id, (times, words.to_owned()));
        }
    }

    /// The next `times` writes to this issue are refused with 409: somebody else was faster.
    pub fn conflict(&self, id: u64, times: usize) {
        self.write().troubles.conflicts.insert(id, times);
    }

    /// A field of an issue cannot be loaded from now on: it is missing from answers, or fails them with `failFast`.
    pub fn break_field(&self, id: u64, field: &str) {
        self.write().troubles.fields.entry(id).or_default().insert(field.to_owned());
    }

    /// Every field of the issue can be loaded again.
    pub fn mend_fields(&self, id: u64) {
        self.write().troubles.fields.remove(&id);
    }
}
