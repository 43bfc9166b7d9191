//! How much a key and a tenant may ask, counted in Redis for the whole fleet; and how often an address may show keys that
//! are not good. Redis being away lets everybody in: it protects from haste, not from people.

use std::{
    fmt::Write,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::Script;
use redis_door::{BadUrl, Connector, Managed};

/// How long Redis may take, and for how long it is not asked after it did not answer.
const PATIENCE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_secs(1);

/// Requests a minute.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Of one key, or of one person.
    pub key: u32,
    /// Of one tenant.
    pub tenant: u32,
    /// With keys that are not good, of one address.
    pub attempts: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { key: 6_000, tenant: 30_000, attempts: 60 }
    }
}

/// Something out of which requests are taken.
#[derive(Clone, Debug)]
pub(crate) struct Purse {
    /// What its limit is called.
    pub(crate) policy: &'static str,
    /// Whose.
    pub(crate) of: String,
    /// How many a minute.
    pub(crate) quota: u32,
}

/// What was taken, or why nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Until one may be taken again; none is missing where nothing.
    pub(crate) wait: Option<Duration>,
    /// Each limit with its quota, what is left of it, and in how many seconds it is whole again.
    limits: Vec<(&'static str, u32, u64, u64)>,
}

/// The purses of the fleet.
pub(crate) struct Allowances {
    redis: Managed,
    prefix: String,
    script: Script,
    pub(crate) rates: Rates,
    away: Mutex<Option<Instant>>,
}

impl Allowances {
    pub(crate) fn new(url: &str, prefix: &str, rates: Rates) -> Result<Self, BadUrl> {
        let redis = Managed::new(Connector::parse(url)?, PATIENCE);
        let script = Script::new(include_str!("allowance.lua"));
        Ok(Self { redis, prefix: prefix.to_owned(), script, rates, away: Mutex::default() })
    }

    /// Takes one request out of every purse, or none. `None` where Redis does not answer.
    pub(crate) async fn take(&self, purses: &[Purse]) -> Option<Taken> {
        if self.lock().is_some_and(|since| since.elapsed() < PAUSE) {
            return None;
        }
        match self.ask(purses).await {
            Ok(told) => {
                *self.lock() = None;
                read(purses, &told)
            }
            Err(error) => {
                if self.lock().replace(Instant::now()).is_none() {
                    tracing::warn!(error.code = "api.uncounted", %error, "requests are not counted while Redis does not answer");
                }
                None
            }
        }
    }

    async fn ask(&self, purses: &[Purse]) -> redis::RedisResult<Vec<u64>> {
        let mut asked = self.script.prepare_invoke();
        for purse in purses {
            asked.key(format!("{}:allowance:{}:{}", self.prefix, purse.policy, purse.of));
            asked.arg(purse.quota.max(1)).arg(60_000);
        }
        let mut connection = self.redis.get().await?;
        match asked.invoke_async(&mut connection).await {
            Err(error) if self.redis.is_mended(&error) => asked.invoke_async(&mut self.redis.get().await?).await,
            told => told,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(purses: &[Purse], told: &[u64]) -> Option<Taken> {
    let (wait, rest) = told.split_first()?;
    let limits =
        purses.iter().zip(rest.chunks_exact(2)).map(|(purse, told)| (purse.policy, purse.quota, told[0], told[1]));
    Some(Taken { wait: (*wait > 0).then(|| Duration::from_millis(*wait)), limits: limits.collect() })
}

impl Taken {
    /// As `RateLimit-Policy` says it.
    pub(crate) fn policy(&self) -> String {
        self.told(|text, (name, quota, _, _)| _ = write!(text, "\"{name}\";q={quota};w=60"))
    }

    /// As `RateLimit` says it.
    pub(crate) fn left(&self) -> String {
        self.told(|text, (name, _, left, whole)| _ = write!(text, "\"{name}\";r={left};t={whole}"))
    }

    fn told(&self, say: impl Fn(&mut String, (&str, u32, u64, u64))) -> String {
        let mut text = String::new();
        for limit in &self.limits {
            if !text.is_empty() {
                text.push_str(", ");
            }
            say(&mut text, *limit);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_as_structured_fields() {
        let purse = |policy, quota| Purse { policy, of: "x".to_owned(), quota };
        let taken = read(&[purse("key", 600), purse("tenant", 6000)], &[0, 599, 1, 12, 59]).expect("told");
        assert_eq!(taken.wait, None);
        assert_eq!(taken.policy(), "\"key\";q=600;w=60, \"tenant\";q=6000;w=60");
        assert_eq!(taken.left(), "\"key\";r=599;t=1, \"tenant\";r=12;t=59");
        assert_eq!(read(&[], &[250]).expect("told").wait, Some(Duration::from_millis(250)));
    }
}
