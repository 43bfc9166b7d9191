//! Unique keys: what makes two jobs the same request, and for how long.

use std::{fmt::Display, time::Duration};

use chrono::{DateTime, Utc};

use crate::{Envelope, Job, JobId, keys::Keys};

/// When asking for a job again is the same request. The text names the request within its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unique {
    /// While it waits. The key is given back when a run starts, so that what arrives during the run is asked for again; a
    /// second run of the same request then waits for the first.
    Pending(String),
    /// Until it, or the chain it belongs to, is finished. A copy delivered late finds itself overtaken and does not run.
    Unfinished(String),
    /// Never: every one is a request of its own. Costs Redis least; for jobs that do no harm when run twice.
    Never,
}

impl Unique {
    /// How long a key outlives its last sign of life: a leaked one costs this delay, never a standstill.
    const PENDING_LIFE: Duration = Duration::from_secs(10 * 60);
    /// The same for chains; renewed at every start, at every page, and while a run goes on.
    pub(crate) const UNFINISHED_LIFE: Duration = Duration::from_secs(60 * 60);

    pub(crate) fn pending<A: Display, B: Display>(job: &Job, (a, b): (A, B)) -> Self {
        Self::Pending(format!("{}:{a}:{b}", job.kind()))
    }

    pub(crate) fn unfinished<A: Display, B: Display>(job: &Job, (a, b): (A, B)) -> Self {
        Self::Unfinished(format!("{}:{a}:{b}", job.kind()))
    }
}

/// A unique key as the scripts take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UniqueKey {
    /// `p` or `u`; `-` for a job that shares its key with nobody, so that nobody needs to look at it.
    pub(crate) mode: &'static str,
    /// Holds [`Claim`]. In mode `p` it also names the mark of a run: two runs of the same request never overlap.
    pub(crate) key: String,
    /// Where the instance's jobs beyond its share wait; empty in mode `-`, like the value.
    pub(crate) line: String,
    /// The claim of one job.
    pub(crate) value: String,
    /// For how long it is set.
    pub(crate) life: Duration,
}

impl UniqueKey {
    /// Whether another job may have the same.
    pub(crate) fn is_shared(&self) -> bool {
        self.mode != "-"
    }

    pub(crate) fn of(envelope: &Envelope, keys: &Keys) -> Self {
        let (mode, text, life) = match envelope.job.policy().unique {
            Unique::Pending(text) => ("p", text, Unique::PENDING_LIFE),
            Unique::Unfinished(text) => ("u", text, Unique::UNFINISHED_LIFE),
            Unique::Never => ("-", envelope.id.to_string(), Unique::PENDING_LIFE),
        };
        let key = keys.unique(&text);
        if mode == "-" {
            let [line, value] = Default::default();
            return Self { mode, key, line, value, life };
        }
        let value = Claim { id: envelope.id, turn: envelope.job.turn(), since: envelope.enqueued_at }.to_text();
        let line = keys.line(envelope.job.instance());
        Self { mode, key, line, value, life }
    }
}

/// What a unique key holds: which job won it, at which turn, since when. The scripts compare the first 36 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) id: JobId,
    turn: u64,
    pub(crate) since: DateTime<Utc>,
}

impl Claim {
    fn to_text(self) -> String {
        format!("{}/{}/{}", self.id, self.turn, self.since.timestamp_millis())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let id = parts.next()?.parse().ok()?;
        let turn = parts.next()?.parse().ok()?;
        let since = DateTime::from_timestamp_millis(parts.next()?.parse().ok()?)?;
        Some(Self { id, turn, since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_read_back() {
        let since = DateTime::from_timestamp_millis(1_790_000_000_123).expect("in range");
        let claim = Claim { id: JobId::generate(), turn: 12, since };
        assert_eq!(Claim::parse(&claim.to_text()), Some(claim));
        assert_eq!(claim.to_text().find('/'), Some(36), "the scripts compare the first 36 characters");
        assert_eq!(Claim::parse("1"), None);
    }
}
