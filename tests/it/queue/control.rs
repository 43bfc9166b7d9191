//! Orders from anywhere: paused is held up, cancelled does not run, nothing gets lost on the way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use domain::{InstanceId, IssueId};
use queue::{
    BackendOptions, Cancelled, Enqueued, Error, Job, JobId, JobState, Lane, Outcome, PauseOrder, Producer, QueueName,
    Scope,
};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use super::{Worker, directory, eventually, keys, options, producer, raw, within};

const BULK: QueueName = QueueName::Bulk;

fn order(why: &str) -> PauseOrder {
    PauseOrder { by: "ada".to_owned(), why: why.to_owned(), until: None }
}

async fn enqueue(producer: &Producer, job: Job) -> JobId {
    match producer.enqueue(job).await.unwrap() {
        Enqueued::New(id) => id,
        already @ Enqueued::Already { .. } => panic!("{already:?}"),
    }
}

#[tokio::test]
async fn a_paused_queue_starts_nothing_and_resumes_where_it_was() {
    let (config, producer) = producer().await;
    let (seen, mut ran) = mpsc::unbounded_channel();
    let mut workers = Vec::new();
    for name in ["one", "two"] {
        let seen = seen.clone();
        workers.push(Worker::start(&config, options(name), move |envelope| {
            seen.send((envelope.id, envelope.attempt)).unwrap();
            async { Outcome::Done }
        }));
    }
    enqueue(&producer, directory()).await;
    within(ran.recv()).await.unwrap();
    producer.pause(Scope::Queue(BULK), order("Jira is being moved")).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(enqueue(&producer, directory()).await);
    }
    producer.enqueue(Job::PollUpdates { instance: InstanceId::generate(), page: None }).await.unwrap();
    assert!(timeout(Duration::from_secs(2), ran.recv()).await.is_err(), "nothing starts, at once and for every worker");
    let pauses = producer.pauses().await.unwrap();
    assert_eq!(pauses.len(), 1);
    assert_eq!((pauses[0].scope, &pauses[0].order), (Scope::Queue(BULK), &order("Jira is being moved")));
    assert!(Utc::now() - pauses[0].since < TimeDelta::seconds(10));

    let resumed = Instant::now();
    assert!(producer.resume(Scope::Queue(BULK)).await.unwrap());
    assert!(!producer.resume(Scope::Queue(BULK)).await.unwrap(), "it was not paused any more");
    let mut started = Vec::new();
    for _ in &ids {
        let (id, attempt) = within(ran.recv()).await.unwrap();
        assert_eq!(attempt, 0, "waiting costs no attempt");
        started.push(id);
    }
    assert!(resumed.elapsed() < Duration::from_secs(5), "{:?}", resumed.elapsed());
    started.sort();
    assert_eq!(started, ids);
    assert!(producer.pauses().await.unwrap().is_empty());
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_pause_ends_by_itself() {
    let (config, producer) = producer().await;
    let until = Utc::now() + TimeDelta::milliseconds(1_500);
    let instance = InstanceId::generate();
    for scope in [Scope::Queue(BULK), Scope::Instance(instance)] {
        producer.pause(scope, PauseOrder { until: Some(until), ..order("lunch") }).await.unwrap();
    }
    enqueue(&producer, directory()).await;
    enqueue(&producer, Job::SyncDirectory { instance }).await;
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("w"), move |_| {
        seen.send(Utc::now()).unwrap();
        async { Outcome::Done }
    });
    for _ in 0..2 {
        assert!(within(ran.recv()).await.unwrap() >= until - TimeDelta::milliseconds(50));
    }
    assert!(producer.pauses().await.unwrap().is_empty(), "it is not listed any more");
    worker.stop().await;
}

