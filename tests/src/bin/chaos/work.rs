//! One worker process: the real backend in apalis' worker, with a handler that tells the truth what it does.

use std::{io::Read, time::Duration};

use apalis_core::worker::{builder::WorkerBuilder, context::WorkerContext};
use clap::Args;
use queue::{BackendOptions, Backoff, Config, Envelope, Outcome, QueueName, StreamBackend};

use crate::{plan, truth::Truth};

/// What the harness tells its worker.
#[derive(Args)]
pub(crate) struct Work {
    /// The queue's Redis.
    #[arg(long)]
    pub(crate) url: String,
    /// The truth's Redis.
    #[arg(long)]
    pub(crate) truth: String,
    /// The worker's name.
    #[arg(long)]
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) slots: usize,
    #[arg(long)]
    pub(crate) lease_ms: u64,
    #[arg(long)]
    pub(crate) busy_ms: u64,
}

/// Runs until it is killed, or until the harness is gone.
pub(crate) async fn run(work: Work) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let truth = Truth::connect(&work.truth).await;
    let config = Config { url: work.url.clone(), prefix: crate::server::PREFIX.to_owned() };
    let backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_secs(1) };
    let lease = Duration::from_millis(work.lease_ms);
    // The usual bound on deliveries: who is killed is chance here, so nothing may be buried as poison.
    let options = BackendOptions { lease, backoff, ..BackendOptions::new(QueueName::Bulk, &work.name, work.slots) };
    let backend = StreamBackend::new(&config, options).expect("the harness gives good options");
    let busy = work.busy_ms;
    let handler = move |envelope: Envelope| {
        let truth = truth.clone();
        async move { attempt(&truth, &envelope, busy).await }
    };
    let worker = WorkerBuilder::new(WorkerContext::new(&work.name)).backend(backend).build(handler);
    worker.run().await.expect("a worker never ends by itself");
}

async fn attempt(truth: &Truth, envelope: &Envelope, busy: u64) -> Outcome {
    let effect = plan::effect(&envelope.job);
    truth.start(&effect).await;
    tokio::time::sleep(plan::busy(&envelope.job, busy)).await;
    if let Some(outcome) = plan::hesitation(envelope) {
        return outcome;
    }
    truth.apply(&effect, plan::before(&envelope.job).as_deref()).await;
    plan::next(&envelope.job)
}
