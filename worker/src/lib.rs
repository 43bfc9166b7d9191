//! The process that does: one apalis worker per queue, under one Monitor.
//!
//! Stateless: everything it knows is in Redis and PostgreSQL, so pods come and go.
// Handlers are nested deeply: from the job over Jira's client and the store down to the driver.
#![recursion_limit = "256"]

mod attempt;
mod context;
mod dispatch;
pub mod drift;
mod failure;
mod hearing;
mod jobs;
mod precedence;
mod wake;
pub mod webhooks;

use std::{sync::Arc, time::Duration};

use apalis::prelude::{Monitor, WorkerBuilder, WorkerBuilderExt};
use jira::Clients;
use queue::{BackendOptions, Producer, QueueName, StreamBackend};
use store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use context::Context;
pub use context::{Applications, Applied};
pub use wake::{chain, left_lying};
pub use way_in::credentials;

/// What a worker is made of.
pub struct Worker {
    /// The mirror.
    pub store: Store,
    /// The way to ask for more work.
    pub producer: Producer,
    /// Where the queues are.
    pub queues: queue::Config,
    /// The way to Jira.
    pub clients: Clients,
    /// How it works.
    pub options: Options,
}

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The queues it serves, each with the jobs it runs at once.
    pub slots: Vec<(QueueName, usize)>,
    /// Its name among the consumers; unique in the fleet.
    pub name: String,
    /// After how long without a sign of life another worker takes over its jobs.
    pub lease: Duration,
    /// How long running jobs may take to end once it was told to stop.
    pub grace: Duration,
    /// Told of every issue that was brought up to date because it was touched.
    pub applications: Option<Applications>,
    /// When writes are settled whose end nobody told.
    pub settling: Settling,
}

/// When a write is settled whose end nobody told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settling {
    /// By then whoever announced a write has given it up: no question of it is on its way to Jira any more.
    pub given_up: Duration,
    /// By then Jira's search knows an issue that was made.
    pub indexed: Duration,
}

impl Default for Settling {
    fn default() -> Self {
        Self { given_up: Duration::from_secs(600), indexed: Duration::from_secs(600) }
    }
}

/// Why a worker did not start, or ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its options cannot work.
    #[error(transparent)]
    Options(#[from] queue::Error),
    /// apalis' Monitor gave up.
    #[error("the worker ended: {0}")]
    Ended(String),
}

/// Dead jobs that wait until it is written down what they leave undone. One that finds no room is asked for by the next poll
/// and dies once more.
const LETTERS: usize = 1_000;
/// How long what died last may take to be written down.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Works until `shutdown`, then lets running jobs end for as long as `grace` and hands the rest back.
pub async fn run(worker: Worker, shutdown: CancellationToken) -> Result<(), Error> {
    let Worker { store, producer, queues, clients, options } = worker;
    let context = Arc::new(Context::new(store, producer, clients, &options));
    let (buried, letters) = mpsc::channel(LETTERS);
    for &(queue, slots) in &options.slots {
        StreamBackend::new(&queues, backend_options(&options, queue, slots))?;
    }
    let books = tokio::spawn(failure::remember_all(context.clone(), letters));
    let monitor = options.slots.iter().fold(Monitor::new(), |monitor, &(queue, slots)| {
        let (queues, context, options, buried) = (queues.clone(), context.clone(), options.clone(), buried.clone());
        monitor.register(move |_restart| {
            let with = BackendOptions { buried: Some(buried.clone()), ..backend_options(&options, queue, slots) };
            let backend =
                StreamBackend::new(&queues, with).expect("the same options were taken when the worker started");
            WorkerBuilder::new(format!("{}-{}", options.name, queue.as_str()))
                .backend(backend)
                .data(context.clone())
                .catch_panic()
                .build(attempt::attempt)
        })
    });
    jobs::show_rare_figures();
    tracing::info!(worker.name = %options.name, queues = ?options.slots, "the worker takes jobs");
    drop(buried);
    let ended = monitor
        .should_restart(|worker, error| {
            tracing::error!(worker.name = %worker.name(), error.code = "worker.ended", %error, "a queue's worker ended and is started again");
            true
        })
        .shutdown_timeout(options.grace)
        .run_with_signal(async move {
            shutdown.cancelled().await;
            Ok(())
        })
        .await;
    // Ends when the last backend has.
    let _ = tokio::time::timeout(LAST_WORDS, books).await;
    ended.map_err(|error| Error::Ended(error.to_string()))
}

fn backend_options(options: &Options, queue: QueueName, slots: usize) -> BackendOptions {
    BackendOptions { lease: options.lease, ..BackendOptions::new(queue, options.name.clone(), slots) }
}
