//! Notices that nobody took webhooks for a while, and has every instance polled at once.
//!
//! Jira tries a webhook again for about an hour, and after half an hour of failures sends new ones only once: what was sent
//! into a gap is lost, and only a poll finds it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::InstanceState;
use queue::{Job, Producer};
use store::Store;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often a gateway says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// Nobody there for longer than this is a gap. Restarts of single gateways and of Redis are shorter.
const GAP: TimeDelta = TimeDelta::seconds(30);

/// Why a gap was not closed yet; the next beat tries again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Queue(#[from] queue::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Failure {
    /// Its stable name in logs.
    fn code(&self) -> &'static str {
        match self {
            Self::Queue(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

/// Says "here" until `shutdown`, and closes gaps.
pub(crate) async fn watch(store: Store, producer: Producer, shutdown: CancellationToken) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = false;
    while shutdown.run_until_cancelled(beats.tick()).await.is_some() {
        open |= match producer.receiver_is_there(Utc::now()).await {
            Ok(before) => is_gap(before, Utc::now()),
            // Redis is away, so no webhook is taken; how long that lasted shows when it is back.
            Err(_) => continue,
        };
        if open {
            match close(&store, &producer).await {
                Ok(polls) => {
                    open = false;
                    tracing::warn!(polls, "no gateway was there for a while: every instance is polled now");
                }
                Err(error) => {
                    tracing::warn!(error.code = error.code(), error = %error, "a gap in receiving webhooks is not closed yet");
                }
            }
        }
    }
}

fn is_gap(before: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    before.is_some_and(|before| now - before > GAP)
}

async fn close(store: &Store, producer: &Producer) -> Result<usize, Failure> {
    let instances = store.system().instances().await?;
    let active = instances.iter().filter(|instance| instance.state == InstanceState::Active);
    let polls: Vec<Job> = active.map(|instance| Job::PollUpdates { instance: instance.id, page: None }).collect();
    Ok(producer.enqueue_all(polls).await?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_silence_is_a_gap() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        assert!(!is_gap(None, now), "the first gateway ever has missed nothing");
        assert!(!is_gap(Some(now - GAP), now));
        assert!(is_gap(Some(now - GAP - TimeDelta::seconds(1)), now));
        assert!(!is_gap(Some(now + TimeDelta::hours(1)), now), "another gateway's clock is ahead");
    }
}
