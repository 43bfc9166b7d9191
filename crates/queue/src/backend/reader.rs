//! Fetches jobs: a blocking read of as many as there is room for, so that a job wakes its worker and an empty queue costs
//! nothing.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use redis::{RedisResult, aio::MultiplexedConnection};
use tokio::sync::mpsc;

use super::{intake::Fetched, line::Line, shared::Shared};
use crate::{delivery, keys::GROUP};

/// How long one read waits for a job.
const BLOCK: Duration = Duration::from_secs(2);

/// Longer than a read may block: the default of half a second would break every idle read, and what Redis delivered
/// meanwhile would be pending with nobody knowing it.
const RESPONSE: Duration = Duration::from_secs(5);

/// For how long the look at operators' orders that came with a delivery holds.
const FRESH: Duration = Duration::from_secs(1);

/// Entries with their fields, as `XREADGROUP` and `XCLAIM` answer.
type Entries = Vec<(String, Vec<Vec<u8>>)>;

/// Deliveries that are decoded at once. More are decoded by a task of their own, while the next ones are fetched.
const FEW: usize = 32;

pub(super) async fn run(shared: Arc<Shared>) {
    let mut line = Line::new(&shared, RESPONSE);
    let (sender, mut fetched) = mpsc::channel(1);
    let ours = Arc::clone(&shared);
    let intake = tokio::spawn(async move {
        while let Some(fetched) = fetched.recv().await {
            ours.take_in(fetched);
        }
    });
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
                if shared.expect(fetched.len()) <= FEW {
                    shared.take_in(fetched);
                } else {
                    // It ends only when we do.
                    let _ = sender.send(fetched).await;
                }
            }
            Err(error) => line.broke(&error).await,
        }
    }
    drop(sender);
    let _ = intake.await;
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
    Ok(claim(shared, connection, &pending, Duration::ZERO, usize::MAX).await?.taken)
}

/// What was taken over.
pub(super) struct Claimed {
    pub(super) taken: Vec<Fetched>,
    /// Whether there was more than could be taken.
    pub(super) is_partial: bool,
}

/// Takes over up to `room` of the entries that an `XPENDING` lists, except what we hold. Counts as a delivery, by which poison
/// is known.
pub(super) async fn claim(
    shared: &Shared,
    connection: &mut MultiplexedConnection,
    pending: &redis::Cmd,
    idle: Duration,
    room: usize,
) -> RedisResult<Claimed> {
    let found: Vec<(String, String, u64, u32)> = pending.query_async(connection).await?;
    let orphans = found.into_iter().map(|(entry, .., count)| (entry, count)).filter(|(entry, _)| !shared.holds(entry));
    let (mut counts, is_partial) = choose(orphans, room, shared.holds_suspect());
    if counts.is_empty() {
        return Ok(Claimed { taken: Vec::new(), is_partial });
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
    Ok(Claimed { taken, is_partial })
}

/// Which orphans are taken, with their deliveries so far, and whether others are left. Suspects are taken one by one: were
/// they together again, the one that takes its worker down would bury the others with it. Which one is chance, or all workers
/// would reach for the same.
fn choose(
    orphans: impl Iterator<Item = (String, u32)>,
    room: usize,
    has_suspect: bool,
) -> (HashMap<String, u32>, bool) {
    let (mut suspects, mut others): (Vec<_>, Vec<_>) = orphans.partition(|(_, count)| delivery::is_suspect(count + 1));
    let all = suspects.len() + others.len();
    others.truncate(room);
    if !has_suspect && !suspects.is_empty() && others.len() < room {
        others.push(suspects.swap_remove(rand::random_range(0..suspects.len())));
    }
    let is_partial = others.len() < all;
    (others.into_iter().collect(), is_partial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_are_taken_one_by_one_and_hold_nobody_up() {
        let orphans =
            || [("a", 2), ("b", 1), ("c", 4), ("d", 1), ("e", 1)].map(|(entry, count)| (entry.to_owned(), count));
        let choose = |room, has_suspect| {
            let (chosen, is_partial) = choose(orphans().into_iter(), room, has_suspect);
            let mut names: Vec<String> = chosen.into_keys().collect();
            names.sort_unstable();
            (names.concat(), is_partial)
        };
        let one_suspect = [("abde".to_owned(), true), ("bcde".to_owned(), true)];
        assert!((0..20).all(|_| one_suspect.contains(&choose(9, false))));
        assert_eq!(choose(9, true), ("bde".to_owned(), true));
        assert_eq!(choose(2, false), ("bd".to_owned(), true));
    }
}
