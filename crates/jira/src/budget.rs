//! How many questions an instance takes from the whole fleet: a bucket in Redis, smoothed inside each pod by `governor`.
//!
//! The bucket holds one minute's worth and refills evenly. Its last part is reserved: a backfill stops at 30 %, upkeep at
//! 20 %, the poll at 10 %, and only live work may use all of it. A pause that Jira asked for lies in the same key, so one
//! pod's 429 stops all.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::InstanceId;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use redis::{Script, aio::ConnectionManager, aio::ConnectionManagerConfig};

use crate::{Error, retry::LONGEST_WAIT};

/// How urgent a question is: who may take the last of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody is waiting: may use everything.
    Live,
    /// The poll: leaves a tenth.
    Poll,
    /// Housekeeping: leaves a fifth.
    Upkeep,
    /// Backfills: leave three tenths.
    Bulk,
}

impl Priority {
    /// What must stay in a bucket of this capacity. Less than all of it, or nothing would ever be asked.
    fn reserve(self, capacity: u32) -> u32 {
        let percent = match self {
            Self::Live => 0,
            Self::Poll => 10,
            Self::Upkeep => 20,
            Self::Bulk => 30,
        };
        u32::try_from(u64::from(capacity) * percent / 100).unwrap_or(0)
    }
}

/// The budgets of all instances; cheap to clone.
#[derive(Clone)]
pub struct Budgets(Door);

#[derive(Clone)]
enum Door {
    Shared {
        redis: ConnectionManager,
        prefix: Arc<str>,
        take: Arc<Script>,
        pause: Arc<Script>,
    },
    /// For tests of what stands on top of the budget.
    #[cfg(test)]
    Open(Arc<std::sync::Mutex<Vec<Duration>>>),
}

impl Budgets {
    /// Connects to the fleet's Redis. Keys are `<prefix>:budget:<instance>`.
    pub async fn connect(url: &str, prefix: &str) -> Result<Self, Error> {
        let client = redis::Client::open(url).map_err(unreachable)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(Duration::from_secs(2)))
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_number_of_retries(3);
        let redis = ConnectionManager::new_with_config(client, config).await.map_err(unreachable)?;
        Ok(Self(Door::Shared {
            redis,
            prefix: prefix.into(),
            take: Arc::new(Script::new(TAKE)),
            pause: Arc::new(Script::new(PAUSE)),
        }))
    }

    /// Takes one question out of an instance's bucket, which holds and regains this many a minute, if there is one for work
    /// of this urgency.
    pub async fn draw(&self, instance: InstanceId, per_minute: u32, priority: Priority) -> Result<Drawn, Error> {
        let per_minute = per_minute.max(1);
        match &self.0 {
            Door::Shared { redis, prefix, take, .. } => {
                let mut redis = redis.clone();
                let (taken, wait, left): (u8, u64, f64) = take
                    .key(key(prefix, instance))
                    .arg(per_minute)
                    .arg(priority.reserve(per_minute))
                    .invoke_async(&mut redis)
                    .await
                    .map_err(unreachable)?;
                Ok(Drawn { taken: taken == 1, wait: Duration::from_millis(wait), left })
            }
            #[cfg(test)]
            Door::Open(_) => Ok(Drawn { taken: true, wait: Duration::ZERO, left: f64::from(per_minute) }),
        }
    }

    /// Stops all questions to an instance, whoever asks, for at least this long and a day at most.
    pub async fn pause(&self, instance: InstanceId, wait: Duration) -> Result<(), Error> {
        match &self.0 {
            Door::Shared { redis, prefix, pause, .. } => {
                let mut redis = redis.clone();
                let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).min(24 * 3_600_000);
                let mut question = pause.key(key(prefix, instance));
                question.arg(milliseconds).invoke_async::<()>(&mut redis).await.map_err(unreachable)
            }
            #[cfg(test)]
            Door::Open(pauses) => {
                pauses.lock().expect("no test panics while it holds this").push(wait);
                Ok(())
            }
        }
    }

    /// A budget without end, and the pauses that were asked for.
    #[cfg(test)]
    pub(crate) fn open() -> (Self, Arc<std::sync::Mutex<Vec<Duration>>>) {
        let pauses = Arc::default();
        (Self(Door::Open(Arc::clone(&pauses))), pauses)
    }
}

impl std::fmt::Debug for Budgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Budgets")
    }
}

/// One instance's share of [`Budgets`].
pub(crate) struct Budget {
    budgets: Budgets,
    instance: InstanceId,
    per_minute: u32,
    smoothing: DefaultDirectRateLimiter,
}

/// What the bucket said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Whether the question may be asked.
    pub taken: bool,
    /// If not: how long until it is worth coming again.
    pub wait: Duration,
    /// How many questions are left, reserved ones included.
    pub left: f64,
}

