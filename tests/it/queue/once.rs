//! Asking twice is asking once; what was overtaken does not run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{InstanceId, ProjectId};
use queue::{BackendOptions, Enqueued, Job, Lane, Outcome, QueueName, Unique};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use super::{Worker, add_raw, directory, eventually, keys, options, producer, raw, stuck, within};

#[tokio::test]
async fn a_chain_goes_on_and_an_overtaken_page_does_not_run() {
    let (config, producer) = producer().await;
    let (instance, project, run) = (InstanceId::generate(), ProjectId(7), uuid::Uuid::now_v7());
    let page = move |page| Job::BackfillProject { instance, project, run, page };
    producer.enqueue(page(0)).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    let worker = Worker::start(&config, options("w"), move |envelope| {
        let gate = Arc::clone(&gate);
        seen.send(envelope.clone()).unwrap();
        async move {
            let turn = envelope.job.turn();
            if turn == 2 {
                gate.notified().await;
            }
            if turn < 4 { Outcome::Next(page(turn + 1)) } else { Outcome::Done }
        }
    });
    let first = within(ran.recv()).await.unwrap();
    assert_eq!(within(ran.recv()).await.unwrap().job.turn(), 1);
    assert_eq!(within(ran.recv()).await.unwrap().job.turn(), 2);
    // A copy of the first page arrives late, and somebody asks for the whole thing again.
    add_raw(&config, QueueName::Bulk, &serde_json::to_vec(&first).unwrap()).await;
    assert!(matches!(producer.enqueue(page(0)).await.unwrap(), Enqueued::Already { id: Some(_), since: Some(_) }));
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().running == 1).await;
    open.notify_one();
    let rest = [within(ran.recv()).await.unwrap().job.turn(), within(ran.recv()).await.unwrap().job.turn()];
    assert_eq!(rest, [3, 4]);
    eventually(async || producer.is_idle().await.unwrap()).await;
    assert!(ran.try_recv().is_err(), "the late copy did not run");
    assert!(matches!(producer.enqueue(page(0)).await.unwrap(), Enqueued::New(_)), "the chain's end frees the key");
    worker.stop().await;
}

#[tokio::test]
async fn unfinished_jobs_are_asked_for_once_and_pending_ones_again_after_their_start() {
    let (config, producer) = producer().await;
    let instance = InstanceId::generate();
    let lane = Lane::ALL[1];
    let touched = Job::SyncTouched { instance, lane };
    let Enqueued::New(first) = producer.enqueue(touched.clone()).await.unwrap() else { panic!("already there") };
    let already = producer.enqueue(touched.clone()).await.unwrap();
    assert!(matches!(already, Enqueued::Already { id: Some(id), since: Some(_) } if id == first));

    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (seen, mut ran) = mpsc::unbounded_channel();
    let overlap = Arc::new(AtomicUsize::new(0));
    let (held, runs) = (Arc::clone(&gate), Arc::clone(&overlap));
    let worker = Worker::start(&config, BackendOptions { queue: QueueName::Live, ..options("w") }, move |envelope| {
        let (gate, runs, seen) = (Arc::clone(&held), Arc::clone(&runs), seen.clone());
        async move {
            assert_eq!(runs.fetch_add(1, Ordering::SeqCst), 0, "two runs of one lane never overlap");
            seen.send(envelope.id).unwrap();
            gate.acquire().await.unwrap().forget();
            runs.fetch_sub(1, Ordering::SeqCst);
            Outcome::Done
        }
    });
    assert_eq!(within(ran.recv()).await, Some(first));
    let Enqueued::New(second) = producer.enqueue(touched.clone()).await.unwrap() else {
        panic!("a started job is pending")
    };
    assert!(matches!(producer.enqueue(touched).await.unwrap(), Enqueued::Already { .. }));
    assert!(timeout(Duration::from_millis(500), ran.recv()).await.is_err(), "the second waits for the first");
    gate.add_permits(1);
    let next =
        timeout(Duration::from_secs(1), ran.recv()).await.expect("at the first one's end, long before it looks again");
    assert_eq!(next, Some(second));
    gate.add_permits(1);
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.stop().await;
    assert_eq!(keys(&config).await, [format!("{}:{{live}}:s", config.prefix)]);
}

