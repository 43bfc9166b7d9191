//! Workers die, stop and hang; their jobs do not.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use queue::{BackendOptions, Enqueued, Envelope, Outcome, QueueName};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use super::{Doomed, Worker, directory, eventually, keys, options, producer, raw, stuck, within};

#[tokio::test]
async fn a_killed_workers_jobs_are_rescued_after_the_lease() {
    let (config, producer) = producer().await;
    let short = |name: &str| BackendOptions { lease: Duration::from_millis(600), ..options(name) };
    for _ in 0..10 {
        producer.enqueue(directory()).await.unwrap();
    }
    let (started, doomed) = (Arc::new(AtomicUsize::new(0)), Doomed::new());
    let count = Arc::clone(&started);
    let victim = config.clone();
    let options = BackendOptions { slots: 4, prefetch: 2, ..short("victim") };
    doomed.run(async move {
        Worker::start(&victim, options, move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        })
    });
    eventually(async || started.load(Ordering::SeqCst) == 4).await;
    doomed.kill();
    let killed = Instant::now();

    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, short("rescuer"), move |envelope| {
        seen.send(envelope.id).unwrap();
        async { Outcome::Done }
    });
    let mut rescued = HashSet::new();
    while rescued.len() < 10 {
        rescued.insert(within(ran.recv()).await.unwrap());
    }
    assert!(killed.elapsed() < Duration::from_millis(600 + 2_300), "lease and two ticks: {:?}", killed.elapsed());
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_of_the_same_name_takes_up_at_once_what_it_left() {
    let (config, producer) = producer().await;
    producer.enqueue(directory()).await.unwrap();
    let (started, doomed) = (Arc::new(Notify::new()), Doomed::new());
    let (signal, victim) = (Arc::clone(&started), config.clone());
    doomed.run(async move {
        Worker::start(&victim, options("pod-1"), move |_| {
            signal.notify_one();
            std::future::pending()
        })
    });
    within(started.notified()).await;
    doomed.kill();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("pod-1"), move |_| {
        seen.send(()).unwrap();
        async { Outcome::Done }
    });
    timeout(Duration::from_secs(3), ran.recv()).await.expect("no wait for a lease of 30 s");
    worker.stop().await;
}

#[tokio::test]
async fn a_long_job_keeps_its_lease() {
    let (config, producer) = producer().await;
    producer.enqueue(directory()).await.unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let start = |name: &str| {
        let runs = Arc::clone(&runs);
        let options = BackendOptions { lease: Duration::from_millis(300), max_deliveries: 2, ..options(name) };
        Worker::start(&config, options, move |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_millis(2_500)).await;
                Outcome::Done
            }
        })
    };
    let (one, other) = (start("one"), start("other"));
    eventually(async || runs.load(Ordering::SeqCst) == 1).await;
    eventually(async || producer.is_idle().await.unwrap()).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1, "eight leases long, and nobody else ran it");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_job_that_takes_its_workers_down_becomes_a_dead_letter() {
    let (config, producer) = producer().await;
    let job = directory();
    producer.enqueue(job.clone()).await.unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    for _ in 0..8 {
        let count = Arc::clone(&runs);
        let options = BackendOptions { max_deliveries: 3, ..options("pod-1") };
        let worker = Worker::start(&config, options, move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            async { panic!("poison") }
        });
        let dead = async || producer.depth(QueueName::Bulk).await.unwrap().dead == 1;
        eventually(async || worker.task.is_finished() || dead().await).await;
        worker.task.abort();
        if dead().await {
            break;
        }
    }
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    let letter = producer.dead_letters(QueueName::Bulk, None, 10).await.unwrap().remove(0);
    assert_eq!(letter.reason, "its worker was lost 3 times while it had this job");
    assert_eq!(letter.envelope.unwrap().job, job);
    assert!(matches!(producer.enqueue(job).await.unwrap(), Enqueued::New(_)), "its key is free");
}

#[tokio::test]
async fn a_stopped_worker_gives_back_what_it_did_not_start() {
    let (config, producer) = producer().await;
    producer.enqueue_all((0..6).map(|_| directory()).collect()).await.unwrap();
    let (started, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (signal, open) = (Arc::clone(&started), Arc::clone(&gate));
    let options_one = BackendOptions { slots: 1, prefetch: 4, ..options("one") };
    let one = Worker::start(&config, options_one, move |_| {
        let (signal, gate) = (Arc::clone(&signal), Arc::clone(&open));
        async move {
            signal.notify_one();
            gate.notified().await;
            Outcome::Done
        }
    });
    within(started.notified()).await;
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().running == 5).await;
    one.context.stop().unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let other = Worker::start(&config, options("other"), move |_| {
        seen.send(()).unwrap();
        async { Outcome::Done }
    });
    for _ in 0..5 {
        timeout(Duration::from_secs(4), ran.recv()).await.expect("given back at once, long before the lease of 30 s");
    }
    assert!(!one.task.is_finished(), "the running job may end");
    gate.notify_one();
    within(one.task).await.unwrap().unwrap();
    eventually(async || producer.is_idle().await.unwrap()).await;
    other.stop().await;
}

