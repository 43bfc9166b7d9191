//! What travels through Redis: a job with its id, its history and the trace it belongs to.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{Error, Job, job::is_zero};

/// The largest envelope that is accepted, in bytes of JSON.
pub const MAX_JOB_BYTES: usize = 256 * 1024;

/// How much of an error is kept in an envelope, in bytes.
const MAX_ERROR_BYTES: usize = 2_000;

/// A job's own id, version 7. The entry in the stream has another one: a retry is a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// A fresh one.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A job on its way. Fields are added with a default, as in [`Job`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Stays the same over retries and snoozes; every page of a chain has its own.
    pub id: JobId,
    /// What is asked for.
    pub job: Job,
    /// Runs that failed before this one.
    #[serde(default)]
    pub attempt: u32,
    /// How often it was put off at its own wish; costs no attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub snoozes: u32,
    /// When it was asked for.
    pub enqueued_at: DateTime<Utc>,
    /// W3C trace context of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
    /// Why the first run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
    /// Why the last run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl Envelope {
    /// A job that was never tried.
    pub fn new(job: Job, now: DateTime<Utc>, trace_parent: Option<String>) -> Self {
        let id = JobId::generate();
        Self { id, job, attempt: 0, snoozes: 0, enqueued_at: now, trace_parent, first_error: None, last_error: None }
    }

    /// As it travels; refused when it is too large.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let body = self.bytes();
        if body.len() > MAX_JOB_BYTES {
            return Err(Error::TooLarge { size: body.len(), limit: MAX_JOB_BYTES });
        }
        Ok(body)
    }

    /// The same for what was accepted before: the errors it gathered must not be its end.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("ids, texts, numbers and times can always be written")
    }

    pub(crate) fn remember(&mut self, error: &str) {
        let error = cut(error);
        self.first_error.get_or_insert_with(|| error.clone());
        self.last_error = Some(error);
    }
}

/// The beginning of a text, cut at a character.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_ERROR_BYTES)].to_owned()
}

/// What was found in Redis.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// A job we know. Boxed: the other two are small and rare.
    Known(Box<Envelope>),
    /// A kind this process does not know: a newer one will.
    Unknown { kind: String, enqueued_at: DateTime<Utc> },
    /// Nothing that any version wrote.
    Malformed(String),
}

/// The least that all versions share.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    job: &'a RawValue,
    enqueued_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

impl Decoded {
    pub(crate) fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Envelope>(body) {
            Ok(envelope) => Self::Known(Box::new(envelope)),
            Err(error) => Self::unknown(body).unwrap_or_else(|| Self::Malformed(error.to_string())),
        }
    }

    fn unknown(body: &[u8]) -> Option<Self> {
        let header: Header<'_> = serde_json::from_slice(body).ok()?;
        let Kind { kind } = serde_json::from_str(header.job.get()).ok()?;
        let known = Job::KINDS.contains(&kind.as_str());
        (!known).then_some(Self::Unknown { kind, enqueued_at: header.enqueued_at })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const GOLDEN: &str = include_str!("../../../tests/golden/jobs.json");

    #[test]
    fn every_kind_is_read_and_written_as_recorded() {
        let recorded: Vec<serde_json::Value> = serde_json::from_str(GOLDEN).unwrap();
        let mut kinds = Vec::new();
        for value in recorded {
            let Decoded::Known(envelope) = Decoded::read(value.to_string().as_bytes()) else {
                panic!("unread: {value}")
            };
            assert_eq!(serde_json::to_value(&envelope).unwrap(), value);
            assert_eq!(value["job"]["kind"], envelope.job.kind());
            kinds.push(envelope.job.kind());
        }
        let of = |kinds: &[&'static str]| kinds.iter().copied().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(of(&kinds), of(&Job::KINDS), "at least one example of each kind");
    }

    #[test]
    fn a_kind_of_tomorrow_is_not_malformed() {
        let at = "2026-02-03T10:11:12Z";
        let newer = format!(r#"{{"id":"x","job":{{"kind":"roll_up","instance":4}},"enqueued_at":"{at}","new":1}}"#);
        assert!(matches!(Decoded::read(newer.as_bytes()), Decoded::Unknown { kind, .. } if kind == "roll_up"));
        let broken = format!(r#"{{"id":"x","job":{{"kind":"backfill"}},"enqueued_at":"{at}"}}"#);
        for body in [broken.as_str(), "", "null", "{\"job\":1}", "\u{fffd}"] {
            assert!(matches!(Decoded::read(body.as_bytes()), Decoded::Malformed(_)), "{body}");
        }
    }

    #[test]
    fn a_job_too_large_is_refused_with_its_size() {
        let projects = (0..40_000).map(|n| format!("PROJECT{n}").parse().unwrap()).collect();
        let job = Job::Backfill { instance: domain::InstanceId::generate(), projects, since: None };
        let refused = Envelope::new(job, Utc::now(), None).encode().unwrap_err();
        assert!(matches!(refused, Error::TooLarge { size, limit: MAX_JOB_BYTES } if size > 400_000), "{refused}");
    }

    #[test]
    fn the_first_and_the_last_error_are_kept_and_cut() {
        let instance = domain::InstanceId::generate();
        let mut envelope = Envelope::new(Job::SyncDirectory { instance }, Utc::now(), None);
        envelope.remember("first");
        envelope.remember(&"ß".repeat(5_000));
        assert_eq!(envelope.first_error.as_deref(), Some("first"));
        assert_eq!(envelope.last_error.unwrap().len(), MAX_ERROR_BYTES);
    }
}
