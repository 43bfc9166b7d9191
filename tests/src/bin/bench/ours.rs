//! The subject `jirafleet`: the real backend under apalis' worker, producer and worker in one process.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis::prelude::{WorkerBuilder, WorkerBuilderExt};
use chrono::{TimeDelta, Utc};
use domain::InstanceId;
use queue::{BackendOptions, Config, Envelope, Job, Lane, Outcome, Producer, QueueName, StreamBackend};
use tokio::sync::Notify;
use tracing::Instrument;

use crate::measure::{Figures, Probe, cpu, peak_rss_mib, percentile_ms, rate};

/// Jobs asked for in one call.
const BULK: usize = 10_000;

pub(crate) async fn measure(task: &str, url: &str, size: usize) -> Figures {
    let config = Config { url: url.to_owned(), prefix: "bench".to_owned() };
    let bench = Bench {
        producer: Producer::connect(&config).await.expect("Redis answers"),
        probe: Probe::open(url).await,
        config,
    };
    match task {
        "backlog" => bench.backlog(size).await,
        "meaning" => bench.meaning(size).await,
        "one" => bench.one(size).await,
        "latency" => bench.latency(size).await,
        "idle" => bench.idle(size).await,
        "chaos" => crate::chaos::measure(size).await,
        "due" => bench.due(size).await,
        "promote" => bench.promote(size, Slots::Taken).await,
        "promote_and_drain" => bench.promote(size, Slots::Free).await,
        other => panic!("nothing is called {other}"),
    }
}

struct Bench {
    config: Config,
    producer: Producer,
    probe: Probe,
}

/// Whether the worker can run what is promoted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slots {
    Taken,
    Free,
}

/// Counts starts, and tells when all are there.
#[derive(Default)]
struct Tally {
    count: AtomicUsize,
    reached: Notify,
}

impl Tally {
    fn add(&self, goal: usize) {
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 == goal {
            self.reached.notify_one();
        }
    }
}

/// Some 200 bytes on the wire.
fn probe(_: usize) -> Job {
    Job::Probe { instance: InstanceId::generate(), note: "0123456789abcdef".to_owned() }
}

/// What the fleet does most: a look at touched issues, each asked for once while it waits.
fn touched(number: usize) -> Job {
    let lanes = Lane::ALL.len();
    let instance = InstanceId(uuid::Uuid::from_u128((number / lanes) as u128));
    Job::SyncTouched { instance, lane: Lane::ALL[number % lanes] }
}

/// Empty jobs: a hundred at a time, four times as many at hand.
fn options(queue: QueueName) -> BackendOptions {
    BackendOptions { prefetch: 400, ..BackendOptions::new(queue, "bench", 100) }
}

