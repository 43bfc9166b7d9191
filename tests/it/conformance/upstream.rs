//! Stock `apalis-redis`, as its documentation sets it up, with a poll of 50 ms and a heartbeat that fits the lease.

use std::time::Duration;

use apalis::prelude::{BoxDynError, WorkerBuilder, WorkerBuilderExt};
use apalis_core::{
    backend::{Metrics, TaskSink, ext::BackendExt},
    error::{AbortError, RetryAfterError},
    task::{Task, builder::TaskBuilder},
    worker::context::WorkerContext,
};
use apalis_redis::RedisStorage;
use futures::FutureExt;
use uuid::Uuid;

use super::{
    Answer, Ask, Counts, Handler, Hire, Say, Subject,
    ours::{Worker, raw},
};

const QUEUE: &str = "conformance";

pub(super) struct Upstream {
    url: String,
    storage: RedisStorage<String>,
}

impl Subject for Upstream {
    type Worker = Worker;

    async fn open(url: &str) -> Self {
        let connection = apalis_redis::connect(url).await.unwrap();
        Self { url: url.to_owned(), storage: RedisStorage::new(connection).with_config(config()) }
    }

    async fn ask(&self, ask: Ask) -> Answer {
        let mut refused = String::new();
        for _ in 0..3 {
            match self.storage.clone().push_task(task(ask)).await {
                // It does not tell whether the same was there before.
                Ok(()) => return Answer::Taken,
                Err(error) => refused = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{refused}")
    }

    async fn ask_all(&self, asks: &[Ask]) {
        for some in asks.chunks(500) {
            let tasks = futures::stream::iter(some.iter().map(|ask| task(*ask)).collect::<Vec<_>>());
            self.storage.clone().push_all(tasks).await.unwrap();
        }
    }

    fn hire(&self, hire: Hire, handler: Handler) -> Worker {
        let config = config().batch_size(hire.slots + hire.prefetch).heartbeat_interval(hire.lease / 2);
        let config = config.missed_heartbeats(2);
        let context = WorkerContext::new(hire.name);
        let storage = self.storage.clone().with_config(config);
        let run = move |text: String| {
            let handler = handler.clone();
            async move { result(handler(text[..36].parse::<Uuid>().unwrap()).await) }
        };
        let worker = WorkerBuilder::new(context.clone())
            // Shorter than an answer of Redis takes, and it would never poll again: it forgets to arm its next timer.
            .backend(storage.poll_with_interval(Duration::from_millis(50)))
            .concurrency(hire.slots)
            .catch_panic()
            .build(run);
        Worker::start(context, worker.run().map(|ended| println!("the worker ended: {ended:?}")))
    }

    async fn counts(&self) -> Option<Counts> {
        let figures = self.storage.fetch_by_queue().await.ok()?;
        println!("{figures:?}");
        None
    }

    async fn dead(&self) -> u64 {
        let key = format!("{QUEUE}:dead");
        redis::cmd("SCARD").arg(key).query_async(&mut self.raw().await).await.unwrap()
    }

    async fn replay(&self) -> Option<usize> {
        None
    }

    async fn pause(&self) -> Option<()> {
        None
    }

    async fn resume(&self) -> Option<()> {
        None
    }

    async fn cancel(&self, _: Uuid) -> Option<()> {
        None
    }

    async fn put_nonsense(&self) {
        let mut connection = self.raw().await;
        let id = "01KAAAAAAAAAAAAAAAAAAAAAAA";
        let mut pipe = redis::pipe();
        pipe.cmd("HSET").arg(format!("{QUEUE}:data")).arg(id).arg(b"\xff\x00 not a job".as_slice());
        pipe.cmd("HSET").arg(format!("{QUEUE}:meta:{id}")).arg("attempts").arg(0).arg("max_attempts").arg(4);
        pipe.cmd("RPUSH").arg(format!("{QUEUE}:active")).arg(id);
        pipe.query_async::<()>(&mut connection).await.unwrap();
    }

    async fn keys(&self) -> Vec<String> {
        redis::cmd("KEYS").arg(format!("{QUEUE}*")).query_async(&mut self.raw().await).await.unwrap()
    }

    async fn raw(&self) -> redis::aio::MultiplexedConnection {
        raw(&self.url).await
    }
}

fn config() -> apalis_redis::Config {
    // Without a time to live its idempotency keys did not keep a second request out at all.
    apalis_redis::Config::default().queue(QUEUE).idempotency_ttl(Some(Duration::from_secs(600)))
}

fn task(ask: Ask) -> Task<String> {
    let text = format!("{}{}", ask.id, "A".repeat(ask.ballast));
    let task = TaskBuilder::new(text).max_attempts(4).idempotency_key(ask.id.to_string());
    if ask.delay.is_zero() { task.build() } else { task.run_after(ask.delay).build() }
}

fn result(say: Say) -> Result<(), BoxDynError> {
    match say {
        Say::Done => Ok(()),
        Say::Fail => Err("ill".into()),
        Say::FailAfter(wait) | Say::Snooze(wait) => Err(RetryAfterError::new("busy", wait).into()),
        Say::GiveUp => Err(AbortError::new("hopeless").into()),
    }
}