#[tokio::test]
async fn a_paused_instance_is_parked_and_others_go_on() {
    let (config, producer) = producer().await;
    let (quiet, loud) = (InstanceId::generate(), InstanceId::generate());
    producer.pause(Scope::Instance(quiet), order("their wish")).await.unwrap();
    let issues = |instance, count: i64| -> Vec<Job> {
        (0..count).map(|issue| Job::SyncIssue { instance, issue: IssueId(issue) }).collect()
    };
    producer.enqueue_all(issues(quiet, 300)).await.unwrap();
    producer.enqueue(Job::SyncTouched { instance: quiet, lane: Lane::ALL[0] }).await.unwrap();
    producer.enqueue_all(issues(loud, 20)).await.unwrap();
    let runs = |instance| {
        let count = Arc::new(AtomicUsize::new(0));
        (instance, count)
    };
    let (of_quiet, of_loud) = (runs(quiet).1, runs(loud).1);
    let mut workers = Vec::new();
    for queue in [QueueName::Upkeep, QueueName::Live] {
        let (of_quiet, of_loud) = (Arc::clone(&of_quiet), Arc::clone(&of_loud));
        workers.push(Worker::start(&config, BackendOptions { queue, ..options("w") }, move |envelope| {
            assert_eq!((envelope.attempt, envelope.snoozes), (0, 0));
            let runs = if envelope.job.instance() == quiet { &of_quiet } else { &of_loud };
            runs.fetch_add(1, Ordering::SeqCst);
            async { Outcome::Done }
        }));
    }
    let parked = async |queue| producer.depth(queue).await.unwrap().parked;
    eventually(async || parked(QueueName::Upkeep).await == 300 && parked(QueueName::Live).await == 1).await;
    eventually(async || of_loud.load(Ordering::SeqCst) == 20).await;
    assert_eq!(of_quiet.load(Ordering::SeqCst), 0);
    assert!(!producer.is_idle().await.unwrap(), "they are not forgotten");
    let again = producer.enqueue(Job::SyncTouched { instance: quiet, lane: Lane::ALL[0] }).await.unwrap();
    assert!(matches!(again, Enqueued::Already { .. }), "each request is kept once");
    let page = producer.jobs(QueueName::Upkeep, JobState::Parked, None, 10).await.unwrap();
    assert!(page.jobs.iter().all(|listed| listed.envelope.as_ref().unwrap().job.instance() == quiet));
    let one = page.jobs[0].envelope.as_ref().unwrap().id;
    assert!(
        matches!(producer.cancel(one).await.unwrap(), Cancelled::Removed(listed) if listed.state == JobState::Parked)
    );

    assert!(producer.resume(Scope::Instance(quiet)).await.unwrap());
    eventually(async || of_quiet.load(Ordering::SeqCst) == 300).await;
    eventually(async || producer.is_idle().await.unwrap()).await;
    for worker in workers {
        worker.stop().await;
    }
    let left: Vec<String> =
        keys(&config).await.into_iter().filter(|key| key.contains("parked") || key.contains("unique")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Nobody renews the claim of what is parked, so during a long pause the same is asked for again.
#[tokio::test]
async fn a_pause_that_outlives_claims_loses_no_request_and_leaves_no_claim() {
    let (config, producer) = producer().await;
    let instance = InstanceId::generate();
    producer.pause(Scope::Instance(instance), order("a long weekend")).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("w"), move |envelope| {
        seen.send(envelope.id).unwrap();
        async { Outcome::Done }
    });
    let jobs = [Job::SyncDirectory { instance }, Job::Backfill { instance, projects: Vec::new(), since: None }];
    let mut latest = Vec::new();
    for round in 0..3 {
        latest.clear();
        for job in &jobs {
            latest.push(enqueue(&producer, job.clone()).await);
        }
        // The parked ones are the last that were asked for: nothing waits any more.
        eventually(async || {
            let page = producer.jobs(BULK, JobState::Parked, None, 10).await.unwrap();
            let parked: Vec<JobId> = page.jobs.iter().map(|job| job.envelope.as_ref().unwrap().id).collect();
            parked.len() == 2 && latest.iter().all(|id| parked.contains(id))
        })
        .await;
        if round < 2 {
            let claims = keys(&config).await.into_iter().filter(|key| key.contains(":unique:"));
            let claims: Vec<String> = claims.collect();
            assert_eq!(claims.len(), 2, "{claims:?}");
            redis::cmd("DEL").arg(&claims).query_async::<()>(&mut raw(&config).await).await.unwrap();
        }
    }
    assert!(producer.resume(Scope::Instance(instance)).await.unwrap());
    let mut run = vec![within(ran.recv()).await.unwrap(), within(ran.recv()).await.unwrap()];
    run.sort_unstable();
    latest.sort_unstable();
    assert_eq!(run, latest);
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.stop().await;
    let held = ["unique", "shares", "parked"];
    let left: Vec<String> =
        keys(&config).await.into_iter().filter(|key| held.iter().any(|name| key.contains(name))).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn cancelled_jobs_do_not_run_wherever_they_are() {
    let (config, producer) = producer().await;
    let (waiting, delayed, both) = (directory(), directory(), directory());
    let first = enqueue(&producer, waiting.clone()).await;
    let Enqueued::New(second) = producer.enqueue_in(delayed.clone(), Duration::from_secs(3600)).await.unwrap() else {
        panic!("already there")
    };
    let third = enqueue(&producer, both).await;
    for (id, state) in [(first, JobState::Waiting), (second, JobState::Delayed)] {
        let found = producer.find(id).await.unwrap().unwrap();
        assert_eq!((found.state, found.queue), (state, BULK));
        assert!(matches!(producer.cancel(id).await.unwrap(), Cancelled::Removed(listed) if listed.state == state));
        assert_eq!(producer.find(id).await.unwrap(), None);
        assert!(matches!(producer.cancel(id).await.unwrap(), Cancelled::Ended(ended) if ended.outcome == "cancelled"));
    }
    assert_eq!(producer.cancel(JobId::generate()).await.unwrap(), Cancelled::Unseen);
    let again = enqueue(&producer, waiting).await;
    assert!(matches!(producer.enqueue(delayed).await.unwrap(), Enqueued::New(_)), "their keys are free");
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("w"), move |envelope| {
        seen.send(envelope.id).unwrap();
        async { Outcome::Done }
    });
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(within(ran.recv()).await.unwrap());
    }
    eventually(async || producer.is_idle().await.unwrap()).await;
    assert!(ids.contains(&third) && ids.contains(&again) && !ids.contains(&first) && !ids.contains(&second));
    worker.stop().await;
}

