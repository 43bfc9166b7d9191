//! What each error means for a job: the only place where that is decided.

use std::time::Duration;

use domain::InstanceId;
use queue::Outcome;

use crate::context::Context;

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
pub(crate) async fn outcome(ctx: &Context, instance: InstanceId, failure: Failure) -> Outcome {
    if let Failure::Jira(jira::Error::NotOurselves { reason }) = &failure {
        return match ctx.suspend(instance, reason).await {
            Ok(()) => Outcome::GiveUp { reason: format!("the instance is suspended: {reason}") },
            Err(error) => retry(&error),
        };
    }
    decide(failure)
}

fn decide(failure: Failure) -> Outcome {
    match failure {
        Failure::Jira(jira::Error::Throttled { after }) => Outcome::Snooze(after.max(Duration::from_millis(50))),
        Failure::Jira(error) if error.is_final() => Outcome::GiveUp { reason: error.to_string() },
        // Somebody else owns this page now and goes on with it.
        Failure::Store(store::Error::Overtaken) => Outcome::Done,
        Failure::Queue(queue::Error::TooLarge { .. }) => Outcome::GiveUp { reason: failure.to_string() },
        failure => retry(&failure),
    }
}

fn retry(failure: &Failure) -> Outcome {
    Outcome::Retry { error: failure.to_string(), after: None }
}
