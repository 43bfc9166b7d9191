//! One hand-over of a job from Redis to this process, and what is said about it in return.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use redis::ScriptInvocation;
use tokio::sync::{Notify, oneshot};

use crate::{Envelope, JobId, touched::millis, unique::UniqueKey};

/// Whether a job that is delivered for the so-maniest time may be what its workers were lost to. The first loss says nothing:
/// most of what a dead worker held is innocent.
pub(crate) fn is_suspect(deliveries: u32) -> bool {
    deliveries > 2
}

/// A delivery that this process holds: its lease is renewed until its outcome reached Redis.
#[derive(Debug)]
pub(crate) struct Held {
    /// The entry's id in the stream; begins with the time at which it became ready.
    pub(crate) entry: Arc<str>,
    /// How often this attempt was delivered, this time included: a count of crashes.
    pub(crate) deliveries: u32,
    pub(crate) envelope: Envelope,
    pub(crate) unique: UniqueKey,
    /// Until when it is certainly ours and nobody paused or called off anything; absent when Redis must be asked.
    trusted_until: Option<Instant>,
    /// Its outcome is on the way, so Redis may not know it any more.
    settling: AtomicBool,
    /// It is on the way back to the others, so its lease must end.
    returning: AtomicBool,
    /// Told when it was called off.
    pub(crate) called_off: Notify,
}

impl Held {
    pub(crate) fn new(entry: String, deliveries: u32, envelope: Envelope, unique: UniqueKey) -> Self {
        let (entry, called_off) = (entry.into(), Notify::new());
        let (settling, returning) = Default::default();
        Self { entry, deliveries, envelope, unique, trusted_until: None, settling, returning, called_off }
    }

    /// The same, with what was found when it was delivered.
    pub(crate) fn trusted(self, until: Option<Instant>) -> Self {
        Self { trusted_until: until, ..self }
    }

    /// Whether it may start without asking Redis: nobody else may run the same request, and what the delivery told is fresh.
    pub(crate) fn may_start(&self, now: Instant) -> bool {
        !self.unique.is_shared() && self.is_trusted(now)
    }

    pub(crate) fn is_trusted(&self, now: Instant) -> bool {
        self.trusted_until.is_some_and(|until| now < until)
    }

    pub(crate) fn is_settling(&self) -> bool {
        self.settling.load(Ordering::Relaxed)
    }

    pub(crate) fn is_returning(&self) -> bool {
        self.returning.load(Ordering::Relaxed)
    }

    /// How long it was ready, by the clocks of Redis and of this machine.
    pub(crate) fn waited(&self) -> Duration {
        let since = self.entry.split('-').next().and_then(|ms| ms.parse::<i64>().ok()).unwrap_or_default();
        let waited = chrono::Utc::now().timestamp_millis().saturating_sub(since);
        Duration::from_millis(waited.max(0).cast_unsigned())
    }
}

/// What the starter is told.
#[derive(Debug)]
pub(crate) enum Start {
    /// May this run?
    Ask(Arc<Held>),
    /// Say when everything before this was answered.
    Flush(oneshot::Sender<()>),
}

/// What the acker is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// This is what became of it.
    Finish(Finish),
    /// Say when everything before this is in Redis.
    Flush(oneshot::Sender<()>),
}

/// One outcome on its way to Redis.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) entry: Arc<str>,
    /// Absent for what could not be read.
    pub(crate) held: Option<Arc<Held>>,
    pub(crate) verb: Verb,
    /// What the history says of it, when this is its end.
    pub(crate) end: Option<End>,
}

/// The end of a job, as its worker saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// As in the metrics.
    pub(crate) outcome: &'static str,
    pub(crate) took: Duration,
}

/// The verbs of `finish.lua`.
#[derive(Debug)]
pub(crate) enum Verb {
    Done,
    Drop,
    Cancel,
    Next { body: Vec<u8>, unique: Box<UniqueKey> },
    Later { body: Vec<u8>, delay: Duration },
    Wait { body: Vec<u8>, delay: Duration },
    Dead { body: Vec<u8>, reason: String, deliveries: u32 },
    Back { deliveries: u32 },
}

