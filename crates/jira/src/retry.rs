//! Which answers are asked for again, and when: the only file that names `backoff`.
//!
//! Quick tries only (1, 2, 4 s with jitter, or what Jira asked for up to 5 s); whatever takes longer is the queue's affair.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff};

use crate::Error;

/// The longest wait inside a call. Longer ones become [`Error::Throttled`], so that no worker is held for them.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How often a question is asked again.
pub(crate) const RETRIES: u32 = 3;

/// How long before the first time.
pub(crate) const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Why one attempt gave no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Asking again may help, and is safe.
    Passing {
        /// What it becomes when it does not pass.
        error: Error,
        /// How long Jira asked us to wait, if it did.
        after: Option<Duration>,
    },
    /// It would end the same way.
    Final(Error),
}

impl Failure {
    pub(crate) fn passing(error: Error) -> Self {
        Self::Passing { error, after: None }
    }
}

/// How a question is asked again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tries {
    /// How often at most.
    pub(crate) retries: u32,
    /// Before the first time; doubled each time, four times as long at most.
    pub(crate) first_wait: Duration,
}

/// Asks, and asks again. A write must never come here unless it surely did not happen.
pub(crate) async fn run<T, F, A>(tries: Tries, mut attempt: F) -> Result<T, Error>
where
    F: FnMut() -> A,
    A: Future<Output = Result<T, Failure>>,
{
    let mut waits = waits(tries.first_wait);
    let mut left = tries.retries;
    loop {
        let (error, after) = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing { error, after }) => (error, after),
        };
        let wait = after.map_or_else(|| next(&mut waits), jittered);
        if left == 0 || after.is_some_and(|after| after > LONGEST_WAIT) {
            return Err(error);
        }
        left -= 1;
        metrics::counter!("jirafleet_jira_retries_total").increment(1);
        tracing::debug!(error.code = error.code(), %error, wait_ms = wait.as_millis(), "asking Jira again");
        tokio::time::sleep(wait).await;
    }
}

/// Once, twice and four times as long, each up to a quarter shorter or longer.
fn waits(first: Duration) -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(first)
        .with_multiplier(2.0)
        .with_randomization_factor(0.25)
        .with_max_interval(first * 4)
        .with_max_elapsed_time(None)
        .build()
}

fn next(waits: &mut ExponentialBackoff) -> Duration {
    waits.next_backoff().unwrap_or(LONGEST_WAIT)
}

/// Never sooner than asked, and not everybody at the same instant.
fn jittered(wait: Duration) -> Duration {
    wait + wait.mul_f64(rand::random_range(0.0..0.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Asked, Trouble};

    async fn tries(retries: u32, failure: fn() -> Failure) -> (u32, Result<(), Error>) {
        let mut count = 0;
        let tries = Tries { retries, first_wait: Duration::from_millis(8) };
        let result = run(tries, || {
            count += 1;
            std::future::ready(Err(failure()))
        })
        .await;
        (count, result)
    }

    fn unavailable() -> Error {
        let asked = Box::new(Asked { site: "https://acme.atlassian.net".into(), route: "/field", trace: None });
        Error::Unavailable { asked, status: Some(500), trouble: Trouble::Server, reason: "broken".into() }
    }

    #[tokio::test]
    async fn a_passing_failure_is_asked_four_times() {
        let begun = std::time::Instant::now();
        let (count, result) = tries(RETRIES, || Failure::passing(unavailable())).await;
        assert_eq!(count, 4);
        assert!(matches!(result, Err(Error::Unavailable { .. })));
        let waited = begun.elapsed();
        // At least three quarters of 8, 16 and 32 ms.
        assert!(waited >= Duration::from_millis(42), "{waited:?}");
    }

    #[tokio::test]
    async fn a_final_failure_is_asked_once() {
        let (count, _) = tries(RETRIES, || Failure::Final(Error::TokenExpired)).await;
        assert_eq!(count, 1);
    }

    #[tokio::test]
    async fn long_waits_are_left_to_the_queue() {
        let long = || Failure::Passing {
            error: Error::Throttled { after: Duration::from_secs(6) },
            after: Some(Duration::from_secs(6)),
        };
        let (count, result) = tries(RETRIES, long).await;
        assert_eq!(count, 1);
        assert!(matches!(result, Err(Error::Throttled { after }) if after.as_secs() == 6));
    }

    #[test]
    fn waits_double() {
        let mut waits = waits(FIRST_WAIT);
        for expected in [1.0_f64, 2.0, 4.0] {
            let wait = next(&mut waits).as_secs_f64();
            assert!((expected * 0.75..=expected * 1.25).contains(&wait), "{wait}");
        }
    }
}