impl Bench {
    fn start<F, Fut>(&self, options: BackendOptions, handler: F)
    where
        F: Fn(Envelope) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let backend = StreamBackend::new(&self.config, options).expect("its options can work");
        tokio::spawn(WorkerBuilder::new("bench").backend(backend).build(handler).run());
    }

    async fn fill(&self, size: usize, job: fn(usize) -> Job) -> Duration {
        let began = Instant::now();
        let mut left = size;
        while left > 0 {
            let now = left.min(BULK);
            let jobs = (left - now..left).map(job).collect();
            self.producer.enqueue_all(jobs).await.expect("Redis takes them");
            left -= now;
        }
        began.elapsed()
    }

    /// From the start of the worker until the last outcome is in Redis.
    async fn until_drained(&self, tally: &Tally, began: Instant) -> Duration {
        tally.reached.notified().await;
        while !self.producer.is_idle().await.expect("Redis answers") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        began.elapsed()
    }

    async fn backlog(mut self, size: usize) -> Figures {
        let before = self.probe.info("used_memory").await;
        let enqueued = self.fill(size, probe).await;
        let bytes = self.probe.info("used_memory").await - before;
        let tally = Arc::new(Tally::default());
        let seen = Arc::clone(&tally);
        let (began, cpu_before, redis_before) = (Instant::now(), cpu(), self.probe.server_cpu().await);
        self.start(options(QueueName::Bulk), move |_| {
            seen.add(size);
            std::future::ready(Outcome::Done)
        });
        let drained = self.until_drained(&tally, began).await;
        let redis_us = (self.probe.server_cpu().await - redis_before) * 1e6;
        Figures::from([
            ("enqueue_bulk", rate(size, enqueued)),
            ("drain", rate(size, drained)),
            ("bytes_per_job", bytes / size as f64),
            ("redis_mb", bytes / 1e6),
            ("rss_mib", peak_rss_mib()),
            ("longest_ms", self.probe.longest_ms().await),
            ("client_us", (cpu() - cpu_before).as_secs_f64() * 1e6 / size as f64),
            ("redis_us", redis_us / size as f64),
        ])
    }

    /// As the fleet's worker runs jobs: unique keys, a span, a time limit, panics caught, metrics recorded.
    async fn meaning(mut self, size: usize) -> Figures {
        let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().expect("the first one");
        let sink = tracing_subscriber::fmt().json().with_max_level(tracing::Level::INFO).with_writer(std::io::sink);
        sink.init();
        let enqueued = self.fill(size, touched).await;
        let tally = Arc::new(Tally::default());
        let seen = Arc::clone(&tally);
        let (began, cpu_before, redis_before) = (Instant::now(), cpu(), self.probe.server_cpu().await);
        let backend = StreamBackend::new(&self.config, options(QueueName::Live)).expect("its options can work");
        let worker = WorkerBuilder::new("bench").backend(backend).catch_panic();
        tokio::spawn(
            worker
                .build(move |envelope: Envelope| {
                    let seen = Arc::clone(&seen);
                    attempt(envelope, async move {
                        seen.add(size);
                        Outcome::Done
                    })
                })
                .run(),
        );
        let drained = self.until_drained(&tally, began).await;
        assert!(metrics.render().contains("jirafleet_queue_jobs_total"), "metrics were recorded");
        let redis_us = (self.probe.server_cpu().await - redis_before) * 1e6;
        Figures::from([
            ("enqueue_bulk", rate(size, enqueued)),
            ("drain", rate(size, drained)),
            ("client_us", (cpu() - cpu_before).as_secs_f64() * 1e6 / size as f64),
            ("redis_us", redis_us / size as f64),
        ])
    }

    async fn one(self, seconds: usize) -> Figures {
        let (began, mut count) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(seconds as u64) {
            self.producer.enqueue(probe(0)).await.expect("Redis takes it");
            count += 1;
        }
        Figures::from([("enqueue_one", rate(count, began.elapsed()))])
    }

    /// A hundred jobs a second, from asking to the first line of the handler.
    async fn latency(self, seconds: usize) -> Figures {
        let waits = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&waits);
        self.start(BackendOptions::new(QueueName::Bulk, "bench", 100), move |envelope| {
            let wait = Utc::now().signed_duration_since(envelope.enqueued_at).to_std().unwrap_or_default();
            seen.lock().expect("nobody panics").push(wait);
            std::future::ready(Outcome::Done)
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..seconds * 100 {
            beat.tick().await;
            self.producer.enqueue(probe(0)).await.expect("Redis takes it");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut waits = std::mem::take(&mut *waits.lock().expect("nobody panics"));
        assert_eq!(waits.len(), seconds * 100, "every job started");
        Figures::from([("p50_ms", percentile_ms(&mut waits, 50)), ("p99_ms", percentile_ms(&mut waits, 99))])
    }

    async fn idle(mut self, seconds: usize) -> Figures {
        self.start(BackendOptions::new(QueueName::Bulk, "bench", 100), |_| std::future::ready(Outcome::Done));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (commands, began) = (self.probe.info("total_commands_processed").await, Instant::now());
        let (client, redis) = (cpu(), self.probe.server_cpu().await);
        tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
        let took = began.elapsed().as_secs_f64();
        let share = (cpu() - client).as_secs_f64() / took;
        let redis_share = (self.probe.server_cpu().await - redis) / took;
        // Five of the commands are this measurement's own.
        let commands = self.probe.info("total_commands_processed").await - commands - 5.0;
        Figures::from([
            ("commands_per_s", commands / took),
            ("cpu_percent", share * 100.0),
            ("redis_cpu_percent", redis_share * 100.0),
        ])
    }

    /// Jobs that are all due at one instant: how late they start.
    async fn due(self, size: usize) -> Figures {
        let due = Utc::now() + TimeDelta::seconds(6);
        let asked = (0..size).map(|_| async {
            let delay = (due - Utc::now()).to_std().expect("they are asked for in time");
            self.producer.enqueue_in(probe(0), delay).await.expect("Redis takes it");
        });
        futures::stream::StreamExt::collect::<Vec<()>>(futures::stream::StreamExt::buffer_unordered(
            futures::stream::iter(asked),
            200,
        ))
        .await;
        let (tally, waits) = (Arc::new(Tally::default()), Arc::new(Mutex::new(Vec::with_capacity(size))));
        let (seen, late) = (Arc::clone(&tally), Arc::clone(&waits));
        self.start(options(QueueName::Bulk), move |_| {
            let wait = Utc::now().signed_duration_since(due).to_std().unwrap_or_default();
            late.lock().expect("nobody panics").push(wait);
            seen.add(size);
            std::future::ready(Outcome::Done)
        });
        tally.reached.notified().await;
        let mut waits = std::mem::take(&mut *waits.lock().expect("nobody panics"));
        Figures::from([("p99_ms", percentile_ms(&mut waits, 99)), ("p50_ms", percentile_ms(&mut waits, 50))])
    }

    /// Jobs that became due in the same second, written as the producer writes them.
    async fn promote(mut self, size: usize, slots: Slots) -> Figures {
        let mut connection = self.probe.connection();
        let (delayed, due) = (format!("{}:{{bulk}}:delayed", self.config.prefix), Utc::now().timestamp_millis());
        for first in (0..size).step_by(BULK) {
            let mut add = redis::cmd("ZADD");
            add.arg(&delayed);
            for number in first..size.min(first + BULK) {
                let body = serde_json::to_vec(&Envelope::new(probe(0), Utc::now(), None)).expect("it can be written");
                add.arg(due + (number % 1_000) as i64 - 1_000).arg(body);
            }
            add.query_async::<()>(&mut connection).await.expect("Redis takes them");
        }
        self.probe.longest_ms().await;
        let (tally, began) = (Arc::new(Tally::default()), Instant::now());
        let seen = Arc::clone(&tally);
        let options = if slots == Slots::Free {
            options(QueueName::Bulk)
        } else {
            BackendOptions::new(QueueName::Bulk, "bench", 1)
        };
        self.start(options, move |_| {
            seen.add(size);
            async move {
                if slots == Slots::Taken {
                    std::future::pending::<()>().await;
                }
                Outcome::Done
            }
        });
        let wait = async {
            let left: usize =
                redis::cmd("ZCARD").arg(&delayed).query_async(&mut connection.clone()).await.expect("an answer");
            left
        };
        let mut left = wait.await;
        while left > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            left = redis::cmd("ZCARD").arg(&delayed).query_async(&mut connection).await.expect("Redis answers");
        }
        let took = began.elapsed();
        Figures::from([("rate", rate(size, took)), ("longest_ms", self.probe.longest_ms().await)])
    }
}

/// What the fleet's worker wraps around a handler.
async fn attempt(envelope: Envelope, handler: impl Future<Output = Outcome>) -> Outcome {
    let span = tracing::info_span!(
        "attempt",
        job.kind = envelope.job.kind(),
        job.id = %envelope.id,
        job.attempt = envelope.attempt,
        instance.id = %envelope.job.instance(),
    );
    async {
        let (kind, began) = (envelope.job.kind(), Instant::now());
        let outcome = tokio::time::timeout(envelope.job.policy().limit, handler).await;
        metrics::histogram!("jirafleet_job_duration_seconds", "kind" => kind).record(began.elapsed().as_secs_f64());
        tracing::debug!(duration_ms = began.elapsed().as_millis(), "the attempt ended");
        outcome.unwrap_or_else(|_| Outcome::Retry { error: "too long".to_owned(), after: None })
    }
    .instrument(span)
    .await
}
