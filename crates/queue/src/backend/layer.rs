//! The layer around every job function: takes its outcome, frees its slot, and reports exactly once, also when the run is
//! dropped half-way.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use apalis_core::{error::BoxDynError, task::Task};
use chrono::Utc;
use futures::future::BoxFuture;
use tower::{Layer, Service};

use super::shared::Shared;
use crate::{
    Envelope, Outcome,
    delivery::{Finish, Held, Verb},
    metric,
    settle::{Settlement, settle},
    unique::UniqueKey,
};

/// What became of a run, as the worker's events tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing is left to do.
    Done,
    /// The next page took its place.
    Next,
    /// It waits for its time.
    Snoozed,
    /// It failed and is tried again.
    Retried,
    /// It is among the dead letters.
    Dead,
    /// Somebody called it off.
    Cancelled,
}

impl Settled {
    fn outcome(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Next => "next",
            Self::Snoozed => "snooze",
            Self::Retried => "retry",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Puts [`AckService`] around the job function.
#[derive(Clone, Copy, Debug)]
pub struct AckLayer;

impl<S> Layer<S> for AckLayer {
    type Service = AckService<S>;

    fn layer(&self, inner: S) -> AckService<S> {
        AckService(inner)
    }
}

/// Turns outcomes into settlements. An error of the inner service (a panic caught, a time limit) is a failed run.
#[derive(Clone, Debug)]
pub struct AckService<S>(S);

impl<S> Service<Task<Envelope>> for AckService<S>
where
    S: Service<Task<Envelope>, Response = Outcome>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = Settled;
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<Settled, BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Envelope>) -> Self::Future {
        let run = task.data().get::<Token>().and_then(Token::take);
        let future = self.0.call(task);
        Box::pin(async move {
            // The whole guard moves in here: it must live exactly as long as the run.
            let Some(run) = run else { return Err("the task did not come from this backend".into()) };
            let outcome = {
                tokio::pin!(future);
                tokio::select! {
                    biased;
                    outcome = &mut future => outcome,
                    () = run.held.called_off.notified() => return Ok(run.cancel()),
                }
            };
            Ok(run.settle(match outcome {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Retry { error: error.into().to_string(), after: None },
            }))
        })
    }
}

/// The right to run one job, handed over within its task. Whoever drops it unused gives the job back.
#[derive(Clone)]
pub(super) struct Token(Arc<Mutex<Option<Run>>>);

impl Token {
    pub(super) fn new(run: Run) -> Self {
        Self(Arc::new(Mutex::new(Some(run))))
    }

    fn take(&self) -> Option<Run> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// One run: a taken slot.
pub(super) struct Run {
    shared: Arc<Shared>,
    held: Arc<Held>,
    began: Instant,
    is_settled: bool,
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>, held: Arc<Held>) -> Self {
        Self { shared, held, began: Instant::now(), is_settled: false }
    }

    fn settle(mut self, outcome: Outcome) -> Settled {
        self.is_settled = true;
        let settlement = settle(&self.held.envelope, outcome, &self.shared.options.backoff, Utc::now());
        let (settled, verb) = self.verb(settlement);
        self.shared.meters.settled(self.shared.options.queue, self.held.envelope.job.kind(), settled.outcome());
        let finish = Finish::of(&self.held, verb);
        // What ended goes into the history; what is put off has not.
        let has_ended = !matches!(settled, Settled::Snoozed | Settled::Retried);
        let finish = if has_ended { finish.recorded(settled.outcome(), self.began.elapsed()) } else { finish };
        self.shared.finish(finish);
        settled
    }

    fn cancel(mut self) -> Settled {
        self.is_settled = true;
        let held = &self.held;
        tracing::info!(job.id = %held.envelope.id, job.kind = held.envelope.job.kind(), "a run was called off");
        let outcome = Settled::Cancelled.outcome();
        metric::settled(self.shared.options.queue, held.envelope.job.kind(), outcome);
        self.shared.finish(Finish::of(held, Verb::Cancel).recorded(outcome, self.began.elapsed()));
        Settled::Cancelled
    }

    fn verb(&self, settlement: Settlement) -> (Settled, Verb) {
        match settlement {
            Settlement::Done => (Settled::Done, Verb::Done),
            Settlement::Next(envelope) => match envelope.encode() {
                Ok(body) => {
                    (Settled::Next, Verb::Next { body, unique: UniqueKey::of(&envelope, &self.shared.keys).into() })
                }
                Err(error) => self.dead(&self.held.envelope, format!("its next page was refused: {error}")),
            },
            Settlement::Snooze(envelope, delay) => (Settled::Snoozed, Verb::Later { body: envelope.bytes(), delay }),
            Settlement::Retry(envelope, delay) => (Settled::Retried, Verb::Later { body: envelope.bytes(), delay }),
            Settlement::Dead(envelope, reason) => self.dead(&envelope, reason),
        }
    }

    fn dead(&self, envelope: &Envelope, reason: String) -> (Settled, Verb) {
        let kind = envelope.job.kind();
        tracing::error!(error.code = "queue.dead_letter", job.id = %envelope.id, job.kind = kind, reason, "a job went to the dead letters");
        self.shared.buries(envelope, &reason);
        let verb = Verb::Dead { body: envelope.bytes(), reason, deliveries: self.held.deliveries };
        (Settled::Dead, verb)
    }
}

/// Frees the slot. A run that was cut off goes back at once and costs no attempt; one that was cut off by a panic counts
/// as a delivery, or a job that takes its worker down would never be known as poison.
impl Drop for Run {
    fn drop(&mut self) {
        if !self.is_settled {
            let spared = u32::from(!std::thread::panicking());
            metric::settled(self.shared.options.queue, self.held.envelope.job.kind(), "given_back");
            let verb = Verb::Back { deliveries: self.held.deliveries.saturating_sub(spared) };
            self.shared.finish(Finish::of(&self.held, verb));
        }
        self.shared.leave_slot();
    }
}
