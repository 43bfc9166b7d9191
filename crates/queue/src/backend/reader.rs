//! Fetches jobs: a blocking read of as many as there is room for, so that a job wakes its worker and an empty queue costs
//! nothing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use redis::{RedisResult, aio::MultiplexedConnection};

use super::{intake::Fetched, line::Line, shared::Shared};
use crate::keys::GROUP;

/// How long one read waits for a job.
const BLOCK: Duration = Duration::from_secs(2);

/// Longer than a read may block: the default of half a second would break every idle read, and what Redis delivered
/// meanwhile would be pending with nobody knowing it.
const RESPONSE: Duration = Duration::from_secs(5);

/// For how long the look at operators' orders that came with a delivery holds.
const FRESH: Duration = Duration::from_secs(1);

/// Entries with their fields, as `XREADGROUP` and `XCLAIM` answer.
type Entries = Vec<(String, Vec<Vec<u8>>)>;

pub(super) async fn run(shared: Arc<Shared>) {
    let mut line = Line::new(&shared, RESPONSE);
    while !shared.stopping.is_cancelled() {
        let room = shared.room();
        if room == 0 {
            tokio::select! {
                () = shared.demand.notified() => {}
                () = shared.stopping.cancelled() => {}
            }
            continue;
        }
        match fetch(&shared, &mut line, room).await {
            Ok(fetched) => {
                line.works();
                shared.take_in(fetched);
            }
            Err(error) => line.broke(&error).await,
        }
    }
    shared.reader_ended.cancel();
}

/// A reply is always waited for: what it delivers would otherwise be pending until its lease runs out.
async fn fetch(shared: &Shared, line: &mut Line, room: usize) -> RedisResult<Vec<Fetched>> {
    if line.is_new() {
        let mut connection = line.get().await?;
        return settle_in(shared, &mut connection).await;
    }
    let mut connection = line.get().await?;
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(GROUP).arg(&shared.options.consumer);
    read.arg("COUNT").arg(room).arg("BLOCK").arg(crate::touched::millis(BLOCK));
    read.arg("STREAMS").arg(&shared.keys.stream).arg(">");
    // Sent right behind, so it is answered right behind: what operators had ordered when the jobs were delivered.
    let mut orders = redis::cmd("EXISTS");
    orders.arg(&shared.keys.paused).arg(&shared.keys.cancelled);
    let (asked_at, mut behind) = (Instant::now(), connection.clone());
    let (answer, orders) = futures::join!(read.query_async(&mut connection), orders.query_async::<u64>(&mut behind));
    let answer: Option<Vec<(String, Entries)>> = answer?;
    let trusted_until = orders.is_ok_and(|orders| orders == 0).then(|| trust(asked_at, shared.options.lease));
    let entries = answer.into_iter().flatten().flat_map(|(_, entries)| entries);
    Ok(entries.map(|(entry, fields)| Fetched { entry, deliveries: 1, fields, trusted_until }).collect())
}

/// Until when a job may start on what its delivery told: its lease began after we asked for it, so nobody else can have it
/// yet, and an order of an operator takes a second at most.
fn trust(asked_at: Instant, lease: Duration) -> Instant {
    (asked_at + lease / 2).min(Instant::now() + FRESH)
}

/// First on a new connection: the group (from the beginning of the stream, or what was enqueued before it would be skipped),
/// and what was delivered to us and never arrived: before a restart, or into a connection that broke.
async fn settle_in(shared: &Shared, connection: &mut MultiplexedConnection) -> RedisResult<Vec<Fetched>> {
    let id: i64 = redis::cmd("CLIENT").arg("ID").query_async(connection).await?;
    shared.reader_id.store(id, Ordering::SeqCst);
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(&shared.keys.stream).arg(GROUP).arg("0").arg("MKSTREAM");
    match create.query_async::<()>(connection).await {
        Err(error) if error.code() != Some("BUSYGROUP") => return Err(error),
        _ => {}
    }
    let mut pending = redis::cmd("XPENDING");
    pending.arg(&shared.keys.stream).arg(GROUP).arg("-").arg("+").arg(1_000).arg(&shared.options.consumer);
    claim(shared, connection, &pending, Duration::ZERO).await
}

/// Takes over the entries that an `XPENDING` lists, except what we hold. Counts as a delivery, by which poison is known.
pub(super) async fn claim(
    shared: &Shared,
    connection: &mut MultiplexedConnection,
    pending: &redis::Cmd,
    idle: Duration,
) -> RedisResult<Vec<Fetched>> {
    let found: Vec<(String, String, u64, u32)> = pending.query_async(connection).await?;
    let mut counts: std::collections::HashMap<String, u32> =
        found.into_iter().filter(|(entry, ..)| !shared.holds(entry)).map(|(entry, .., count)| (entry, count)).collect();
    if counts.is_empty() {
        return Ok(Vec::new());
    }
    let mut take = redis::cmd("XCLAIM");
    take.arg(&shared.keys.stream).arg(GROUP).arg(&shared.options.consumer).arg(crate::touched::millis(idle));
    counts.keys().for_each(|entry| {
        take.arg(entry);
    });
    let taken: Entries = take.query_async(connection).await?;
    let mut taken: Vec<Fetched> = taken
        .into_iter()
        .filter_map(|(entry, fields)| {
            let deliveries = counts.remove(&entry)? + 1;
            Some(Fetched { entry, deliveries, fields, trusted_until: None })
        })
        .collect();
    taken.sort_by(|one, other| one.entry.cmp(&other.entry));
    Ok(taken)
}
