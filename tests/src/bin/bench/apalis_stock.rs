//! The reference `apalis-redis`, in its fastest setting: no locks (so no lease), no events, no results, a thousand a fetch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis::prelude::{BackendExt, TaskSink, WorkerBuilder};
use apalis_redis::{Config, RedisStorage};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::measure::{Figures, Probe, peak_rss_mib, rate};

/// What our jobs carry.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    kind: String,
    instance: uuid::Uuid,
    note: String,
}

fn work() -> Work {
    Work { kind: "probe".to_owned(), instance: uuid::Uuid::now_v7(), note: "0123456789abcdef".to_owned() }
}

pub(crate) async fn measure(task: &str, url: &str, size: usize) -> Figures {
    match task {
        "backlog" => backlog(url, size).await,
        "one" => one(url, size).await,
        other => panic!("nothing is called {other}"),
    }
}

async fn storage(url: &str) -> RedisStorage<Work, redis::aio::ConnectionManager> {
    let connection = apalis_redis::connect(url).await.expect("Redis answers");
    let config = Config::default().queue("bench").batch_size(1_000);
    RedisStorage::new(connection).with_config(config.lock_tasks(false).emit_events(false).persist_results(false))
}

async fn backlog(url: &str, size: usize) -> Figures {
    let (mut storage, mut probe) = (storage(url).await, Probe::open(url).await);
    let before = probe.info("used_memory").await;
    let began = Instant::now();
    for first in (0..size).step_by(1_000) {
        storage.push_bulk((first..size.min(first + 1_000)).map(|_| work()).collect()).await.expect("Redis takes them");
    }
    let enqueued = began.elapsed();
    release(&probe).await;
    let bytes = probe.info("used_memory").await - before;
    let (count, reached) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (seen, told) = (Arc::clone(&count), Arc::clone(&reached));
    let began = Instant::now();
    let worker = WorkerBuilder::new("bench").backend(storage.poll_with_interval(Duration::from_millis(10)));
    let worker = worker.build(move |_: Work| {
        if seen.fetch_add(1, Ordering::Relaxed) + 1 == size {
            told.notify_one();
        }
        std::future::ready(())
    });
    let running = tokio::spawn(worker.run());
    tokio::select! {
        () = reached.notified() => {}
        ended = running => panic!("the worker ended after {} jobs: {ended:?}", count.load(Ordering::Relaxed)),
    }
    Figures::from([
        ("enqueue_bulk", rate(size, enqueued)),
        ("drain", rate(size, began.elapsed())),
        ("bytes_per_job", bytes / size as f64),
        ("rss_mib", peak_rss_mib()),
    ])
}

/// Version 1.0.0 puts everything that is pushed into the scheduled set, and its worker ends when more than some 8,000 are due at
/// once. So what its own script would do is done for it here, in steps that Redis takes; not counted.
async fn release(probe: &Probe) {
    const STEP: &str = "local due = redis.call('ZRANGE', KEYS[1], 0, 4999) if #due > 0 then
        redis.call('RPUSH', KEYS[2], unpack(due)) redis.call('ZREM', KEYS[1], unpack(due)) end return #due";
    let (config, step) = (Config::default().queue("bench"), redis::Script::new(STEP));
    let mut call = step.key(config.scheduled_jobs_set());
    call.key(config.active_jobs_list());
    while call.invoke_async::<usize>(&mut probe.connection()).await.expect("Redis answers") > 0 {}
}

async fn one(url: &str, seconds: usize) -> Figures {
    let mut storage = storage(url).await;
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(seconds as u64) {
        storage.push(work()).await.expect("Redis takes it");
        count += 1;
    }
    Figures::from([("enqueue_one", rate(count, began.elapsed()))])
}
