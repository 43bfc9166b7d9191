//! Jobs that we stopped trying, kept for an operator: to look at, to replay, to discard.

use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::{FromRedisValue, RedisResult, aio::MultiplexedConnection, streams::StreamRangeReply};

use crate::{
    Enqueued, Envelope, Error, JobId, Producer, QueueName,
    envelope::Decoded,
    keys::Keys,
    scripts::{REPLAY, TRIM},
    touched::millis,
    unique::UniqueKey,
};

/// How many dead letters a queue keeps, how many bytes of Redis they may take together, and for how long. The oldest fall out,
/// which is counted.
pub(crate) const KEPT: usize = 10_000;
const KEPT_BYTES: usize = 64 << 20;
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 3600);

/// One job that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the list, to name it by.
    pub id: String,
    /// Where it waited.
    pub queue: QueueName,
    /// Why it was given up.
    pub reason: String,
    /// When.
    pub died_at: DateTime<Utc>,
    /// How often the last attempt was delivered.
    pub deliveries: u32,
    /// Who had it last.
    pub worker: String,
    /// The job with its attempts and errors; absent when nobody can read it.
    pub envelope: Option<Envelope>,
    /// The bytes as they were found.
    pub raw: Vec<u8>,
}

/// What a replay of many did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Waiting again.
    pub replayed: usize,
    /// Left among the dead letters: the same job is pending or unfinished already, or nobody can read them.
    pub left: usize,
}

impl Producer {
    /// Up to `limit` dead letters, oldest first, after the one named (absent: from the beginning).
    pub async fn dead_letters(
        &self,
        queue: QueueName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let start = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        self.letters(queue, &start, "+", limit).await
    }

    /// One dead letter.
    pub async fn dead_letter(&self, queue: QueueName, id: &str) -> Result<DeadLetter, Error> {
        let found = self.letters(queue, id, id, 1).await?;
        found.into_iter().next().ok_or_else(|| Error::NoSuchLetter(id.to_owned()))
    }

    /// Puts one back into the line, with all its attempts before it; its errors are kept. It stays where it is when the same
    /// job is pending or unfinished already.
    pub async fn replay(&self, queue: QueueName, id: &str) -> Result<Enqueued, Error> {
        let letter = self.dead_letter(queue, id).await?;
        self.replay_letter(&letter).await
    }

    /// Puts back every letter that matches, in order. What dies again meanwhile is not replayed twice.
    pub async fn replay_all(&self, queue: QueueName, matches: impl Fn(&DeadLetter) -> bool) -> Result<Replayed, Error> {
        let (mut count, mut after) = (Replayed::default(), None::<String>);
        let began = Utc::now();
        loop {
            let letters = self.dead_letters(queue, after.as_deref(), 100).await?;
            let Some(last) = letters.last() else { return Ok(count) };
            after = Some(last.id.clone());
            for letter in letters.iter().filter(|letter| letter.died_at <= began && matches(letter)) {
                match self.replay_letter(letter).await {
                    Ok(Enqueued::New(_)) => count.replayed += 1,
                    Ok(Enqueued::Already { .. }) | Err(Error::Unreadable(_)) => count.left += 1,
                    Err(Error::NoSuchLetter(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Forgets one for good; whether it was there.
    pub async fn discard(&self, queue: QueueName, id: &str) -> Result<bool, Error> {
        let key = &self.keys(queue).dead;
        let mut delete = redis::cmd("XDEL");
        let delete = &*delete.arg(key).arg(id);
        let gone: u64 = self.ask(|mut connection| async move { delete.query_async(&mut connection).await }).await?;
        Ok(gone == 1)
    }

    async fn replay_letter(&self, letter: &DeadLetter) -> Result<Enqueued, Error> {
        let unreadable =
            || Error::Unreadable(format!("dead letter {} holds no job that this version knows", letter.id));
        let mut envelope = letter.envelope.clone().ok_or_else(unreadable)?;
        // A fresh id: a copy of the dead job that is still about somewhere must not pass for this one.
        (envelope.id, envelope.attempt, envelope.snoozes) = (JobId::generate(), 0, 0);
        let keys = self.keys(letter.queue);
        let unique = UniqueKey::of(&envelope, keys);
        let mut script = REPLAY.key(&keys.dead);
        script.key(&keys.stream).key(&unique.key).key(&keys.shares);
        script.arg(&letter.id).arg(envelope.encode()?).arg(&unique.value).arg(millis(unique.life));
        script.arg(if unique.is_shared() { envelope.job.instance().to_string() } else { String::new() });
        let claim: Option<String> = self.run(&script).await?;
        match claim.as_deref() {
            None => Err(Error::NoSuchLetter(letter.id.clone())),
            Some("") => Ok(Enqueued::New(envelope.id)),
            Some(claim) => Ok(Enqueued::already(claim)),
        }
    }

    async fn letters(&self, queue: QueueName, from: &str, to: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let key = &self.keys(queue).dead;
        let mut range = redis::cmd("XRANGE");
        let range = &*range.arg(key).arg(from).arg(to).arg("COUNT").arg(limit);
        let found: StreamRangeReply =
            self.ask(|mut connection| async move { range.query_async(&mut connection).await }).await.map_err(bad_id)?;
        Ok(found.ids.into_iter().map(|entry| read(queue, &entry)).collect())
    }
}

/// Forgets the letters that are too old, or for which there is no room. Their number is bounded at every death.
pub(crate) async fn trim(connection: &mut MultiplexedConnection, keys: &Keys) -> RedisResult<()> {
    let mut script = TRIM.key(&keys.dead);
    script.key(&keys.dropped).arg(millis(KEPT_FOR)).arg(KEPT_BYTES).invoke_async(connection).await
}

/// An id that no stream could have is one that was never given.
fn bad_id(error: Error) -> Error {
    match error {
        Error::Unavailable(inner) if inner.detail().is_some_and(|detail| detail.contains("Invalid stream ID")) => {
            Error::NoSuchLetter("with such an id".to_owned())
        }
        other => other,
    }
}

fn read(queue: QueueName, entry: &redis::streams::StreamId) -> DeadLetter {
    let raw = field::<Vec<u8>>(entry, "e").unwrap_or_default();
    let envelope = match Decoded::read(&raw) {
        Decoded::Known(envelope) => Some(*envelope),
        Decoded::Unknown { .. } | Decoded::Malformed(_) => None,
    };
    let died_ms = entry.id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default();
    DeadLetter {
        id: entry.id.clone(),
        queue,
        reason: field(entry, "reason").unwrap_or_default(),
        died_at: DateTime::from_timestamp_millis(died_ms).unwrap_or_default(),
        deliveries: field(entry, "deliveries").unwrap_or_default(),
        worker: field(entry, "worker").unwrap_or_default(),
        envelope,
        raw,
    }
}

fn field<T: FromRedisValue>(entry: &redis::streams::StreamId, name: &str) -> Option<T> {
    entry.get(name)
}
