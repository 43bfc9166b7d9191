//! What an outcome means: the step from what a handler said to what becomes of its job. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{Backoff, Envelope, Job};

/// What a handler says when it returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do.
    Done,
    /// This page is done; go on with the next one. It waits in the same queue, whatever its own policy says.
    Next(Job),
    /// Not now; costs no attempt.
    Snooze(Duration),
    /// It failed and may succeed later.
    Retry {
        /// Why, without secrets.
        error: String,
        /// When, if somebody told us (`Retry-After`); otherwise by backoff.
        after: Option<Duration>,
    },
    /// It failed and always will.
    GiveUp {
        /// Why, without secrets.
        reason: String,
    },
}

impl apalis_core::task::into_response::IntoResponse for Outcome {
    type Output = Self;

    fn into_response(self) -> Result<Self, apalis_core::error::BoxDynError> {
        Ok(self)
    }
}

/// How often a job may put itself off before doing so costs an attempt: a loop that nobody notices ends here.
const MAX_SNOOZES: u32 = 1_000;

/// Whoever sleeps that long is in no loop, and is not counted: an instance may be paused, and Jira be away, for days.
const LONG_SNOOZE: Duration = Duration::from_secs(30);

/// The shortest sleep: a job that says "now again" must not spin.
const MIN_SNOOZE: Duration = Duration::from_millis(50);

/// What becomes of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Remove it and give back its unique key.
    Done,
    /// Remove it and let the other one take its place, in one step.
    Next(Box<Envelope>),
    /// Remove it and let it wait for its time.
    Snooze(Box<Envelope>, Duration),
    /// The same, after a failure.
    Retry(Box<Envelope>, Duration),
    /// Keep it for an operator.
    Dead(Box<Envelope>, String),
}

/// Applies an outcome to the job that was run.
pub(crate) fn settle(ran: &Envelope, outcome: Outcome, backoff: &Backoff, now: DateTime<Utc>) -> Settlement {
    match outcome {
        Outcome::Done => Settlement::Done,
        Outcome::Next(job) => Settlement::Next(Box::new(Envelope::new(job, now, ran.trace_parent.clone()))),
        Outcome::Snooze(delay) if delay >= LONG_SNOOZE || ran.snoozes < MAX_SNOOZES => snooze(ran, delay),
        Outcome::Snooze(delay) => retry(ran, "it put itself off too often", Some(delay), backoff),
        Outcome::Retry { error, after } => retry(ran, &error, after, backoff),
        Outcome::GiveUp { reason } => {
            let mut envelope = ran.clone();
            envelope.attempt += 1;
            envelope.remember(&reason);
            Settlement::Dead(Box::new(envelope), reason)
        }
    }
}

fn snooze(ran: &Envelope, delay: Duration) -> Settlement {
    let mut envelope = ran.clone();
    envelope.snoozes += u32::from(delay < LONG_SNOOZE);
    Settlement::Snooze(Box::new(envelope), delay.max(MIN_SNOOZE))
}

fn retry(ran: &Envelope, error: &str, after: Option<Duration>, backoff: &Backoff) -> Settlement {
    let mut envelope = Box::new(ran.clone());
    envelope.attempt += 1;
    envelope.remember(error);
    if envelope.attempt >= ran.job.policy().attempts {
        let reason = format!("failed {} times", envelope.attempt);
        return Settlement::Dead(envelope, reason);
    }
    let delay = after.unwrap_or_else(|| backoff.delay(ran.attempt));
    Settlement::Retry(envelope, delay)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use domain::InstanceId;

    fn envelope() -> Envelope {
        let job = Job::SyncDirectory { instance: InstanceId::generate() };
        Envelope::new(job, Utc::now(), Some("00-a-b-01".to_owned()))
    }

    fn apply(ran: &Envelope, outcome: Outcome) -> Settlement {
        settle(ran, outcome, &Backoff::default(), Utc::now())
    }

    fn failed() -> Outcome {
        Outcome::Retry { error: "no answer".to_owned(), after: None }
    }

    #[test]
    fn the_fourth_failure_is_the_last() {
        let mut ran = envelope();
        for attempt in 1..4 {
            let Settlement::Retry(next, delay) = apply(&ran, failed()) else { panic!("attempt {attempt}") };
            assert!(delay <= Duration::from_secs(1 << (attempt - 1)), "1, 2, 4 seconds at most");
            assert_eq!((next.attempt, next.id), (attempt, ran.id));
            ran = *next;
        }
        let Settlement::Dead(dead, reason) = apply(&ran, failed()) else { panic!("a fifth run") };
        assert_eq!((dead.attempt, reason.as_str()), (4, "failed 4 times"));
        assert_eq!(dead.first_error.as_deref(), Some("no answer"));
    }

    #[test]
    fn what_jira_asked_for_wins_over_backoff() {
        let after = Some(Duration::from_secs(77));
        let outcome = Outcome::Retry { error: "busy".to_owned(), after };
        assert!(matches!(apply(&envelope(), outcome), Settlement::Retry(_, delay) if Some(delay) == after));
    }

    #[test]
    fn a_snooze_costs_no_attempt_until_there_were_too_many() {
        let mut ran = envelope();
        let Settlement::Snooze(next, delay) = apply(&ran, Outcome::Snooze(Duration::ZERO)) else { panic!("no snooze") };
        assert_eq!((next.attempt, next.snoozes, delay), (0, 1, MIN_SNOOZE));
        ran.snoozes = MAX_SNOOZES;
        let outcome = Outcome::Snooze(Duration::from_secs(9));
        assert!(matches!(apply(&ran, outcome), Settlement::Retry(next, _) if next.attempt == 1));
        let outcome = Outcome::Snooze(LONG_SNOOZE);
        assert!(matches!(apply(&ran, outcome), Settlement::Snooze(next, _) if next.snoozes == MAX_SNOOZES));
    }

    #[test]
    fn the_next_page_is_a_job_of_its_own_in_the_same_trace() {
        let ran = Envelope { attempt: 3, ..envelope() };
        let Settlement::Next(next) = apply(&ran, Outcome::Next(ran.job.clone())) else { panic!("no next") };
        assert_ne!(next.id, ran.id);
        assert_eq!((next.attempt, &next.trace_parent, next.first_error), (0, &ran.trace_parent, None));
    }

    #[test]
    fn giving_up_keeps_the_reason() {
        let outcome = Outcome::GiveUp { reason: "gone".to_owned() };
        let Settlement::Dead(dead, reason) = apply(&envelope(), outcome) else { panic!("alive") };
        assert_eq!((reason.as_str(), dead.last_error.unwrap().as_str()), ("gone", "gone"));
    }
}
