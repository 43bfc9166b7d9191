//! The queue's connections to Redis: made by `redis-door`, told to the log when they are lost.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redis::RedisError;
use tokio::time::Instant;

pub(crate) use redis_door::{Connector, Managed, is_passing};

use crate::{Config, Error};

/// Reads the queue's address; connects to nothing.
pub(crate) fn connector(config: &Config) -> Result<Connector, Error> {
    Connector::parse(&config.url).map_err(|error| Error::Misconfigured(error.to_string()))
}

/// Tells the log once when Redis goes away, and once when it is back, however many pumps notice.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Option<Instant>>);

impl Outage {
    pub(crate) fn begins(&self, queue: crate::QueueName, error: &RedisError) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none() {
            *since = Some(Instant::now());
            crate::metric::outages(queue, 1);
            tracing::warn!(queue = queue.as_str(), error.code = "queue.unavailable", %error, "Redis is away; what runs goes on, the rest waits");
        }
    }

    pub(crate) fn ends(&self, queue: crate::QueueName) {
        let since = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(since) = since {
            let lasted = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(queue = queue.as_str(), duration_ms = lasted, "Redis is back");
        }
    }
}

/// Waits that double from 20 ms to a second.
#[derive(Debug)]
pub(crate) struct Patience(Duration);

impl Patience {
    pub(crate) const FIRST: Duration = Duration::from_millis(20);
    const LAST: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        self.0 = (self.0 * 2).min(Self::LAST);
    }
}
