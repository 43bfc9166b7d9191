//! What ended lately: a small ring per queue, for people who ask what became of a job. Bounded by count and by age.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use domain::InstanceId;
use redis::Pipeline;
use serde::{Deserialize, Serialize};

use crate::{
    Envelope, Error, JobId, Producer, QueueName,
    delivery::{Finish, Held, Verb},
    keys::Keys,
    metric,
};

/// How many a queue keeps.
pub(crate) const KEPT: usize = 1_000;

/// Jobs that went well and are written in a second, at most; what ends faster would be pushed out within a moment.
const A_SECOND: u32 = 1_000;

/// How long they are shown; the ring itself expires this long after the last one.
const AGE: Duration = Duration::from_secs(24 * 3600);

/// How much of an error is kept, in bytes.
const MAX_ERROR_BYTES: usize = 500;

/// A job that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Which.
    pub id: JobId,
    /// Its kind on the wire.
    pub kind: String,
    /// On whose behalf.
    pub instance: InstanceId,
    /// `done`, `next` (a page of a chain), `dead`, or `cancelled`.
    pub outcome: String,
    /// Which attempt was the last, from 1.
    pub attempt: u32,
    /// How long that took, in milliseconds.
    pub duration_ms: u64,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Why, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Finished {
    pub(crate) fn new(envelope: &Envelope, outcome: &str, took: Duration) -> Self {
        Self {
            id: envelope.id,
            kind: envelope.job.kind().to_owned(),
            instance: envelope.job.instance(),
            outcome: outcome.to_owned(),
            attempt: envelope.attempt + 1,
            duration_ms: crate::touched::millis(took),
            at: Utc::now(),
            error: None,
        }
    }

    /// What the ring says of an outcome, if it is an end.
    fn of(finish: &Finish) -> Option<Self> {
        let (held, end) = (finish.held.as_ref()?, finish.end?);
        let mut finished = Self::new(&held.envelope, end.outcome, end.took);
        if let Verb::Dead { reason, .. } = &finish.verb {
            finished.error = Some(reason.clone());
        }
        Some(finished)
    }

    pub(crate) fn to_text(&self) -> String {
        let mut record = self.clone();
        if let Some(error) = &mut record.error {
            error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES));
        }
        serde_json::to_string(&record).expect("ids, texts, numbers and times can always be written")
    }
}

/// The end of a job that was called off before it ran.
pub(crate) fn called_off(queue: QueueName, held: &std::sync::Arc<Held>) -> Finish {
    metric::settled(queue, held.envelope.job.kind(), "cancelled");
    Finish::of(held, Verb::Cancel).recorded("cancelled", Duration::ZERO)
}

/// How many of the jobs that went well may be written by now.
#[derive(Debug)]
pub(crate) struct Room {
    left: u32,
    since: Instant,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self { left: A_SECOND, since: Instant::now() }
    }

    /// Takes up to so many places.
    fn take(&mut self, wanted: usize) -> usize {
        if self.since.elapsed() >= Duration::from_secs(1) {
            *self = Self::new();
        }
        let taken = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.left);
        self.left -= taken;
        taken as usize
    }
}

/// What writes the ends of a batch, if there are any: all that went wrong, and of what went well as many of the last as there
/// is room for.
pub(crate) fn pipe(keys: &Keys, batch: &[Finish], room: &mut Room) -> Option<Pipeline> {
    let went_well = |finish: &&Finish| finish.end.is_some() && matches!(finish.verb, Verb::Done | Verb::Next { .. });
    let well = batch.iter().filter(went_well).count();
    let mut surplus = well - room.take(well);
    let mut records = Vec::new();
    for finish in batch {
        if surplus > 0 && went_well(&finish) {
            surplus -= 1;
        } else if let Some(finished) = Finished::of(finish) {
            records.push(finished.to_text());
        }
    }
    if records.is_empty() {
        return None;
    }
    let mut pipe = redis::pipe();
    pipe.cmd("LPUSH").arg(&keys.finished).arg(records).ignore();
    pipe.cmd("LTRIM").arg(&keys.finished).arg(0).arg(KEPT - 1).ignore();
    pipe.cmd("PEXPIRE").arg(&keys.finished).arg(crate::touched::millis(AGE)).ignore();
    Some(pipe)
}

impl Producer {
    /// Up to `limit` jobs that ended within a day, newest first, after skipping some. At most a thousand are kept.
    pub async fn finished(&self, queue: QueueName, skip: usize, limit: usize) -> Result<Vec<Finished>, Error> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut read = redis::cmd("LRANGE");
        let read = &*read.arg(&self.keys(queue).finished).arg(skip).arg(skip.saturating_add(limit) - 1);
        let texts: Vec<String> =
            self.ask(|mut connection| async move { read.query_async(&mut connection).await }).await?;
        let oldest = Utc::now() - TimeDelta::from_std(AGE).unwrap_or_default();
        let all = texts.iter().filter_map(|text| serde_json::from_str::<Finished>(text).ok());
        Ok(all.filter(|finished| finished.at >= oldest).collect())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::Job;

    #[test]
    fn only_so_many_that_went_well_are_written_in_a_second() {
        let mut room = Room::new();
        assert_eq!((room.take(600), room.take(600), room.take(1)), (600, 400, 0));
        room.since -= Duration::from_secs(1);
        assert_eq!(room.take(7), 7);
    }

    #[test]
    fn an_end_reads_back_and_its_error_is_cut() {
        let job = Job::SyncDirectory { instance: InstanceId::generate() };
        let envelope = Envelope::new(job, Utc::now(), None);
        let mut finished = Finished::new(&envelope, "dead", Duration::from_millis(12));
        finished.error = Some("ß".repeat(400));
        let read: Finished = serde_json::from_str(&finished.to_text()).unwrap();
        assert_eq!((read.id, read.attempt, read.duration_ms), (envelope.id, 1, 12));
        assert_eq!(read.error.unwrap().len(), MAX_ERROR_BYTES);
    }
}
