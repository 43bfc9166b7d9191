//! One attempt at one job: span, time limit, dispatch, and what comes of it.
//!
//! The backend's layer settles the outcome, and turns a panic that was caught below it into a retry.

use std::{sync::Arc, time::Instant};

use apalis::prelude::{BoxDynError, Data};
use queue::{Envelope, Outcome, QueueName};
use tracing::{Instrument, Span, field::Empty};

use crate::{context::Context, dispatch, failure};

/// Runs one job. Never fails: every failure is an outcome.
pub(crate) async fn attempt(envelope: Envelope, context: Data<Arc<Context>>) -> Result<Outcome, BoxDynError> {
    let queue = envelope.job.policy().queue;
    let span = tracing::info_span!(
        "attempt",
        otel.name = name(queue),
        otel.kind = "consumer",
        otel.status_code = Empty,
        messaging.system = "redis",
        messaging.operation.type = "process",
        messaging.destination.name = queue.as_str(),
        job.kind = envelope.job.kind(),
        job.id = %envelope.id,
        job.attempt = envelope.attempt + 1,
        error.code = Empty,
        tenant.id = Empty,
        instance.id = %envelope.job.instance(),
    );
    trace_context::go_on(&span, envelope.trace_parent.as_deref());
    Ok(settled(&context, &envelope).instrument(span).await)
}

/// As OpenTelemetry names what takes messages.
fn name(queue: QueueName) -> &'static str {
    match queue {
        QueueName::Live => "process live",
        QueueName::Bulk => "process bulk",
        QueueName::Upkeep => "process upkeep",
    }
}

async fn settled(context: &Context, envelope: &Envelope) -> Outcome {
    let (kind, began) = (envelope.job.kind(), Instant::now());
    let limit = envelope.job.policy().limit;
    let outcome = match tokio::time::timeout(limit, dispatch::run(context, envelope)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(failure)) => failure::outcome(context, envelope, failure).await,
        Err(_) => {
            Span::current().record(failure::CODE, "worker.late");
            Outcome::Retry { error: format!("took longer than {} s", limit.as_secs()), after: None }
        }
    };
    metrics::histogram!("jirafleet_job_duration_seconds", "kind" => kind).record(began.elapsed().as_secs_f64());
    if matches!(outcome, Outcome::Retry { .. } | Outcome::GiveUp { .. }) {
        Span::current().record("otel.status_code", "ERROR");
    }
    match &outcome {
        Outcome::Retry { error, .. } => tracing::warn!(error, "the attempt failed"),
        // The queue logs what it buries.
        _ => tracing::debug!(duration_ms = began.elapsed().as_millis(), "the attempt ended"),
    }
    outcome
}
