//! What waits, runs, is put off or parked: page by page, and one by its id. Every read is bounded, at any depth.

use std::fmt;

use chrono::{DateTime, Utc};
use redis::{RedisResult, Value, aio::ConnectionManager, from_redis_value};

use crate::{
    Envelope, Error, Finished, JobId, Producer, QueueName,
    envelope::Decoded,
    history,
    keys::{GROUP, Keys},
    stats,
};

/// Records read in one round trip.
const PAGE: usize = 1_000;

/// Records of one state that are looked through for an id.
const SEARCHED: usize = 10_000;

/// How far the clocks of whoever asked for a job and of Redis may be apart for the quick way to find it, in ms.
const CLOCKS: u64 = 10_000;

/// Entries with their fields, as `XRANGE` answers.
type Entries = Vec<(String, Vec<Vec<u8>>)>;

/// Where a job that has not ended is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// For a worker.
    Waiting,
    /// With a worker: it runs, is about to, or waits to be rescued.
    Running,
    /// For its time.
    Delayed,
    /// In the line of its instance, which has its share of jobs before it already.
    Lined,
    /// For the end of its instance's pause.
    Parked,
}

impl JobState {
    /// Every state, in the order of listings.
    pub const ALL: [Self; 5] = [Self::Running, Self::Waiting, Self::Lined, Self::Delayed, Self::Parked];

    /// As listings call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Delayed => "delayed",
            Self::Lined => "lined",
            Self::Parked => "parked",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One job that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it waits.
    pub queue: QueueName,
    /// In which state.
    pub state: JobState,
    /// Its entry while it waits or runs; otherwise empty.
    pub place: String,
    /// Since when it is ready; when it is due, if it is delayed; when it was asked for, if it is lined or
    /// parked.
    pub at: DateTime<Utc>,
    /// Who has it, if it runs.
    pub worker: Option<String>,
    /// How often this attempt was delivered.
    pub deliveries: u32,
    /// The job; absent when this version cannot read it.
    pub envelope: Option<Envelope>,
    /// The bytes as they were found.
    pub raw: Vec<u8>,
}

/// Some jobs, and where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order in which they come up.
    pub jobs: Vec<Listed>,
    /// What to ask for the page after this one with; absent after the last.
    pub next: Option<String>,
}