/// Set when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_cancelled_run_is_dropped_within_a_heartbeat() {
    let (config, producer) = producer().await;
    let job = directory();
    let id = enqueue(&producer, job.clone()).await;
    let gone = Arc::new(AtomicBool::new(false));
    let (seen, mut ran) = mpsc::unbounded_channel();
    let dropped = Arc::clone(&gone);
    let lease = Duration::from_secs(6);
    let worker = Worker::start(&config, BackendOptions { lease, ..options("w") }, move |envelope| {
        let guard = Dropped(Arc::clone(&dropped));
        seen.send(envelope.id).unwrap();
        async move {
            let _guard = guard;
            if envelope.id == id { std::future::pending().await } else { Outcome::Done }
        }
    });
    assert_eq!(within(ran.recv()).await, Some(id));
    let asked = Instant::now();
    let told = producer.cancel(id).await.unwrap();
    assert!(matches!(told, Cancelled::Told(listed) if listed.worker.as_deref() == Some("w")));
    eventually(async || gone.load(Ordering::SeqCst)).await;
    assert!(asked.elapsed() < lease / 3 + Duration::from_millis(500), "{:?}", asked.elapsed());
    eventually(async || producer.is_idle().await.unwrap()).await;
    assert_eq!(producer.depth(BULK).await.unwrap().dead, 0);
    eventually(async || producer.find_finished(id).await.unwrap().is_some_and(|ended| ended.outcome == "cancelled"))
        .await;
    let next = enqueue(&producer, job).await;
    assert_eq!(within(ran.recv()).await, Some(next), "its slot and its key are free");
    worker.stop().await;
}

#[tokio::test]
async fn a_chain_ends_with_the_page_that_is_cancelled() {
    let (config, producer) = producer().await;
    let (instance, project, run) = (InstanceId::generate(), domain::ProjectId(1), uuid::Uuid::now_v7());
    let page = move |page| Job::BackfillProject { instance, project, run, page };
    let id = enqueue(&producer, page(0)).await;
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    let (seen, mut ran) = mpsc::unbounded_channel();
    // A lease so long that the order never reaches the run: its next page comes too late.
    let options = BackendOptions { lease: Duration::from_secs(600), ..options("w") };
    let worker = Worker::start(&config, options, move |envelope| {
        let gate = Arc::clone(&gate);
        seen.send(envelope.job.turn()).unwrap();
        async move {
            gate.notified().await;
            Outcome::Next(page(envelope.job.turn() + 1))
        }
    });
    assert_eq!(within(ran.recv()).await, Some(0));
    assert!(matches!(producer.cancel(id).await.unwrap(), Cancelled::Told(_)));
    open.notify_one();
    eventually(async || producer.is_idle().await.unwrap()).await;
    assert!(ran.try_recv().is_err(), "no next page");
    assert!(matches!(producer.enqueue(page(0)).await.unwrap(), Enqueued::New(_)), "its key is free");
    assert_eq!(within(ran.recv()).await, Some(0));
    worker.task.abort();
}

