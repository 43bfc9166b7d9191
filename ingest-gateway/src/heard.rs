//! Tells, now and then, that an instance's webhooks arrive.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::Utc;
use domain::InstanceId;
use queue::Producer;

/// How precisely it is known when an instance was last heard of.
const EVERY: Duration = Duration::from_secs(1);

/// Which instances were heard of, and when that was last told. Only proven senders get here, so it stays small.
#[derive(Default)]
pub(crate) struct Heard(Mutex<HashMap<InstanceId, Instant>>);

impl Heard {
    /// Notes a webhook of this instance, beside its way and not on it: a note that is lost costs a poll.
    pub(crate) fn note(&self, producer: &Producer, instance: InstanceId) {
        if self.is_due(instance, Instant::now()) {
            let producer = producer.clone();
            tokio::spawn(async move {
                if let Err(error) = producer.hear(instance, Utc::now()).await {
                    tracing::debug!(instance.id = %instance, error.code = error.code(), error = %error, "it was not noted that a webhook came");
                }
            });
        }
    }

    fn is_due(&self, instance: InstanceId, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get(&instance) {
            Some(at) if now.saturating_duration_since(*at) < EVERY => false,
            _ => {
                told.insert(instance, now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_a_second() {
        let (heard, now) = (Heard::default(), Instant::now());
        let (one, other) = (InstanceId::generate(), InstanceId::generate());
        assert!(heard.is_due(one, now));
        assert!(!heard.is_due(one, now + EVERY / 2));
        assert!(heard.is_due(other, now));
        assert!(heard.is_due(one, now + EVERY));
    }
}
