//! How many questions an instance takes from the whole fleet: buckets in Redis, smoothed inside each pod by `governor`.
//!
//! An instance has one bucket for everything and one for each endpoint, since Jira limits both. The first refills evenly and
//! holds a fiftieth of a minute, so that no two minutes see more than one part in a hundred above the rate. Whoever rested
//! for half a minute (a fresh instance did) may take half a minute's worth at once, and repays it over the minute that
//! follows: the burst is part of that minute's budget and not on top of it. Pauses and slower paces that Jira asked for lie
//! in the same keys, so one pod's 429 stops all.

mod admission;
mod priority;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{InstanceId, Invalid};
use redis::{FromRedisValue, RedisError, Script, ScriptInvocation};
use redis_door::{Connector, Managed};

use crate::{Error, error::Asked, error::Trouble};

pub(crate) use admission::{Budget, throttled};
pub use priority::{Endpoint, Priority, Verb};

/// The buckets' arithmetic, in the only place where the whole fleet meets. Both scripts take the time from Redis, unless a
/// test hands them one.
const TAKE: &str = include_str!("budget/take.lua");
const HOLD: &str = include_str!("budget/hold.lua");

/// The longest pause that is believed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long Redis may take for one answer.
const RESPONSE: Duration = Duration::from_secs(2);

/// The budgets of all instances; cheap to clone.
#[derive(Clone)]
pub struct Budgets(Door);

#[derive(Clone)]
enum Door {
    Shared(Arc<Shared>),
    /// For tests of what stands on top of the budget.
    #[cfg(test)]
    Open(Arc<std::sync::Mutex<Vec<Held>>>),
}

struct Shared {
    redis: Managed,
    prefix: String,
    take: Script,
    hold: Script,
    clock: Option<Arc<AtomicU64>>,
}

/// How an instance's bucket stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Questions that were left after the last one; absent when none was asked for two minutes.
    pub left: Option<f64>,
    /// For how long questions are stopped yet, whoever asks.
    pub paused: Option<Duration>,
}

/// What is stopped or slowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every question to an instance.
    Instance,
    /// Those of one endpoint.
    Endpoint(Endpoint),
}

/// What the buckets said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Whether the question may be asked.
    pub taken: bool,
    /// If not: how long until it is worth coming again.
    pub wait: Duration,
    /// Which share of the instance's bucket is left, from 0 to 1, reserved parts included.
    pub left: f64,
    /// If not taken: what stood in the way.
    pub obstacle: Option<Obstacle>,
}

/// Why a question may not be asked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Jira asked for a pause.
    Pause,
    /// The instance's bucket has nothing for work of this urgency.
    Instance,
    /// The endpoint's bucket has nothing.
    Endpoint,
}

/// A stop or a slower pace that a test finds again.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Held {
    Paused(Reach, Duration),
    Slowed(Reach, f64, Duration),
}

impl Budgets {
    /// Connects to the fleet's Redis, by any address that the queue takes too. Keys are `<prefix>:budget:<instance>` and
    /// `<prefix>:budget:<instance>:<verb> <route>`.
    pub async fn connect(url: &str, prefix: &str) -> Result<Self, Error> {
        let connector =
            Connector::parse(url).map_err(|error| Invalid::new("the budget", format!("has no Redis: {error}")))?;
        let shared = Shared {
            redis: Managed::new(connector, RESPONSE),
            prefix: prefix.to_owned(),
            take: Script::new(TAKE),
            hold: Script::new(HOLD),
            clock: None,
        };
        let mut connection = shared.redis.get().await.map_err(unreachable)?;
        redis::cmd("PING").query_async::<()>(&mut connection).await.map_err(unreachable)?;
        Ok(Self(Door::Shared(Arc::new(shared))))
    }

