//! Our backend under test, in apalis' worker as the fleet runs it.

use std::time::Duration;

use apalis::prelude::{BoxDynError, WorkerBuilder, WorkerBuilderExt};
use apalis_core::worker::context::WorkerContext;
use domain::{InstanceId, ProjectId};
use queue::{
    BackendOptions, Backoff, Config, Enqueued, Envelope, Error, Job, Outcome, PauseOrder, Producer, QueueName, Scope,
    StreamBackend,
};
use tokio::{runtime::Runtime, task::AbortHandle};
use uuid::Uuid;

use super::{Answer, Ask, Counts, Hand, Handler, Hire, Once, Say, Subject};

const QUEUE: QueueName = QueueName::Bulk;

pub(super) struct Ours {
    config: Config,
    producer: Producer,
}

impl Subject for Ours {
    type Worker = Worker;

    async fn open(url: &str) -> Self {
        let config = Config { url: url.to_owned(), prefix: "conformance".to_owned() };
        Self { producer: Producer::connect(&config).await.unwrap(), config }
    }

    async fn ask(&self, ask: Ask) -> Answer {
        match self.producer.enqueue_in(job(ask), ask.delay).await {
            Ok(Enqueued::New(_)) => Answer::Taken,
            Ok(Enqueued::Already { .. }) => Answer::Already,
            Err(Error::TooLarge { .. }) => Answer::Refused,
            Err(error) => panic!("{error}"),
        }
    }

    async fn ask_all(&self, asks: &[Ask]) {
        if asks.iter().all(|ask| ask.delay.is_zero()) {
            self.producer.enqueue_all(asks.iter().map(|ask| job(*ask)).collect()).await.unwrap();
            return;
        }
        for some in asks.chunks(500) {
            futures::future::join_all(some.iter().map(|ask| self.ask(*ask))).await;
        }
    }

    fn hire(&self, hire: Hire, handler: Handler) -> Worker {
        let backoff = Backoff { base: Duration::from_millis(10), cap: Duration::from_secs(1) };
        let default = BackendOptions::new(QUEUE, hire.name, hire.slots);
        let options =
            BackendOptions { prefetch: hire.prefetch, lease: hire.lease, max_deliveries: 3, backoff, ..default };
        let backend = StreamBackend::new(&self.config, options).unwrap();
        let context = WorkerContext::new(hire.name);
        let run = move |envelope: Envelope| {
            let handler = handler.clone();
            async move { Ok::<_, BoxDynError>(outcome(handler(envelope.job.instance().0).await)) }
        };
        let worker = WorkerBuilder::new(context.clone()).backend(backend).catch_panic().build(run);
        Worker::start(context, worker.run())
    }

    async fn counts(&self) -> Option<Counts> {
        let depth = self.producer.depth(QUEUE).await.unwrap();
        Some(Counts { waiting: depth.ready, delayed: depth.delayed, running: depth.running, dead: depth.dead })
    }

    async fn dead(&self) -> u64 {
        self.producer.depth(QUEUE).await.unwrap().dead
    }

    async fn replay(&self) -> Option<usize> {
        Some(self.producer.replay_all(QUEUE, |_| true).await.unwrap().replayed)
    }

    async fn pause(&self) -> Option<()> {
        let order = PauseOrder { by: "a test".to_owned(), why: "to see".to_owned(), until: None };
        self.producer.pause(Scope::Queue(QUEUE), order).await.unwrap();
        Some(())
    }

    async fn resume(&self) -> Option<()> {
        self.producer.resume(Scope::Queue(QUEUE)).await.unwrap().then_some(())
    }

    async fn cancel(&self, id: Uuid) -> Option<()> {
        // Asking again names the job that was there first, while it waits; a running one is found by what runs.
        let id = match self.producer.enqueue(job(Ask { id, ..Ask::default() })).await.unwrap() {
            Enqueued::Already { id: Some(id), .. } => id,
            Enqueued::Already { id: None, .. } => return None,
            Enqueued::New(copy) => {
                self.producer.cancel(copy).await.unwrap();
                self.running_as(id).await?
            }
        };
        self.producer.cancel(id).await.unwrap();
        Some(())
    }

    async fn put_nonsense(&self) {
        let mut add = redis::cmd("XADD");
        add.arg("conformance:{bulk}:s").arg("*").arg("e").arg(b"\xff\x00 not a job".as_slice());
        add.query_async::<()>(&mut self.raw().await).await.unwrap();
    }

    async fn keys(&self) -> Vec<String> {
        redis::cmd("KEYS").arg("conformance:*").query_async(&mut self.raw().await).await.unwrap()
    }

    async fn raw(&self) -> redis::aio::MultiplexedConnection {
        raw(&self.config.url).await
    }
}

impl Ours {
    async fn running_as(&self, id: Uuid) -> Option<queue::JobId> {
        let key = format!("conformance:{{bulk}}:unique:sync_directory:{id}:all");
        let mut ask = redis::cmd("HGET");
        ask.arg("conformance:{bulk}:runs").arg(key);
        let mark: Option<String> = ask.query_async(&mut self.raw().await).await.unwrap();
        mark?.get(..36)?.parse().ok()
    }
}

pub(super) async fn raw(url: &str) -> redis::aio::MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

fn job(ask: Ask) -> Job {
    let instance = InstanceId(ask.id);
    match ask.once {
        _ if ask.ballast > 0 => {
            let projects = vec!["A".repeat(100).parse().unwrap(); ask.ballast / 100];
            Job::Backfill { instance, projects, since: None }
        }
        Once::Pending => Job::SyncDirectory { instance },
        Once::Unfinished => Job::BackfillProject { instance, project: ProjectId(1), run: ask.id, page: 0 },
    }
}

fn outcome(say: Say) -> Outcome {
    match say {
        Say::Done => Outcome::Done,
        Say::Fail => Outcome::Retry { error: "ill".to_owned(), after: None },
        Say::FailAfter(wait) => Outcome::Retry { error: "busy".to_owned(), after: Some(wait) },
        Say::Snooze(wait) => Outcome::Snooze(wait),
        Say::GiveUp => Outcome::GiveUp { reason: "hopeless".to_owned() },
    }
}

/// A worker's loop on a runtime of its own; of either subject.
pub(super) struct Worker {
    context: WorkerContext,
    task: AbortHandle,
    runtime: Option<Runtime>,
}

impl Worker {
    pub(super) fn start<T: Send + 'static>(
        context: WorkerContext,
        run: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { context, task: runtime.spawn(run).abort_handle(), runtime: Some(runtime) }
    }
}

impl Hand for Worker {
    fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    fn dismiss(&self) {
        let _ = self.context.stop();
    }

    fn drop_it(&self) {
        self.task.abort();
    }

    fn works(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
