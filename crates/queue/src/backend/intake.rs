//! Sorts what Redis delivered: jobs into the buffer, kinds of tomorrow back into the future, the unreadable and the
//! poisonous to the dead letters.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::shared::Shared;
use crate::{
    MAX_JOB_BYTES,
    delivery::{Finish, Held, Verb},
    envelope::Decoded,
    metric,
    unique::UniqueKey,
};

/// For how long a kind that nobody knows is put off before it becomes a dead letter: longer than any deploy takes.
const KEPT_UNKNOWN: Duration = Duration::from_secs(7 * 24 * 3600);

/// An entry as Redis delivered it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) entry: String,
    pub(super) deliveries: u32,
    /// The fields and values of the entry, in turn.
    pub(super) fields: Vec<Vec<u8>>,
    /// See `Held`.
    pub(super) trusted_until: Option<Instant>,
}

impl Shared {
    /// Reads what the reader fetched, and told to expect.
    pub(super) fn take_in(&self, fetched: Vec<Fetched>) {
        let count = fetched.len();
        self.buffer(fetched.into_iter().filter_map(|entry| self.read(entry)).collect(), count);
    }

    /// The same for what others lost.
    pub(super) fn take_over(&self, fetched: Vec<Fetched>) {
        self.buffer_first(fetched.into_iter().filter_map(|entry| self.read(entry)).collect());
    }

    fn read(&self, fetched: Fetched) -> Option<Held> {
        let Fetched { entry, deliveries, fields, trusted_until } = fetched;
        let body = body(fields);
        if deliveries > self.options.max_deliveries {
            let reason = format!("its worker was lost {} times while it had this job", deliveries - 1);
            self.bury(entry, body, reason, deliveries);
            return None;
        }
        match Decoded::read(&body) {
            Decoded::Known(envelope) => {
                let unique = UniqueKey::of(&envelope, &self.keys);
                return Some(Held::new(entry, deliveries, *envelope, unique).trusted(trusted_until));
            }
            Decoded::Unknown { kind, enqueued_at } => {
                metric::unreadable(self.options.queue, "unknown_kind");
                let age = chrono::Utc::now().signed_duration_since(enqueued_at).to_std().unwrap_or_default();
                if age < KEPT_UNKNOWN {
                    self.put_off(entry, body, age, &kind);
                } else {
                    self.bury(entry, body, format!("no worker knows jobs of kind {kind:?}"), deliveries);
                }
            }
            Decoded::Malformed(why) => {
                metric::unreadable(self.options.queue, "malformed");
                self.bury(entry, body, format!("not a job: {why}"), deliveries);
            }
        }
        None
    }

    /// Leaves a job to a newer process, byte by byte as it is. The older it is, the longer.
    fn put_off(&self, entry: String, body: Vec<u8>, age: Duration, kind: &str) {
        let queue = self.options.queue.as_str();
        tracing::warn!(queue, job.kind = kind, "a job of a kind that only newer versions know was put off");
        let delay = (age / 4).clamp(Duration::from_secs(5), Duration::from_secs(600));
        self.finish(Finish::unread(entry, Verb::Later { body, delay }));
    }

    /// Sends a dead letter of something that did not run here. What can be read gives its unique key back. What somebody
    /// wrote by hand may be of any size: dead letters are not.
    fn bury(&self, entry: String, mut body: Vec<u8>, mut reason: String, deliveries: u32) {
        let queue = self.options.queue;
        if body.len() > MAX_JOB_BYTES {
            reason = format!("{reason}; of its {} bytes the first {MAX_JOB_BYTES} are kept", body.len());
            body.truncate(MAX_JOB_BYTES);
        }
        tracing::error!(
            error.code = "queue.dead_letter",
            queue = queue.as_str(),
            entry,
            reason,
            "a job went to the dead letters unrun"
        );
        let decoded = Decoded::read(&body);
        if let Decoded::Known(envelope) = &decoded {
            self.buries(envelope, &reason);
        }
        let verb = Verb::Dead { body, reason, deliveries };
        if let Decoded::Known(envelope) = decoded {
            metric::settled(queue, envelope.job.kind(), "dead");
            let unique = UniqueKey::of(&envelope, &self.keys);
            self.finish(Finish::of(&Arc::new(Held::new(entry, deliveries, *envelope, unique)), verb));
        } else {
            metric::settled(queue, "unreadable", "dead");
            self.finish(Finish::unread(entry, verb));
        }
    }
}

/// The value of field `e`; of an entry that somebody else wrote, everything there is.
fn body(fields: Vec<Vec<u8>>) -> Vec<u8> {
    match fields.iter().step_by(2).position(|name| name == b"e") {
        Some(place) if place * 2 + 1 < fields.len() => fields.into_iter().nth(place * 2 + 1).unwrap_or_default(),
        _ => fields.join(&b' '),
    }
}
