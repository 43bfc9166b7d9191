//! Fairness among instances: how large a share each has, and lines that must not stand still.
//!
//! The scripts do the work (see their prelude): beyond its share, an instance waits in a line of its own, and each end of a
//! job lets its next one out. Here stands what they cannot do by themselves.

use std::time::Duration;

use redis::{RedisResult, aio::MultiplexedConnection};

use super::shared::Shared;
use crate::{scripts::FEED, touched::millis};

/// Lines looked after in one round, those first that were not for longest.
const LINES: usize = 20;

/// Jobs let out of a line that stood still, in one round.
const LET_OUT: usize = 100;

/// The smallest and the largest share. Small: whoever comes new stands behind one share of each of the others.
const SHARE: std::ops::RangeInclusive<u64> = 64..=10_000;

/// After how long without a word a worker does not count any more, and for how long a share holds.
const FRESH: Duration = Duration::from_secs(90);

/// Lets jobs out of lines that stand still though nobody has much to do: their counts must be wrong.
pub(super) async fn feed(shared: &Shared, connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let keys = &shared.keys;
    let mut some = redis::cmd("ZRANGE");
    let instances: Vec<String> = some.arg(&keys.lines).arg(0).arg(LINES - 1).query_async(connection).await?;
    for instance in instances.iter().filter_map(|instance| instance.parse().ok()) {
        let mut script = FEED.key(&keys.stream);
        script.key(&keys.delayed).key(&keys.parked).key(&keys.paused);
        script.key(&keys.lines).key(&keys.shares).key(&keys.share).key(keys.line(instance));
        script.arg(instance.to_string()).arg(LET_OUT).invoke_async::<u64>(connection).await?;
    }
    Ok(())
}

/// Says how much this worker holds at once.
pub(super) async fn tell(shared: &Shared, connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let options = &shared.options;
    let mut tell = redis::cmd("HSET");
    tell.arg(&shared.keys.slots).arg(&options.consumer);
    tell.arg(format!("{} {}", options.slots + options.prefetch, chrono::Utc::now().timestamp()));
    tell.query_async(connection).await
}

/// Sets the share to twice what all workers hold, so that one busy instance still fills every slot. By one worker for all.
pub(super) async fn set(shared: &Shared, connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let keys = &shared.keys;
    let told: Vec<(String, String)> = redis::cmd("HGETALL").arg(&keys.slots).query_async(connection).await?;
    let (fresh, gone) = counted(&told, chrono::Utc::now().timestamp());
    let mut pipe = redis::pipe();
    if !gone.is_empty() {
        pipe.cmd("HDEL").arg(&keys.slots).arg(gone).ignore();
    }
    let share = (fresh * 2).clamp(*SHARE.start(), *SHARE.end());
    pipe.cmd("SET").arg(&keys.share).arg(share).arg("PX").arg(millis(FRESH)).ignore();
    pipe.query_async(connection).await
}

/// What the workers that still speak hold together, and the names of the others.
fn counted(told: &[(String, String)], now: i64) -> (u64, Vec<&String>) {
    let (mut held, mut gone) = (0, Vec::new());
    for (name, text) in told {
        let said =
            text.split_once(' ').and_then(|(slots, at)| Some((slots.parse::<u64>().ok()?, at.parse::<i64>().ok()?)));
        match said {
            Some((slots, at)) if now.saturating_sub(at).unsigned_abs() <= FRESH.as_secs() => held += slots,
            _ => gone.push(name),
        }
    }
    (held, gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_workers_that_speak_are_counted() {
        let told = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let told = [told("a", "10 1000"), told("b", "20 970"), told("c", "40 800"), told("d", "?")];
        let (held, gone) = counted(&told, 1_000);
        assert_eq!((held, gone), (30, vec![&"c".to_owned(), &"d".to_owned()]));
    }
}