#[tokio::test]
async fn what_ended_is_remembered_within_bounds() {
    let (config, producer) = producer().await;
    let worker = Worker::start(&config, BackendOptions { slots: 100, ..options("w") }, |envelope| async move {
        match envelope.job {
            Job::Backfill { .. } => Outcome::GiveUp { reason: "no such project".to_owned() },
            _ => Outcome::Done,
        }
    });
    let failing = Job::Backfill { instance: InstanceId::generate(), projects: Vec::new(), since: None };
    let dead = enqueue(&producer, failing).await;
    eventually(async || producer.find_finished(dead).await.unwrap().is_some()).await;
    let ended = producer.find_finished(dead).await.unwrap().unwrap();
    assert_eq!((ended.outcome.as_str(), ended.error.as_deref(), ended.attempt), ("dead", Some("no such project"), 1));
    assert_eq!(ended.kind, "backfill");
    // Of hundreds that end at once, only some are remembered.
    eventually(async || {
        producer.enqueue_all((0..50).map(|_| directory()).collect()).await.unwrap();
        eventually(async || producer.is_idle().await.unwrap()).await;
        let ends = producer.finished(BULK, 0, 5_000).await.unwrap();
        ends.len() == 1_000 && ends.iter().all(|ended| ended.outcome == "done")
    })
    .await;
    worker.stop().await;
    assert_eq!(producer.find_finished(dead).await.unwrap(), None, "only the last thousand");
}

#[tokio::test]
async fn jobs_are_listed_page_by_page_and_found_by_their_id() {
    let (config, producer) = producer().await;
    let mut ids = Vec::new();
    for _ in 0..25 {
        ids.push(enqueue(&producer, directory()).await);
    }
    let mut listed = Vec::new();
    let mut after = None::<String>;
    loop {
        let page = producer.jobs(BULK, JobState::Waiting, after.as_deref(), 10).await.unwrap();
        assert!(page.jobs.len() <= 10);
        listed.extend(page.jobs.into_iter().map(|job| job.envelope.unwrap().id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, ids);
    for minutes in 1..=3 {
        producer.enqueue_in(directory(), Duration::from_secs(60 * minutes)).await.unwrap();
    }
    let page = producer.jobs(BULK, JobState::Delayed, None, 2).await.unwrap();
    let rest = producer.jobs(BULK, JobState::Delayed, page.next.as_deref(), 2).await.unwrap();
    assert_eq!((page.jobs.len(), rest.jobs.len(), rest.next), (2, 1, None));
    assert!(page.jobs[0].at < page.jobs[1].at && page.jobs[1].at < rest.jobs[0].at, "by the time they are due");

    let worker = Worker::start(&config, options("w"), |_| std::future::pending());
    eventually(async || producer.depth(BULK).await.unwrap().running == 10).await;
    let running = producer.jobs(BULK, JobState::Running, None, 100).await.unwrap();
    assert!(running.jobs.iter().all(|job| job.worker.as_deref() == Some("w") && job.deliveries == 1));
    assert_eq!(running.jobs.len(), 10);
    let status = producer.status(BULK).await.unwrap();
    assert_eq!(status.workers, [("w".to_owned(), 10)]);
    assert_eq!(producer.find(ids[0]).await.unwrap().unwrap().state, JobState::Running);
    assert_eq!(producer.find(ids[20]).await.unwrap().unwrap().state, JobState::Waiting);
    assert!(matches!(producer.discard_job(ids[0]).await.unwrap_err(), Error::WrongState { state: "running", .. }));
    producer.discard_job(ids[20]).await.unwrap();
    assert!(matches!(producer.discard_job(ids[20]).await.unwrap_err(), Error::NoSuchJob(id) if id == ids[20]));
    let hurried = page.jobs[0].envelope.as_ref().unwrap().id;
    producer.hasten(hurried).await.unwrap();
    assert_eq!(producer.find(hurried).await.unwrap().unwrap().state, JobState::Waiting);
    assert!(matches!(producer.hasten(hurried).await.unwrap_err(), Error::WrongState { state: "waiting", .. }));
    worker.task.abort();
}
