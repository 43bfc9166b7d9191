//! An apalis backend on Redis Streams: the worker loop, the layers and the Monitor are apalis', delivery is ours.
//!
//! Four pumps and a watcher per backend, started when the worker starts: the reader fetches, the starter asks whether
//! deliveries may run, the acker brings outcomes, the janitor renews, promotes and rescues, the watcher notices the stop (apalis
//! does not poll a backend between the stop and the end of the last job). Polling never fails: an error would end the worker
//! and drop its running jobs, so the pumps try again for ever.

mod acker;
mod fair;
mod gauges;
mod intake;
mod janitor;
mod layer;
mod line;
mod parking;
mod reader;
mod shared;
mod starter;
mod watcher;

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{Task, builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use tokio::sync::mpsc;

pub use layer::{AckLayer, AckService, Settled};

use crate::{
    Backoff, Config, Envelope, Error, QueueName,
    delivery::{Message, Start},
};
use layer::{Run, Token};
use shared::Shared;

/// How one worker takes jobs.
#[derive(Clone, Debug)]
pub struct BackendOptions {
    /// From where.
    pub queue: QueueName,
    /// The worker's name in Redis: unique among processes, and best the same after a restart (a pod's name), since what a
    /// process of the same name left behind is then taken up at once.
    pub consumer: String,
    /// Jobs at a time. The backend keeps to it: no concurrency layer is needed, and a smaller one would only idle slots.
    pub slots: usize,
    /// Jobs held beside the running ones, so that a slot is never idle for a round trip. They wait for rescue after a crash.
    /// More than slots are for jobs of less than a millisecond: as many as are more are let start ahead of their slots, so that
    /// one question is for many of them; a pause that comes in between no longer holds those up.
    pub prefetch: usize,
    /// After how long without a sign of life a job is somebody else's. Renewed every third of it.
    pub lease: Duration,
    /// Deliveries of one attempt; a job that loses its worker more often is poison and goes to the dead letters.
    pub max_deliveries: u32,
    /// How long failed jobs wait.
    pub backoff: Backoff,
    /// Told of every readable job that goes to the dead letters from here, while there is room: nobody waits for whoever listens.
    pub buried: Option<mpsc::Sender<Buried>>,
}

/// A job that went to the dead letters.
#[derive(Clone, Debug)]
pub struct Buried {
    /// As it was when it died.
    pub envelope: Envelope,
    /// Why, without secrets.
    pub reason: String,
}

impl BackendOptions {
    /// With the defaults for jobs of 50 ms and more: a quarter of the slots is prefetched, leases last 30 s, five deliveries.
    pub fn new(queue: QueueName, consumer: impl Into<String>, slots: usize) -> Self {
        let (lease, max_deliveries, backoff) = (Duration::from_secs(30), 5, Backoff::default());
        let (consumer, prefetch) = (consumer.into(), slots / 4);
        Self { queue, consumer, slots, prefetch, lease, max_deliveries, backoff, buried: None }
    }

    /// Jobs at a time that were let start, or run.
    fn begun(&self) -> usize {
        self.slots.max(self.prefetch)
    }
}

/// The backend of one worker on one queue. Make a new one for every run of a worker.
#[derive(Debug)]
pub struct StreamBackend {
    shared: Arc<Shared>,
    inboxes: Option<(mpsc::UnboundedReceiver<Start>, mpsc::UnboundedReceiver<Message>)>,
}

impl StreamBackend {
    /// Reads the configuration; connects to nothing yet, and waits patiently when Redis is away.
    pub fn new(config: &Config, options: BackendOptions) -> Result<Self, Error> {
        if options.slots == 0 || options.lease < Duration::from_millis(100) || options.consumer.is_empty() {
            let why = "a worker needs a name, at least one slot and a lease of at least 100 ms";
            return Err(Error::Misconfigured(why.to_owned()));
        }
        let ((starts, asked), (outbox, told)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let shared = Arc::new(Shared::new(config, options, starts, outbox)?);
        Ok(Self { shared, inboxes: Some((asked, told)) })
    }

    /// What it was made with.
    pub fn options(&self) -> &BackendOptions {
        &self.shared.options
    }
}

impl Backend for StreamBackend {
    type Task = Task<Envelope>;
    type Error = Error;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Self::Error>>> {
        self.shared.waker.register(cx.waker());
        let Some(held) = self.shared.next() else { return Poll::Pending };
        let envelope = held.envelope.clone();
        self.shared.meters.waited(self.shared.options.queue, envelope.job.kind(), held.waited());
        let task = TaskBuilder::new(envelope)
            .task_id(TaskId::from_string(held.envelope.id.to_string()))
            .attempt(held.envelope.attempt as usize)
            .data(Token::new(Run::new(Arc::clone(&self.shared), held)))
            .build();
        Poll::Ready(Some(Ok(task)))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Error>> {
        self.shared.waker.register(cx.waker());
        if self.inboxes.is_some() || self.shared.closed.is_cancelled() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl BackendConfig for StreamBackend {
    type Args = Envelope;
    type Id = crate::JobId;
    // Not `Durable`: that decodes in the poll, and one undecodable entry would end the worker.
    type Kind = Ephemeral;
    type Config = BackendOptions;
    type Layer = AckLayer;

    fn config(&self) -> &BackendOptions {
        self.options()
    }

    fn middleware(&mut self, worker: &mut WorkerContext) -> AckLayer {
        if let Some((asked, told)) = self.inboxes.take() {
            let shared = || Arc::clone(&self.shared);
            tokio::spawn(starter::run(shared(), asked));
            tokio::spawn(acker::run(shared(), told));
            tokio::spawn(reader::run(shared()));
            tokio::spawn(janitor::run(shared()));
            tokio::spawn(watcher::run(shared(), worker.clone()));
        }
        AckLayer
    }
}

/// A worker that is dropped instead of stopped: its waiting jobs go back, the pumps end.
impl Drop for StreamBackend {
    fn drop(&mut self) {
        self.shared.abandoned.cancel();
    }
}
