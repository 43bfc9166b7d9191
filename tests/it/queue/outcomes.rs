//! What becomes of a job by what its handler says.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use domain::InstanceId;
use queue::{BackendOptions, Enqueued, Error, Job, Outcome, QueueName};
use tokio::sync::mpsc;

use super::{Worker, consumers, directory, eventually, keys, options, producer, within};

#[tokio::test]
async fn a_job_that_is_done_leaves_nothing() {
    let (config, producer) = producer().await;
    let job = directory();
    let Enqueued::New(id) = producer.enqueue(job.clone()).await.unwrap() else { panic!("already there") };
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("w"), move |envelope| {
        seen.send(envelope).unwrap();
        async { Outcome::Done }
    });
    let envelope = within(ran.recv()).await.unwrap();
    assert_eq!((envelope.id, &envelope.job, envelope.attempt), (id, &job, 0));
    worker.stop().await;
    assert!(producer.is_idle().await.unwrap());
    assert_eq!(keys(&config).await, [format!("{}:{{bulk}}:s", config.prefix)], "only the empty stream is left");
    assert_eq!(consumers(&config, QueueName::Bulk).await, 0, "a worker that stopped signs off");
}

#[tokio::test]
async fn a_failing_job_is_tried_four_times_and_then_kept() {
    let (config, producer) = producer().await;
    let producer = producer.traced(Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()));
    let job = directory();
    producer.enqueue(job.clone()).await.unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    let worker = Worker::start(&config, options("w"), move |envelope| {
        let run = count.fetch_add(1, Ordering::SeqCst);
        assert_eq!(envelope.attempt, run);
        async move { Outcome::Retry { error: format!("error {run}"), after: None } }
    });
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().dead == 1).await;
    let letters = producer.dead_letters(QueueName::Bulk, None, 10).await.unwrap();
    let letter = &letters[0];
    let envelope = letter.envelope.as_ref().unwrap();
    assert_eq!((runs.load(Ordering::SeqCst), envelope.attempt, letter.reason.as_str()), (4, 4, "failed 4 times"));
    assert_eq!(envelope.first_error.as_deref(), Some("error 0"));
    assert_eq!(envelope.last_error.as_deref(), Some("error 3"));
    assert!(envelope.trace_parent.is_some(), "the trace is kept");
    assert_eq!((letter.worker.as_str(), letter.deliveries), ("w", 1));
    assert!(matches!(producer.enqueue(job).await.unwrap(), Enqueued::New(_)), "a dead job holds no key");
    worker.stop().await;
}

#[tokio::test]
async fn what_jira_asked_for_is_waited_for() {
    let (config, producer) = producer().await;
    producer.enqueue(directory()).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("w"), move |envelope| {
        seen.send((Instant::now(), envelope.attempt)).unwrap();
        async move {
            match envelope.attempt {
                0 => Outcome::Retry { error: "429".to_owned(), after: Some(Duration::from_millis(400)) },
                _ => Outcome::Done,
            }
        }
    });
    let (first, _) = within(ran.recv()).await.unwrap();
    let (second, attempt) = within(ran.recv()).await.unwrap();
    assert_eq!(attempt, 1);
    let waited = second - first;
    assert!((400..700).contains(&waited.as_millis()), "{waited:?}");
    worker.stop().await;
}

#[tokio::test]
async fn giving_up_needs_no_second_attempt() {
    let (config, producer) = producer().await;
    producer.enqueue(directory()).await.unwrap();
    let worker = Worker::start(&config, options("w"), |_| async { Outcome::GiveUp { reason: "gone".to_owned() } });
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().dead == 1).await;
    let letters = producer.dead_letters(QueueName::Bulk, None, 10).await.unwrap();
    assert_eq!(letters[0].reason, "gone");
    worker.stop().await;
}

#[tokio::test]
async fn a_snooze_costs_no_attempt_and_keeps_the_key() {
    let (config, producer) = producer().await;
    let job = directory();
    producer.enqueue(job.clone()).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("w"), move |envelope| {
        seen.send(envelope.clone()).unwrap();
        async move { if envelope.snoozes < 6 { Outcome::Snooze(Duration::from_millis(60)) } else { Outcome::Done } }
    });
    for snoozes in 0..7 {
        let envelope = within(ran.recv()).await.unwrap();
        assert_eq!((envelope.attempt, envelope.snoozes), (0, snoozes));
        if snoozes == 3 {
            assert!(matches!(producer.enqueue(job.clone()).await.unwrap(), Enqueued::Already { .. }));
        }
    }
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_delayed_job_runs_when_it_is_due() {
    let (config, producer) = producer().await;
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("w"), move |_| {
        seen.send(Instant::now()).unwrap();
        async { Outcome::Done }
    });
    for delay in [700, 250, 33] {
        let delay = Duration::from_millis(delay);
        let asked = Instant::now();
        producer.enqueue_in(directory(), delay).await.unwrap();
        let late = within(ran.recv()).await.unwrap().saturating_duration_since(asked + delay);
        // Woken for it: whoever only looked now and then would come with the next tick, a second later.
        assert!(late < Duration::from_millis(900), "{late:?} late after {delay:?}");
        assert!(asked.elapsed() >= delay - Duration::from_millis(2), "not early either");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_jobs_run_once_each() {
    const JOBS: usize = 5_000;
    let (config, producer) = producer().await;
    let began = Instant::now();
    producer.enqueue_all((0..JOBS).map(|_| directory()).collect()).await.unwrap();
    let enqueued = began.elapsed();
    let ran = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&ran);
    let began = Instant::now();
    let options = BackendOptions { slots: 100, prefetch: 400, ..options("w") };
    let worker = Worker::start(&config, options, move |envelope| {
        assert!(seen.lock().unwrap().insert(envelope.id), "twice");
        async { Outcome::Done }
    });
    eventually(async || ran.lock().unwrap().len() == JOBS).await;
    let drained = began.elapsed();
    eventually(async || producer.is_idle().await.unwrap()).await;
    println!("{JOBS} jobs: enqueued in {enqueued:?}, drained in {drained:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_job_too_large_is_refused() {
    let (_, producer) = producer().await;
    let projects = (0..40_000).map(|n| format!("PROJECT{n}").parse().unwrap()).collect();
    let job = Job::Backfill { instance: InstanceId::generate(), projects, since: None };
    let refused = producer.enqueue(job).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { limit: 262_144, .. }), "{refused}");
}
