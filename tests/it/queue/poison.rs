//! Jobs that kill, hang, or cannot be read: each is buried after a bound, with its reason, and the queue goes on.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use apalis::prelude::{BoxDynError, WorkerBuilder, WorkerBuilderExt};
use apalis_core::worker::context::WorkerContext;
use domain::InstanceId;
use queue::{BackendOptions, Config, DeadLetter, Envelope, Error, Job, Outcome, Producer, QueueName, StreamBackend};
use tokio::{sync::mpsc, time::timeout};

use super::{Worker, add_raw, directory, eventually, options, producer, within};

/// The only dead letter there is.
async fn letter(producer: &Producer) -> DeadLetter {
    let mut letters = producer.dead_letters(QueueName::Bulk, None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    letters.remove(0)
}

/// Asserts that a healthy job still runs on a healthy worker.
async fn goes_on(config: &Config, producer: &Producer) {
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(config, options("healthy"), move |envelope| {
        seen.send(envelope.id).unwrap();
        async { Outcome::Done }
    });
    producer.enqueue(directory()).await.unwrap();
    within(ran.recv()).await.unwrap();
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.stop().await;
}

const VICTIM: &str = "QUEUE_POISON_VICTIM";

/// The process that is killed by its job. Does nothing unless a test started it for that.
#[tokio::test]
async fn a_victim_of_poison() {
    let Ok(place) = std::env::var(VICTIM) else { return };
    let (url, prefix) = place.rsplit_once(' ').unwrap();
    let config = Config { url: url.to_owned(), prefix: prefix.to_owned() };
    let lease = Duration::from_millis(300);
    let options = BackendOptions { max_deliveries: 3, lease, ..options("pod-1") };
    let worker = Worker::start(&config, options, |envelope: Envelope| async move {
        match envelope.job {
            Job::SyncDirectory { .. } => std::process::abort(),
            // Long enough to be under way when its neighbour takes the process down.
            Job::Probe { .. } => tokio::time::sleep(Duration::from_millis(200)).await,
            _ => {}
        }
        Outcome::Done
    });
    let _ = worker.task.await;
}

/// Starts one process after the other until all is settled. Answers how many were taken down.
async fn send_victims(config: &Config, is_settled: impl AsyncFn() -> bool) -> usize {
    let mut aborted = 0;
    while !is_settled().await {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "queue::poison::a_victim_of_poison", "--nocapture"])
            .env(VICTIM, format!("{} {}", config.url, config.prefix))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        within(async {
            while victim.try_wait().unwrap().is_none() && !is_settled().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let _ = victim.kill();
        if victim.wait().unwrap().code().is_none() && !is_settled().await {
            aborted += 1;
        }
        assert!(aborted <= 3, "it goes round for ever");
    }
    aborted
}

#[tokio::test]
async fn a_job_that_aborts_its_process_is_buried_after_three_processes() {
    let (config, producer) = producer().await;
    let job = directory();
    producer.enqueue(job.clone()).await.unwrap();
    let aborted = send_victims(&config, async || producer.depth(QueueName::Bulk).await.unwrap().dead == 1).await;
    assert_eq!(aborted, 3);
    let letter = letter(&producer).await;
    assert_eq!(letter.reason, "its worker was lost 3 times while it had this job");
    assert_eq!(letter.envelope.unwrap().job, job);
    goes_on(&config, &producer).await;
}

/// What a dead worker held together must not be held together for ever, or the poison buries all of it.
#[tokio::test]
async fn poison_does_not_take_its_neighbours_to_the_grave() {
    let (config, producer) = producer().await;
    let poison = directory();
    producer.enqueue(poison.clone()).await.unwrap();
    for number in 0..5 {
        let note = number.to_string();
        producer.enqueue(Job::Probe { instance: InstanceId::generate(), note }).await.unwrap();
    }
    let aborted = send_victims(&config, async || producer.is_idle().await.unwrap()).await;
    assert_eq!((aborted, letter(&producer).await.envelope.unwrap().job), (3, poison));
    let done = producer.finished(QueueName::Bulk, 0, 100).await.unwrap();
    assert_eq!(
        done.iter().filter(|finished| finished.outcome == "done").count(),
        5,
        "each of the others ran to its end"
    );
}

#[tokio::test]
async fn a_job_that_panics_fails_four_times_and_takes_nobody_along() {
    let (config, producer) = producer().await;
    let (sender, mut buried) = mpsc::channel(10);
    let backend = StreamBackend::new(&config, BackendOptions { buried: Some(sender), ..options("w") }).unwrap();
    let context = WorkerContext::new("w");
    let run = |envelope: Envelope| async move {
        assert!(matches!(envelope.job, Job::BackfillProject { .. }), "a bug in the handler");
        Ok::<_, BoxDynError>(Outcome::Done)
    };
    let worker = WorkerBuilder::new(context.clone()).backend(backend).catch_panic().build(run);
    let task = tokio::spawn(worker.run());
    producer.enqueue(directory()).await.unwrap();
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().dead == 1).await;
    let letter = letter(&producer).await;
    assert_eq!(letter.reason, "failed 4 times");
    let envelope = letter.envelope.unwrap();
    assert!(envelope.last_error.unwrap().contains("a bug in the handler"), "the panic's words are kept");
    let told = within(buried.recv()).await.unwrap();
    assert_eq!((told.envelope.id, told.reason.as_str()), (envelope.id, "failed 4 times"));
    assert!(!task.is_finished());
    context.stop().unwrap();
    within(task).await.unwrap().unwrap();
    goes_on(&config, &producer).await;
}