impl Finish {
    pub(crate) fn of(held: &Arc<Held>, verb: Verb) -> Self {
        held.settling.store(true, Ordering::Relaxed);
        held.returning.store(matches!(verb, Verb::Back { .. }), Ordering::Relaxed);
        Self { entry: held.entry.clone(), held: Some(Arc::clone(held)), verb, end: None }
    }

    pub(crate) fn unread(entry: String, verb: Verb) -> Self {
        Self { entry: entry.into(), held: None, verb, end: None }
    }

    /// The same, to be remembered in the history.
    pub(crate) fn recorded(self, outcome: &'static str, took: Duration) -> Self {
        Self { end: Some(End { outcome, took }), ..self }
    }

    /// Whether nothing is left to do but to forget it: no key is held, nobody waits for it.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.verb, Verb::Done) && self.held.as_ref().is_some_and(|held| !held.unique.is_shared())
    }

    /// Whether all that is left is to give back what it held.
    pub(crate) fn is_good_end(&self) -> bool {
        matches!(self.verb, Verb::Done) && self.held.as_ref().is_some_and(|held| held.unique.is_shared())
    }

    /// Adds the record of this outcome, which is no good end; `keys` counts the keys of the script so far.
    pub(crate) fn write(&self, script: &mut ScriptInvocation<'_>, keys: &mut usize) {
        let Some(verb) = self.verb.name() else { return };
        let unique = self.held.as_ref().map(|held| &held.unique);
        let job = self.held.as_ref().map_or_else(String::new, |held| held.envelope.id.to_string());
        let index = unique.map_or(0, |unique| add_keys(script, keys, unique));
        let mode = unique.map_or("-", |unique| unique.mode);
        script.arg(verb).arg(&*self.entry).arg(job).arg(mode).arg(index);
        match &self.verb {
            Verb::Done | Verb::Drop | Verb::Cancel => {}
            Verb::Next { body, unique } => {
                let index = add_keys(script, keys, unique);
                script.arg(body).arg(&unique.value).arg(millis(unique.life)).arg(unique.mode).arg(index);
            }
            Verb::Later { body, delay } | Verb::Wait { body, delay } => {
                let (value, life) = unique.map_or(("", 0), |unique| (&unique.value, millis(unique.life)));
                script.arg(body).arg(millis(*delay)).arg(value).arg(life);
                blank(script, 1);
            }
            Verb::Dead { body, reason, deliveries } => {
                script.arg(body).arg(reason).arg(*deliveries);
                blank(script, 2);
            }
            Verb::Back { deliveries } => {
                script.arg(*deliveries);
                blank(script, 4);
            }
        }
    }

    pub(crate) fn job_id(&self) -> Option<JobId> {
        self.held.as_ref().map(|held| held.envelope.id)
    }
}

impl Verb {
    /// As records call it; good ends have none.
    fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Done => return None,
            Self::Drop => "drop",
            Self::Cancel => "cancel",
            Self::Next { .. } => "next",
            Self::Later { .. } => "later",
            Self::Wait { .. } => "wait",
            Self::Dead { .. } => "dead",
            Self::Back { .. } => "back",
        })
    }

    /// Bytes it takes in a script, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Next { body, .. } | Self::Later { body, .. } | Self::Wait { body, .. } | Self::Dead { body, .. } => {
                body.len()
            }
            Self::Done | Self::Drop | Self::Cancel | Self::Back { .. } => 0,
        }
    }

    /// Whether an outcome that came too late means that somebody else has the job, or that Redis forgot it.
    pub(crate) fn matters(&self) -> bool {
        !matches!(self, Self::Done | Self::Drop | Self::Cancel | Self::Wait { .. } | Self::Back { .. })
    }
}

/// Adds a unique key and its line; the answer is the index of the first in KEYS, 0 for a job that shares none.
pub(crate) fn add_keys(script: &mut ScriptInvocation<'_>, keys: &mut usize, unique: &UniqueKey) -> usize {
    if !unique.is_shared() {
        return 0;
    }
    script.key(&unique.key).key(&unique.line);
    *keys += 2;
    *keys - 1
}

fn blank(script: &mut ScriptInvocation<'_>, count: usize) {
    for _ in 0..count {
        script.arg("");
    }
}
