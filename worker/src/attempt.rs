//! One attempt at one job: span, time limit, dispatch, and what comes of it.
//!
//! The backend's layer settles the outcome, and turns a panic that was caught below it into a retry.

use std::{sync::Arc, time::Instant};

use apalis::prelude::{BoxDynError, Data};
use queue::{Envelope, Outcome};
use tracing::Instrument;

use crate::{context::Context, dispatch, failure};

/// Runs one job. Never fails: every failure is an outcome.
pub(crate) async fn attempt(envelope: Envelope, context: Data<Arc<Context>>) -> Result<Outcome, BoxDynError> {
    let span = tracing::info_span!(
        "attempt",
        job.kind = envelope.job.kind(),
        job.id = %envelope.id,
        job.attempt = envelope.attempt,
        instance.id = %envelope.job.instance(),
    );
    Ok(settled(&context, &envelope).instrument(span).await)
}

async fn settled(context: &Context, envelope: &Envelope) -> Outcome {
    let (kind, began) = (envelope.job.kind(), Instant::now());
    let limit = envelope.job.policy().limit;
    let outcome = match tokio::time::timeout(limit, dispatch::run(context, envelope)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(failure)) => failure::outcome(context, envelope, failure).await,
        Err(_) => Outcome::Retry { error: format!("took longer than {} s", limit.as_secs()), after: None },
    };
    failure::remember(context, envelope, &outcome).await;
    metrics::histogram!("jirafleet_job_duration_seconds", "kind" => kind).record(began.elapsed().as_secs_f64());
    match &outcome {
        Outcome::Retry { error, .. } => tracing::warn!(error, "the attempt failed"),
        // The queue logs what it buries.
        _ => tracing::debug!(duration_ms = began.elapsed().as_millis(), "the attempt ended"),
    }
    outcome
}
