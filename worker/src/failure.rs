//! What each error means for a job: the only place where that is decided.

use std::{sync::Arc, time::Duration};

use queue::{Buried, Envelope, Job, Outcome};
use tokio::sync::mpsc;
use tracing::Span;

use crate::context::{Context, Suspension};

/// In the span of an attempt: why it failed, for all lines of its log.
pub(crate) const CODE: &str = "error.code";

/// Whatever stopped a handler.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Jira(#[from] jira::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Queue(#[from] queue::Error),
    /// One issue that Jira cannot be made to answer for.
    #[error("issue {issue}: {reason}")]
    Issue { issue: domain::IssueId, reason: String },
}

/// Turns a failure into what happens to the job, and suspends an instance at which we are no longer ourselves: no
/// hammering, no conclusions.
pub(crate) async fn outcome(ctx: &Context, envelope: &Envelope, failure: Failure) -> Outcome {
    Span::current().record(CODE, failure.code());
    if let Failure::Jira(jira::Error::NotOurselves { reason }) = &failure {
        return match ctx.suspend(envelope.job.instance(), reason).await {
            Ok(Suspension::Done) => Outcome::GiveUp { reason: format!("the instance is suspended: {reason}") },
            Ok(Suspension::NotNeeded) => Outcome::Snooze(patience(envelope.snoozes)),
            Err(error) => decide(error, envelope.snoozes),
        };
    }
    decide(failure, envelope.snoozes)
}

/// Writes down what the dead jobs leave undone, until nobody sends any more.
pub(crate) async fn remember_all(ctx: Arc<Context>, mut buried: mpsc::Receiver<Buried>) {
    while let Some(Buried { envelope, reason }) = buried.recv().await {
        let reason = match &envelope.last_error {
            Some(error) if *error != reason => format!("{reason}: {error}"),
            _ => reason,
        };
        remember(&ctx, &envelope, &reason).await;
    }
}

/// What an operator must be able to see later: that nobody goes on with a project's backfill, and why. Without it the next
/// poll would ask for it again.
async fn remember(ctx: &Context, envelope: &Envelope, reason: &str) {
    let Job::BackfillProject { instance, project, run, .. } = envelope.job else { return };
    let written = match ctx.store.system().instance(instance).await {
        Ok(Some(row)) => ctx.store.tenant(row.tenant).backfill_failed(instance, project, run, reason).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::warn!(error.code = error.code(), %error, "the end of a backfill could not be written down; its dead letter tells it");
    }
}

fn decide(failure: Failure, snoozes: u32) -> Outcome {
    match failure {
        Failure::Jira(jira::Error::Throttled { after }) => Outcome::Snooze(after.max(Duration::from_millis(50))),
        failure if failure.is_outage() => {
            tracing::warn!(error.code = failure.code(), error = %failure, "put off until it is back");
            Outcome::Snooze(patience(snoozes))
        }
        Failure::Jira(error) if error.is_final() => Outcome::GiveUp { reason: error.to_string() },
        // Somebody else owns this page now and goes on with it.
        Failure::Store(store::Error::Overtaken) => Outcome::Done,
        Failure::Queue(queue::Error::TooLarge { .. }) => Outcome::GiveUp { reason: failure.to_string() },
        failure => Outcome::Retry { error: failure.to_string(), after: None },
    }
}

impl Failure {
    /// Its stable name in logs.
    fn code(&self) -> &'static str {
        match self {
            Self::Jira(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Queue(error) => error.code(),
            Self::Issue { .. } => "worker.issue",
        }
    }

    /// Something that everybody needs is away, or not set up: no fault of this job's, which waits without counting an
    /// attempt.
    fn is_outage(&self) -> bool {
        match self {
            Self::Jira(error) => error.is_outage(),
            Self::Store(error) => matches!(error, store::Error::Unavailable(_) | store::Error::Configuration(_)),
            Self::Queue(error) => error.is_passing(),
            Self::Issue { .. } => false,
        }
    }
}

/// How long to wait for the end of an outage: from a second, doubled each time, up to a minute, half of it by chance.
fn patience(snoozes: u32) -> Duration {
    let longest = Duration::from_secs(60).min(Duration::from_secs(2) * 2_u32.pow(snoozes.min(6)));
    longest.mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(status: Option<u16>) -> Failure {
        let asked = jira::Asked { site: "https://acme.atlassian.net".to_owned(), route: "/x", trace: None };
        let (asked, trouble) = (Box::new(asked), jira::Trouble::Server);
        jira::Error::Unavailable { asked, status, trouble, reason: "away".to_owned() }.into()
    }

    #[test]
    fn an_outage_costs_no_attempt_and_a_stumble_does() {
        for status in [None, Some(502), Some(503), Some(504)] {
            assert!(matches!(decide(away(status), 0), Outcome::Snooze(_)), "{status:?}");
        }
        assert!(matches!(decide(away(Some(500)), 0), Outcome::Retry { .. }));
        let lost = Failure::Store(store::Error::Unavailable("connection".to_owned()));
        assert!(matches!(decide(lost, 0), Outcome::Snooze(_)));
    }

    #[test]
    fn patience_grows_to_a_minute() {
        assert!(patience(0) <= Duration::from_secs(2));
        assert!(patience(99) <= Duration::from_secs(60) && patience(99) >= Duration::from_secs(30));
    }

    #[test]
    fn whoever_was_overtaken_is_done() {
        assert_eq!(decide(Failure::Store(store::Error::Overtaken), 0), Outcome::Done);
    }
}