#[tokio::test]
async fn a_retry_takes_the_key_from_what_was_asked_for_meanwhile() {
    let (config, producer) = producer().await;
    let touched = Job::SyncTouched { instance: InstanceId::generate(), lane: Lane::ALL[0] };
    producer.enqueue(touched.clone()).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let (asker, again) = (producer.clone(), touched.clone());
    let worker = Worker::start(&config, BackendOptions { queue: QueueName::Live, ..options("w") }, move |envelope| {
        let (producer, job, seen) = (asker.clone(), again.clone(), seen.clone());
        async move {
            producer.enqueue(job).await.unwrap();
            seen.send((envelope.id, envelope.attempt)).unwrap();
            Outcome::Retry { error: "down".to_owned(), after: Some(Duration::from_millis(100)) }
        }
    });
    let (first, _) = within(ran.recv()).await.unwrap();
    for attempt in 1..4 {
        assert_eq!(within(ran.recv()).await, Some((first, attempt)), "one job, with its backoff and its count");
    }
    eventually(async || producer.depth(QueueName::Live).await.unwrap().dead >= 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn counting_is_right_and_asking_twice_at_once_is_asking_once() {
    let (config, producer) = producer().await;
    let job = directory();
    let answers = producer.enqueue_all(vec![job.clone(), directory(), job]).await.unwrap();
    assert!(matches!(answers[..], [Enqueued::New(_), Enqueued::New(_), Enqueued::Already { .. }]), "{answers:?}");
    producer.enqueue_in(directory(), Duration::from_secs(60)).await.unwrap();
    let depth = producer.depth(QueueName::Bulk).await.unwrap();
    assert_eq!((depth.ready, depth.delayed, depth.running, depth.dead), (2, 1, 0, 0));
    assert!(depth.oldest_age.unwrap() < Duration::from_secs(5));
    let worker = Worker::start(&config, options("w"), |_| std::future::pending());
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().running == 2).await;
    assert_eq!(producer.depth(QueueName::Bulk).await.unwrap().oldest_age, None);
    worker.task.abort();
}

#[tokio::test]
async fn marks_of_lost_runs_hold_nobody_up_and_are_swept() {
    let (config, producer) = producer().await;
    let touched = Job::SyncTouched { instance: InstanceId::generate(), lane: Lane::ALL[0] };
    let Unique::Pending(text) = touched.policy().unique else { panic!("unique while it waits") };
    let base = format!("{}:{{live}}", config.prefix);
    let (mine, runs, lost) = (format!("{base}:unique:{text}"), format!("{base}:runs"), uuid::Uuid::now_v7());
    let now = chrono::Utc::now().timestamp_millis();
    let mut redis = raw(&config).await;
    for (key, till) in [(mine.as_str(), now - 1), ("swept", now - 1), ("on", now + 3_600_000)] {
        let mut mark = redis::cmd("HSET");
        mark.arg(&runs).arg(key).arg(format!("{lost}{till}")).query_async::<()>(&mut redis).await.unwrap();
    }
    producer.enqueue(touched).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let live = BackendOptions { queue: QueueName::Live, ..options("w") };
    let worker = Worker::start(&config, live, move |envelope| {
        seen.send(envelope.id).unwrap();
        std::future::ready(Outcome::Done)
    });
    within(ran.recv()).await.unwrap();
    eventually(async || {
        let left: Vec<String> = redis::cmd("HKEYS").arg(&runs).query_async(&mut redis.clone()).await.unwrap();
        left == ["on"]
    })
    .await;
    worker.stop().await;
}

/// Its mark would hold the same request up until a lease is over.
#[tokio::test]
async fn a_run_that_was_given_back_holds_nobody_up() {
    let (config, producer) = producer().await;
    let job = directory();
    producer.enqueue(job.clone()).await.unwrap();
    let worker = stuck(&config, "one").await;
    // Asked for while it runs: the job that was cut off finds itself overtaken when it is rescued.
    let Enqueued::New(second) = producer.enqueue(job).await.unwrap() else { panic!("a started job is pending") };
    worker.task.abort();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let other = Worker::start(&config, options("two"), move |envelope| {
        seen.send(envelope.id).unwrap();
        async { Outcome::Done }
    });
    let lease = options("two").lease;
    assert_eq!(timeout(lease / 2, ran.recv()).await.expect("long before a lease ends"), Some(second));
    eventually(async || producer.is_idle().await.unwrap()).await;
    other.stop().await;
    assert_eq!(keys(&config).await, [format!("{}:{{bulk}}:s", config.prefix)]);
}

#[tokio::test]
async fn copies_whose_claims_lapsed_while_no_worker_was_there_run_once() {
    let (config, producer) = producer().await;
    let job = Job::Backfill { instance: InstanceId::generate(), projects: Vec::new(), since: None };
    let claims = async || keys(&config).await.into_iter().filter(|key| key.contains(":unique:")).collect::<Vec<_>>();
    for _ in 0..3 {
        assert!(matches!(producer.enqueue(job.clone()).await.unwrap(), Enqueued::New(_)));
        redis::cmd("DEL").arg(claims().await).query_async::<()>(&mut raw(&config).await).await.unwrap();
    }
    let runs = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&runs);
    let worker = Worker::start(&config, options("w"), move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Outcome::Done
        }
    });
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.stop().await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}