impl Budget {
    pub(crate) fn new(budgets: Budgets, instance: InstanceId, per_minute: u32) -> Self {
        let per_minute = per_minute.max(1);
        // A tenth of a minute's questions per second: bursts stay short, and nobody waits long for one.
        let per_second = NonZeroU32::new(per_minute / 10).unwrap_or(NonZeroU32::MIN);
        let smoothing = RateLimiter::direct(Quota::per_second(per_second));
        Self { budgets, instance, per_minute, smoothing }
    }

    /// Returns when one question may be asked. Waits a few seconds at most: whoever must wait longer is told how long.
    pub(crate) async fn admit(&self, priority: Priority) -> Result<(), Error> {
        let mut patience = LONGEST_WAIT;
        loop {
            let drawn = self.budgets.draw(self.instance, self.per_minute, priority).await?;
            metrics::gauge!("jirafleet_jira_budget_tokens").set(drawn.left);
            if drawn.taken {
                self.smoothing.until_ready().await;
                return Ok(());
            }
            if drawn.wait > patience {
                return Err(Error::Throttled { after: spread(drawn.wait) });
            }
            let wait = spread(drawn.wait).min(LONGEST_WAIT);
            patience = patience.saturating_sub(wait);
            throttled(wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// Stops the whole fleet's questions to this instance for a while.
    pub(crate) async fn pause(&self, wait: Duration) -> Result<(), Error> {
        self.budgets.pause(self.instance, wait).await
    }
}

/// Counts time that was lost to throttling. Counters count whole things, so milliseconds are saved up to seconds.
pub(crate) fn throttled(wait: Duration) {
    static SAVED: AtomicU64 = AtomicU64::new(0);
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let before =
        SAVED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| Some(saved.saturating_add(wait) % 1000));
    // The update is never refused, so both arms hold what was saved before.
    let (Ok(saved) | Err(saved)) = before;
    metrics::counter!("jirafleet_jira_throttled_seconds_total").increment(saved.saturating_add(wait) / 1000);
}

/// Everybody who waits for the same refill is told a slightly different time.
fn spread(wait: Duration) -> Duration {
    wait + wait.mul_f64(rand::random_range(0.0..0.25))
}

fn key(prefix: &str, instance: InstanceId) -> String {
    format!("{prefix}:budget:{instance}")
}

#[expect(clippy::needless_pass_by_value, reason = "a map_err target")]
fn unreachable(error: redis::RedisError) -> Error {
    // The category only: a Redis error's own text may quote the address, which may hold a password.
    Error::Unavailable { route: "budget", status: None, reason: format!("Redis is away ({:?})", error.kind()) }
}

/// KEYS[1] the bucket; ARGV[1] capacity, which is also the refill per minute; ARGV[2] what must stay.
/// Answers whether a token was taken, how many ms to wait if not, and what is left as text. Constant time; Redis's clock.
const TAKE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local capacity, reserve = tonumber(ARGV[1]), tonumber(ARGV[2])
local per_ms = capacity / 60000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'paused_until')
local tokens = tonumber(bucket[1]) or capacity
local at = tonumber(bucket[2]) or now
local paused_until = tonumber(bucket[3]) or 0
tokens = math.min(capacity, tokens + math.max(0, now - at) * per_ms)
local taken, wait = 0, 0
if paused_until > now then
  wait = paused_until - now
elseif tokens >= reserve + 1 then
  tokens, taken = tokens - 1, 1
else
  wait = math.ceil((reserve + 1 - tokens) / per_ms)
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', math.max(at, now))
redis.call('PEXPIRE', KEYS[1], math.max(120000, paused_until - now + 120000))
return {taken, wait, string.format('%.3f', tokens)}
";

/// KEYS[1] the bucket; ARGV[1] how many ms. A pause is only ever made longer.
const PAUSE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = tonumber(redis.call('HGET', KEYS[1], 'paused_until')) or 0
local paused_until = math.max(before, now + tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'paused_until', paused_until)
redis.call('PEXPIRE', KEYS[1], paused_until - now + 120000)
return redis.status_reply('OK')
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_is_reserved_for_the_more_urgent() {
        let order = [Priority::Live, Priority::Poll, Priority::Upkeep, Priority::Bulk];
        assert_eq!(order.map(|priority| priority.reserve(100)), [0, 10, 20, 30]);
        for capacity in 1..200 {
            assert!(order.iter().all(|priority| priority.reserve(capacity) < capacity));
        }
    }

    #[test]
    fn a_wait_is_spread_but_never_shortened() {
        let wait = Duration::from_secs(4);
        for _ in 0..100 {
            assert!((wait..=Duration::from_secs(5)).contains(&spread(wait)));
        }
    }
}