#[tokio::test]
async fn a_job_without_end_is_cut_off_by_its_limit() {
    let (config, producer) = producer().await;
    producer.enqueue(directory()).await.unwrap();
    // As the fleet's worker does it: the limit is part of the attempt, and what comes of it is an outcome.
    let worker = Worker::start(&config, options("w"), |_| async {
        let endless = async {
            loop {
                tokio::task::yield_now().await;
            }
        };
        match timeout(Duration::from_millis(100), endless).await {
            Ok(()) => Outcome::Done,
            Err(_) => Outcome::Retry { error: "took longer than 100 ms".to_owned(), after: None },
        }
    });
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().dead == 1).await;
    assert_eq!(letter(&producer).await.reason, "failed 4 times");
    worker.stop().await;
    goes_on(&config, &producer).await;
}

#[tokio::test]
async fn a_job_that_blocks_its_thread_loses_its_lease_to_nobody() {
    let (config, producer) = producer().await;
    producer.enqueue(directory()).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let short = |name: &str| BackendOptions { lease: Duration::from_millis(500), ..options(name) };
    let blocked = super::Doomed::new();
    let victim = config.clone();
    let starts = seen.clone();
    let slow = short("slow");
    blocked.run(async move {
        Worker::start(&victim, slow, move |_| {
            starts.send("slow").unwrap();
            // Longer than its lease, on the only thread there is: its renewals cannot run either.
            std::thread::sleep(Duration::from_millis(2_500));
            async { Outcome::Done }
        })
    });
    assert_eq!(within(ran.recv()).await, Some("slow"));
    let other = Worker::start(&config, short("other"), move |_| {
        seen.send("other").unwrap();
        async { Outcome::Done }
    });
    assert_eq!(within(ran.recv()).await, Some("other"), "it is rescued");
    eventually(async || producer.is_idle().await.unwrap()).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(
        producer.depth(QueueName::Bulk).await.unwrap().dead,
        0,
        "the late outcome of the blocked one is no harm"
    );
    other.stop().await;
    blocked.kill();
}

#[tokio::test]
async fn a_job_of_64_mb_is_refused_with_its_size_and_the_limit() {
    let (config, producer) = producer().await;
    let projects = vec!["A".repeat(100).parse().unwrap(); (64 << 20) / 100];
    let job = Job::Backfill { instance: InstanceId::generate(), projects, since: None };
    let refused = producer.enqueue(job).await.unwrap_err();
    let Error::TooLarge { size, limit } = refused else { panic!("{refused}") };
    assert!(size > 64 << 20 && limit == queue::MAX_JOB_BYTES, "{size} {limit}");
    assert!(refused.to_string().contains(&size.to_string()) && refused.to_string().contains(&limit.to_string()));
    assert!(!refused.is_passing(), "asking again does not help");
    assert!(producer.is_idle().await.unwrap());
    goes_on(&config, &producer).await;
}

#[tokio::test]
async fn what_was_written_by_hand_is_buried_whatever_its_size() {
    let (config, producer) = producer().await;
    let huge = vec![b'x'; 64 << 20];
    add_raw(&config, QueueName::Bulk, &huge).await;
    let worker = Worker::start(&config, options("w"), |_| async { Outcome::Done });
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().dead == 1).await;
    worker.stop().await;
    let letter = letter(&producer).await;
    assert!(letter.reason.starts_with("not a job"), "{}", letter.reason);
    assert!(letter.raw.len() <= 1 << 20, "{} bytes are kept of it", letter.raw.len());
    assert!(huge.starts_with(&letter.raw[..100]), "its beginning is kept");
    goes_on(&config, &producer).await;
}