impl Producer {
    /// Up to `limit` jobs (1,000 at most; of small parked sets, all) in one state, from where the page before ended.
    pub async fn jobs(
        &self,
        queue: QueueName,
        state: JobState,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, Error> {
        let keys = self.keys(queue);
        let at = Place { queue, keys, after, limit: limit.clamp(1, PAGE) };
        self.ask(|mut connection| async move {
            match state {
                JobState::Waiting => waiting(&mut connection, at).await,
                JobState::Running => running(&mut connection, at).await,
                JobState::Delayed => delayed(&mut connection, at).await,
                JobState::Lined => lined(&mut connection, at).await,
                JobState::Parked => parked(&mut connection, at).await,
            }
        })
        .await
    }

    /// One job that has not ended, by its id.
    ///
    /// There is no index: an id begins with the time at which the job was asked for, so one that went straight into its line
    /// is found there at once. Of the others, the first 10,000 of each queue and state are looked through, which takes some
    /// 50 reads of 1,000 a queue at most.
    pub async fn find(&self, id: JobId) -> Result<Option<Listed>, Error> {
        for queue in QueueName::ALL {
            let keys = self.keys(queue);
            if let Some(found) =
                self.ask(|mut connection| async move { near(&mut connection, queue, keys, id).await }).await?
            {
                return Ok(Some(found));
            }
        }
        for queue in QueueName::ALL {
            for state in JobState::ALL {
                if let Some(found) = self.search(queue, state, id).await? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// One job that ended lately.
    pub async fn find_finished(&self, id: JobId) -> Result<Option<Finished>, Error> {
        for queue in QueueName::ALL {
            let finished = self.finished(queue, 0, history::KEPT).await?;
            if let Some(found) = finished.into_iter().find(|finished| finished.id == id) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn search(&self, queue: QueueName, state: JobState, id: JobId) -> Result<Option<Listed>, Error> {
        let mut after = None::<String>;
        for _ in 0..SEARCHED / PAGE {
            let page = self.jobs(queue, state, after.as_deref(), PAGE).await?;
            let is_it = |listed: &Listed| listed.envelope.as_ref().is_some_and(|envelope| envelope.id == id);
            if let Some(found) = page.jobs.into_iter().find(is_it) {
                return Ok(Some(found));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(None)
    }
}

/// Where a page begins.
#[derive(Clone, Copy)]
struct Place<'a> {
    queue: QueueName,
    keys: &'a Keys,
    after: Option<&'a str>,
    limit: usize,
}

impl Place<'_> {
    fn listed(&self, state: JobState, place: String, at: i64, raw: Vec<u8>) -> Listed {
        let envelope = match Decoded::read(&raw) {
            Decoded::Known(envelope) => Some(*envelope),
            Decoded::Unknown { .. } | Decoded::Malformed(_) => None,
        };
        let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
        Listed { queue: self.queue, state, place, at, worker: None, deliveries: 0, envelope, raw }
    }

    fn asked(&self, state: JobState, raw: Vec<u8>) -> Listed {
        let listed = self.listed(state, String::new(), 0, raw);
        Listed { at: listed.envelope.as_ref().map_or(listed.at, |envelope| envelope.enqueued_at), ..listed }
    }

    /// A full page has a next one.
    fn page(&self, jobs: Vec<Listed>, next: impl FnOnce(&Listed) -> String) -> Page {
        let next = if jobs.len() < self.limit { None } else { jobs.last().map(next) };
        Page { jobs, next }
    }
}

/// What follows the last entry that was delivered.
async fn waiting(connection: &mut ConnectionManager, at: Place<'_>) -> RedisResult<Page> {
    let after = match at.after {
        Some(after) => after.to_owned(),
        None => stats::group(connection, at.keys).await?.1,
    };
    let entries = entries(connection, at.keys, (&format!("({after}"), "+"), at.limit).await?;
    let listed = |(entry, fields): (String, Vec<Vec<u8>>)| {
        let ready = entry_ms(&entry);
        at.listed(JobState::Waiting, entry, ready, body(fields))
    };
    Ok(at.page(entries.into_iter().map(listed).collect(), |last| last.place.clone()))
}

async fn running(connection: &mut ConnectionManager, at: Place<'_>) -> RedisResult<Page> {
    let start = at.after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
    let pending = pending(connection, at.keys, (&start, "+"), at.limit).await?;
    let Some(last) = pending.last().map(|(entry, ..)| entry.clone()) else { return Ok(Page::default()) };
    let mut bodies = redis::pipe();
    for (entry, ..) in &pending {
        bodies.cmd("XRANGE").arg(&at.keys.stream).arg(entry).arg(entry);
    }
    let bodies: Vec<Entries> = bodies.query_async(connection).await?;
    let next = (pending.len() == at.limit).then_some(last);
    let jobs = pending.into_iter().zip(bodies).filter_map(|((entry, worker, _, deliveries), found)| {
        let raw = body(found.into_iter().next()?.1);
        let ready = entry_ms(&entry);
        Some(Listed { worker: Some(worker), deliveries, ..at.listed(JobState::Running, entry, ready, raw) })
    });
    Ok(Page { jobs: jobs.collect(), next })
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds fit a double exactly for 285,000 years")]
async fn delayed(connection: &mut ConnectionManager, at: Place<'_>) -> RedisResult<Page> {
    let from: usize = at.after.and_then(|after| after.parse().ok()).unwrap_or_default();
    let mut read = redis::cmd("ZRANGE");
    read.arg(&at.keys.delayed).arg(from).arg(from + at.limit - 1).arg("WITHSCORES");
    let found: Vec<(Vec<u8>, f64)> = read.query_async(connection).await?;
    let jobs = found.into_iter().map(|(raw, due)| at.listed(JobState::Delayed, String::new(), due as i64, raw));
    Ok(at.page(jobs.collect(), |_| (from + at.limit).to_string()))
}

/// Instance by instance; a cursor is the place of the instance and Redis' own within it.
async fn parked(connection: &mut ConnectionManager, at: Place<'_>) -> RedisResult<Page> {
    let cursor = at.after.and_then(|after| after.split_once('/'));
    let (mut place, mut within): (usize, u64) =
        cursor.and_then(|(place, within)| Some((place.parse().ok()?, within.parse().ok()?))).unwrap_or_default();
    let mut jobs = Vec::new();
    loop {
        let instances: Vec<String> =
            redis::cmd("ZRANGE").arg(&at.keys.parked).arg(place).arg(place).query_async(connection).await?;
        let Some(instance) = instances.first().and_then(|instance| instance.parse().ok()) else {
            return Ok(Page { jobs, next: None });
        };
        let mut scan = redis::cmd("HSCAN");
        scan.arg(at.keys.parked_of(instance)).arg(within).arg("COUNT").arg(at.limit);
        let (next, found): (u64, Vec<(String, Vec<u8>)>) = scan.query_async(connection).await?;
        jobs.extend(found.into_iter().map(|(_, raw)| at.asked(JobState::Parked, raw)));
        within = next;
        place += usize::from(next == 0);
        if jobs.len() >= at.limit {
            return Ok(Page { jobs, next: Some(format!("{place}/{within}")) });
        }
    }
}

/// Instance by instance, in the order of the names; a cursor is the instance's place and the job's within it.
async fn lined(connection: &mut ConnectionManager, at: Place<'_>) -> RedisResult<Page> {
    let cursor = at.after.and_then(|after| after.split_once('/'));
    let (mut place, mut within): (usize, usize) =
        cursor.and_then(|(place, within)| Some((place.parse().ok()?, within.parse().ok()?))).unwrap_or_default();
    let mut instances: Vec<String> =
        redis::cmd("ZRANGE").arg(&at.keys.lines).arg(0).arg(PAGE - 1).query_async(connection).await?;
    instances.sort_unstable();
    let mut jobs = Vec::new();
    while let Some(instance) = instances.get(place) {
        let room = at.limit - jobs.len();
        let mut read = redis::cmd("LRANGE");
        if let Ok(instance) = instance.parse() {
            read.arg(at.keys.line(instance)).arg(within).arg(within + room - 1);
            let found: Vec<Vec<u8>> = read.query_async(connection).await?;
            within += found.len();
            jobs.extend(found.into_iter().map(|raw| at.asked(JobState::Lined, raw)));
        }
        if jobs.len() == at.limit {
            return Ok(Page { jobs, next: Some(format!("{place}/{within}")) });
        }
        (place, within) = (place + 1, 0);
    }
    Ok(Page { jobs, next: None })
}

/// Where a job that was never put off lies: ids and entries both begin with a time.
async fn near(
    connection: &mut ConnectionManager,
    queue: QueueName,
    keys: &Keys,
    id: JobId,
) -> RedisResult<Option<Listed>> {
    let Some((seconds, nanos)) = id.0.get_timestamp().map(|timestamp| timestamp.to_unix()) else { return Ok(None) };
    let asked = seconds * 1_000 + u64::from(nanos / 1_000_000);
    let at = Place { queue, keys, after: None, limit: PAGE };
    let end = (asked + CLOCKS).to_string();
    // With synchronous clocks it lies behind the middle; but the whole of it may be too much to look through.
    for from in [asked.saturating_sub(5), asked.saturating_sub(CLOCKS)] {
        let mut start = from.to_string();
        for _ in 0..SEARCHED / PAGE / 2 {
            let found = entries(connection, keys, (&start, &end), PAGE).await?;
            let Some(last) = found.last().map(|(entry, _)| entry.clone()) else { break };
            for (entry, fields) in found {
                let ready = entry_ms(&entry);
                let listed = at.listed(JobState::Waiting, entry, ready, body(fields));
                if listed.envelope.as_ref().is_some_and(|envelope| envelope.id == id) {
                    return with_worker(connection, keys, listed).await.map(Some);
                }
            }
            start = format!("({last}");
        }
    }
    Ok(None)
}

async fn with_worker(connection: &mut ConnectionManager, keys: &Keys, listed: Listed) -> RedisResult<Listed> {
    let pending = pending(connection, keys, (&listed.place, &listed.place), 1).await?;
    Ok(match pending.into_iter().next() {
        Some((_, worker, _, deliveries)) => {
            Listed { state: JobState::Running, worker: Some(worker), deliveries, ..listed }
        }
        None => listed,
    })
}

async fn entries(
    connection: &mut ConnectionManager,
    keys: &Keys,
    (start, end): (&str, &str),
    limit: usize,
) -> RedisResult<Entries> {
    let mut read = redis::cmd("XRANGE");
    read.arg(&keys.stream).arg(start).arg(end).arg("COUNT").arg(limit).query_async(connection).await
}

/// Entry, consumer, idle time in ms, deliveries. Before the first worker came there is no group, and nothing is pending.
async fn pending(
    connection: &mut ConnectionManager,
    keys: &Keys,
    (start, end): (&str, &str),
    limit: usize,
) -> RedisResult<Vec<(String, String, u64, u32)>> {
    let mut read = redis::cmd("XPENDING");
    read.arg(&keys.stream).arg(GROUP).arg(start).arg(end).arg(limit);
    match read.query_async::<Value>(connection).await {
        Ok(found) => Ok(from_redis_value(found)?),
        Err(error) if error.code() == Some("NOGROUP") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn body(fields: Vec<Vec<u8>>) -> Vec<u8> {
    let place = fields.iter().step_by(2).position(|name| name == b"e");
    place.and_then(|place| fields.into_iter().nth(place * 2 + 1)).unwrap_or_default()
}

/// An entry's id begins with the time at which it became ready.
fn entry_ms(entry: &str) -> i64 {
    entry.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default()
}