#[tokio::test]
async fn an_idle_worker_stops_at_once() {
    let (config, _) = producer().await;
    let worker = Worker::start(&config, options("w"), |_| async { Outcome::Done });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    worker.stop().await;
    assert!(began.elapsed() < Duration::from_millis(1_000), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_run_that_is_cut_off_goes_back_and_costs_nothing() {
    let (config, producer) = producer().await;
    producer.enqueue(directory()).await.unwrap();
    let worker = stuck(&config, "one").await;
    worker.task.abort();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let other = Worker::start(&config, BackendOptions { max_deliveries: 1, ..options("two") }, move |envelope| {
        seen.send(envelope.attempt).unwrap();
        async { Outcome::Retry { error: "once".to_owned(), after: Some(Duration::ZERO) } }
    });
    // At most one delivery is allowed, and it is rescued, which counts one: the cut-off one counted none.
    assert_eq!(timeout(Duration::from_secs(4), ran.recv()).await.unwrap(), Some(0));
    other.stop().await;
}

#[tokio::test]
async fn a_late_failure_of_a_former_owner_changes_nothing() {
    let (config, producer) = producer().await;
    producer.enqueue(directory()).await.unwrap();
    let (started, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (signal, open) = (Arc::clone(&started), Arc::clone(&gate));
    let worker = Worker::start(&config, options("former"), move |_| {
        let (signal, gate) = (Arc::clone(&signal), Arc::clone(&open));
        async move {
            signal.notify_one();
            gate.notified().await;
            Outcome::Retry { error: "late".to_owned(), after: None }
        }
    });
    within(started.notified()).await;
    let mut raw = raw(&config).await;
    let stream = format!("{}:{{bulk}}:s", config.prefix);
    let pending: Vec<(String, String, u64, u64)> =
        redis::cmd("XPENDING").arg(&stream).arg("g").arg("-").arg("+").arg(1).query_async(&mut raw).await.unwrap();
    let mut claim = redis::cmd("XCLAIM");
    claim.arg(&stream).arg("g").arg("rescuer").arg(0).arg(&pending[0].0).query_async::<()>(&mut raw).await.unwrap();
    gate.notify_one();
    worker.stop().await;
    let depth = producer.depth(QueueName::Bulk).await.unwrap();
    assert_eq!((depth.running, depth.delayed, depth.dead), (1, 0, 0), "the rescuer has it, and only the rescuer");
}

/// More prefetched than slots: they are let start ahead, run no more at a time, and go back when the worker stops.
#[tokio::test]
async fn what_is_let_start_ahead_waits_for_its_slot_and_goes_back_at_a_stop() {
    const JOBS: usize = 60;
    let (config, producer) = producer().await;
    producer.enqueue_all((0..JOBS).map(|_| directory()).collect()).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let at_work = Arc::new(AtomicUsize::new(0));
    let handler = move |envelope: Envelope| {
        let (seen, at_work) = (seen.clone(), Arc::clone(&at_work));
        async move {
            assert!(at_work.fetch_add(1, Ordering::SeqCst) < 2, "two slots");
            tokio::time::sleep(Duration::from_millis(5)).await;
            at_work.fetch_sub(1, Ordering::SeqCst);
            seen.send(envelope.id).unwrap();
            Outcome::Done
        }
    };
    let few = |name| BackendOptions { slots: 2, prefetch: 16, ..options(name) };
    let worker = Worker::start(&config, few("one"), handler.clone());
    let mut done = HashSet::new();
    while done.len() < 10 {
        assert!(done.insert(within(ran.recv()).await.unwrap()));
    }
    worker.stop().await;
    let other = Worker::start(&config, few("two"), handler);
    while done.len() < JOBS {
        assert!(done.insert(within(ran.recv()).await.unwrap()), "none runs twice");
    }
    eventually(async || producer.is_idle().await.unwrap()).await;
    other.stop().await;
    assert_eq!(keys(&config).await, [format!("{}:{{bulk}}:s", config.prefix)]);
}