    /// The same budgets by another clock than Redis's, in milliseconds: hours of traffic can be tested in a moment. Everybody
    /// who uses a key must use the same clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<AtomicU64>) -> Self {
        match self.0 {
            Door::Shared(shared) => Self(Door::Shared(Arc::new(Shared {
                redis: shared.redis.clone(),
                prefix: shared.prefix.clone(),
                take: Script::new(TAKE),
                hold: Script::new(HOLD),
                clock: Some(clock),
            }))),
            #[cfg(test)]
            Door::Open(held) => Self(Door::Open(held)),
        }
    }

    /// Takes one question out of an instance's bucket, which regains this many a minute, and out of the endpoint's, if both
    /// have one for work of this urgency.
    pub async fn draw(
        &self,
        instance: InstanceId,
        per_minute: u32,
        endpoint: Endpoint,
        priority: Priority,
    ) -> Result<Drawn, Error> {
        match &self.0 {
            Door::Shared(shared) => {
                let mut question = shared.take.key(shared.key(instance, Reach::Instance));
                question.key(shared.key(instance, Reach::Endpoint(endpoint)));
                question.arg(per_minute.max(1)).arg(priority.rank()).arg(endpoint.per_second()).arg(shared.now());
                let (taken, wait, left, obstacle): (u8, u64, f64, u8) = shared.ask(&question).await?;
                let obstacle = Obstacle::read(obstacle);
                Ok(Drawn { taken: taken == 1, wait: Duration::from_millis(wait), left, obstacle })
            }
            #[cfg(test)]
            Door::Open(_) => Ok(Drawn { taken: true, wait: Duration::ZERO, left: 1.0, obstacle: None }),
        }
    }

    /// Stops questions to an instance, whoever asks, for at least this long and a day at most.
    pub async fn pause(&self, instance: InstanceId, reach: Reach, wait: Duration) -> Result<(), Error> {
        match &self.0 {
            Door::Shared(shared) => shared.hold(instance, reach, (wait, Duration::ZERO, 1.0)).await,
            #[cfg(test)]
            Door::Open(held) => {
                held.lock().expect("no test panics while it holds this").push(Held::Paused(reach, wait));
                Ok(())
            }
        }
    }

    /// How an instance's bucket stands, without taking anything out of it.
    pub async fn standing(&self, instance: InstanceId) -> Result<Standing, Error> {
        match &self.0 {
            Door::Shared(shared) => shared.standing(instance).await,
            #[cfg(test)]
            Door::Open(_) => Ok(Standing::default()),
        }
    }

    /// Lets buckets refill at a share of their pace (a hundredth at least) for this long and a day at most.
    pub async fn slow(&self, instance: InstanceId, reach: Reach, share: f64, lasts: Duration) -> Result<(), Error> {
        match &self.0 {
            Door::Shared(shared) => shared.hold(instance, reach, (Duration::ZERO, lasts, share)).await,
            #[cfg(test)]
            Door::Open(held) => {
                held.lock().expect("no test panics while it holds this").push(Held::Slowed(reach, share, lasts));
                Ok(())
            }
        }
    }

    /// A budget without end, and the pauses and paces that were asked for.
    #[cfg(test)]
    pub(crate) fn open() -> (Self, Arc<std::sync::Mutex<Vec<Held>>>) {
        let held = Arc::default();
        (Self(Door::Open(Arc::clone(&held))), held)
    }
}

impl Shared {
    fn key(&self, instance: InstanceId, reach: Reach) -> String {
        let prefix = &self.prefix;
        match reach {
            Reach::Instance => format!("{prefix}:budget:{instance}"),
            Reach::Endpoint(endpoint) => {
                format!("{prefix}:budget:{instance}:{} {}", endpoint.verb().name(), endpoint.route())
            }
        }
    }

    /// The time for the scripts; nothing where they are to ask Redis.
    fn now(&self) -> String {
        self.clock.as_ref().map(|clock| clock.load(Ordering::Relaxed).to_string()).unwrap_or_default()
    }

    async fn hold(
        &self,
        instance: InstanceId,
        reach: Reach,
        (pause, slow, share): (Duration, Duration, f64),
    ) -> Result<(), Error> {
        let mut question = self.hold.key(self.key(instance, reach));
        question.arg(milliseconds(pause)).arg(milliseconds(slow)).arg(share.clamp(0.01, 1.0)).arg(self.now());
        self.ask(&question).await
    }

    async fn standing(&self, instance: InstanceId) -> Result<Standing, Error> {
        let mut both = redis::pipe();
        both.cmd("HMGET").arg(self.key(instance, Reach::Instance)).arg("tokens").arg("paused_until").cmd("TIME");
        let mut connection = self.redis.get().await.map_err(unreachable)?;
        let ((left, until), (seconds, micros)): ((Option<f64>, Option<u64>), (u64, u64)) =
            both.query_async(&mut connection).await.map_err(unreachable)?;
        let now = seconds * 1_000 + micros / 1_000;
        let wait = until.unwrap_or_default().saturating_sub(now);
        Ok(Standing { left, paused: (wait > 0).then(|| Duration::from_millis(wait)) })
    }

    /// Runs a script, once more where the connection turned out to be an old one.
    async fn ask<T: FromRedisValue>(&self, question: &ScriptInvocation<'_>) -> Result<T, Error> {
        match self.once(question).await {
            Err(error) if self.redis.is_mended(&error) => self.once(question).await.map_err(unreachable),
            answer => answer.map_err(unreachable),
        }
    }

    async fn once<T: FromRedisValue>(&self, question: &ScriptInvocation<'_>) -> Result<T, RedisError> {
        question.invoke_async(&mut self.redis.get().await?).await
    }
}

impl Obstacle {
    pub(crate) const ALL: [Self; 3] = [Self::Pause, Self::Instance, Self::Endpoint];

    fn read(number: u8) -> Option<Self> {
        match number {
            0 => None,
            1 => Some(Self::Pause),
            2 => Some(Self::Instance),
            _ => Some(Self::Endpoint),
        }
    }

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Instance => "instance",
            Self::Endpoint => "endpoint",
        }
    }
}

impl std::fmt::Debug for Budgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Budgets")
    }
}

fn milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.min(LONGEST).as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::needless_pass_by_value, reason = "a map_err target")]
fn unreachable(error: RedisError) -> Error {
    // The category only: a Redis error's own text may quote the address, which may hold a password.
    let asked = Asked { site: "Redis".to_owned(), route: "budget", trace: None };
    let reason = format!("Redis is away ({:?}); questions wait until it is back", error.kind());
    Error::Unavailable { asked: Box::new(asked), status: None, trouble: Trouble::Budget, reason }
}
