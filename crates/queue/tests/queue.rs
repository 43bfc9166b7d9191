//! The queue's promises against a real Redis: nothing lost, nothing stuck, nothing run that was overtaken.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis_core::{
    error::WorkerError,
    worker::{builder::WorkerBuilder, context::WorkerContext},
};
use chrono::Utc;
use domain::{InstanceId, IssueId, ProjectId};
use queue::{
    BackendOptions, Backoff, Config, Enqueued, Envelope, Error, Job, Lane, Outcome, Producer, QueueName, StreamBackend,
};
use tests::queue_config;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};

mod tests {
    pub async fn queue_config() -> queue::Config {
        let url = std::env::var("QUEUE_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6399".into());
        queue::Config { url, prefix: format!("t{}", uuid::Uuid::now_v7().simple()) }
    }
}

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
    assert_eq!(within(ran.recv()).await, Some(second));
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
        assert!(late < Duration::from_millis(150), "{late:?} late after {delay:?}");
        assert!(asked.elapsed() >= delay - Duration::from_millis(2), "not early either");
    }
    worker.stop().await;
}

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
async fn what_nobody_can_read_is_kept_and_what_newer_pods_can_read_waits() {
    let (config, producer) = producer().await;
    add_raw(&config, QueueName::Bulk, b"\xff\x00 not a job").await;
    let newer = format!(
        r#"{{"id":"{}","job":{{"kind":"census","of":[1.50]}},"enqueued_at":"{}","new":true}}"#,
        uuid::Uuid::now_v7(),
        Utc::now().to_rfc3339()
    );
    add_raw(&config, QueueName::Bulk, newer.as_bytes()).await;
    add_fields(&config, QueueName::Bulk, &[("who", "somebody"), ("what", "else")]).await;
    producer.enqueue(directory()).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("w"), move |envelope| {
        seen.send(envelope.job.kind()).unwrap();
        async { Outcome::Done }
    });
    assert_eq!(within(ran.recv()).await, Some("sync_directory"), "the others go on");
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().dead == 2).await;
    let letters = producer.dead_letters(QueueName::Bulk, None, 10).await.unwrap();
    assert_eq!(letters[0].raw, b"\xff\x00 not a job");
    assert_eq!(letters[1].raw, b"who somebody what else");
    assert!(letters[0].envelope.is_none() && letters[0].reason.starts_with("not a job"), "{:?}", letters[0]);
    let refused = producer.replay(QueueName::Bulk, &letters[0].id).await.unwrap_err();
    assert!(matches!(refused, Error::Unreadable(_)), "{refused}");
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().delayed == 1).await;
    let key = format!("{}:{{bulk}}:delayed", config.prefix);
    let waiting: Vec<String> =
        redis::cmd("ZRANGE").arg(key).arg(0).arg(-1).query_async(&mut raw(&config).await).await.unwrap();
    assert_eq!(waiting, [newer], "to the byte");
    worker.stop().await;
}

#[tokio::test]
async fn dead_letters_are_replayed_one_by_one_or_all_and_never_lost() {
    let (config, producer) = producer().await;
    let jobs: Vec<Job> = (0..5).map(|_| directory()).collect();
    producer.enqueue_all(jobs.clone()).await.unwrap();
    let healed = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&healed);
    let worker = Worker::start(&config, options("w"), move |_| {
        let well = well.load(Ordering::SeqCst);
        async move { if well { Outcome::Done } else { Outcome::GiveUp { reason: "ill".to_owned() } } }
    });
    let bulk = QueueName::Bulk;
    eventually(async || producer.depth(bulk).await.unwrap().dead == 5).await;
    let letters = producer.dead_letters(bulk, None, 2).await.unwrap();
    let more = producer.dead_letters(bulk, Some(&letters[1].id), 10).await.unwrap();
    assert_eq!((letters.len(), more.len()), (2, 3));
    healed.store(true, Ordering::SeqCst);

    // One whose key is taken stays where it is.
    let blocked = more[0].envelope.clone().unwrap().job;
    producer.enqueue_in(blocked, Duration::from_secs(60)).await.unwrap();
    assert!(matches!(producer.replay(bulk, &more[0].id).await.unwrap(), Enqueued::Already { .. }));
    assert!(matches!(producer.replay(bulk, &letters[0].id).await.unwrap(), Enqueued::New(_)));
    assert!(matches!(producer.replay(bulk, &letters[0].id).await.unwrap_err(), Error::NoSuchLetter(_)));
    assert!(matches!(producer.replay(bulk, "nonsense").await.unwrap_err(), Error::NoSuchLetter(_)));
    assert!(producer.discard(bulk, &letters[1].id).await.unwrap());
    assert!(!producer.discard(bulk, &letters[1].id).await.unwrap());
    let replayed = producer.replay_all(bulk, |letter| letter.reason == "ill").await.unwrap();
    assert_eq!((replayed.replayed, replayed.left), (2, 1));
    eventually(async || producer.depth(bulk).await.unwrap().ready + producer.depth(bulk).await.unwrap().running == 0)
        .await;
    assert_eq!(producer.depth(bulk).await.unwrap().dead, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_storm_of_touches_becomes_a_few_batches() {
    let (config, producer) = producer().await;
    let instance = InstanceId::generate();
    let storm: Vec<IssueId> = (1..=5_000).map(IssueId).collect();
    for chunk in storm.chunks(700) {
        producer.touch(instance, chunk, Utc::now()).await.unwrap();
    }
    assert_eq!(producer.depth(QueueName::Live).await.unwrap().ready, 4, "one job per lane");
    let (batches, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(HashMap::<IssueId, u32>::new())));
    let (count, seen, reader) = (Arc::clone(&batches), Arc::clone(&asked), producer.clone());
    let worker = Worker::start(&config, BackendOptions { queue: QueueName::Live, ..options("w") }, move |envelope| {
        let (count, seen, producer) = (Arc::clone(&count), Arc::clone(&seen), reader.clone());
        async move {
            let Job::SyncTouched { instance, lane } = envelope.job else { panic!("{:?}", envelope.job) };
            let touched = producer.touched(instance, lane).oldest(100).await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            for id in touched.ids() {
                *seen.lock().unwrap().entry(id).or_default() += 1;
            }
            let left = producer.settle_touched(&touched).await.unwrap();
            if left.0 > 0 { Outcome::Next(Job::SyncTouched { instance, lane }) } else { Outcome::Done }
        }
    });
    eventually(async || producer.is_idle().await.unwrap()).await;
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 5_000);
    assert!(asked.values().all(|times| *times == 1), "each was asked for once");
    assert!((50..=54).contains(&batches.load(Ordering::SeqCst)), "{batches:?} batches of a hundred");
    worker.stop().await;
}

#[tokio::test]
async fn an_issue_touched_while_it_is_looked_at_stays() {
    let (_, producer) = producer().await;
    let instance = InstanceId::generate();
    let lane = Lane::of(IssueId(1));
    let ids: Vec<IssueId> = (1..200).map(IssueId).filter(|id| Lane::of(*id) == lane).take(4).collect();
    let at = |second| chrono::DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
    for (second, id) in ids.iter().enumerate() {
        producer.touch(instance, &[*id], at(second as i64)).await.unwrap();
    }
    producer.touch(instance, &[ids[0]], at(100)).await.unwrap();
    let oldest = producer.touched(instance, lane).oldest(2).await.unwrap();
    assert_eq!(oldest.ids(), ids[..2], "by the first touch, not by the last");
    assert_eq!((oldest.entries[0].count, oldest.entries[0].first_touched_at), (2, at(0)));

    producer.touch(instance, &[ids[1]], at(101)).await.unwrap();
    let left = producer.settle_touched(&oldest).await.unwrap();
    assert_eq!(left.0, 3);
    let rest = producer.touched(instance, lane).oldest(10).await.unwrap();
    assert_eq!(rest.ids(), [ids[2], ids[3], ids[1]], "what was touched meanwhile goes to the back");
    // A reader that comes late settles nothing that was touched since, not even at the same count.
    assert_eq!(producer.settle_touched(&rest).await.unwrap().0, 0);
    producer.touch(instance, &[ids[0]], at(102)).await.unwrap();
    producer.touch(instance, &[ids[0]], at(103)).await.unwrap();
    assert_eq!(producer.settle_touched(&oldest).await.unwrap().0, 1);
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
    let started = Arc::new(Notify::new());
    let signal = Arc::clone(&started);
    let worker = Worker::start(&config, options("one"), move |_| {
        signal.notify_one();
        std::future::pending()
    });
    within(started.notified()).await;
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

#[tokio::test]
async fn a_job_too_large_is_refused() {
    let (_, producer) = producer().await;
    let projects = (0..40_000).map(|n| format!("PROJECT{n}").parse().unwrap()).collect();
    let job = Job::Backfill { instance: InstanceId::generate(), projects, since: None };
    let refused = producer.enqueue(job).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { limit: 262_144, .. }), "{refused}");
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
async fn workers_and_producers_outlive_a_restart_of_redis() {
    let mut server = OwnRedis::start().await;
    let config = server.config();
    let producer = Producer::connect(&config).await.unwrap();
    let done = Arc::new(Mutex::new(HashMap::<queue::JobId, u32>::new()));
    let seen = Arc::clone(&done);
    let worker = Worker::start(&config, BackendOptions { slots: 8, ..options("w") }, move |envelope| {
        let seen = Arc::clone(&seen);
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            *seen.lock().unwrap().entry(envelope.id).or_default() += 1;
            Outcome::Done
        }
    });
    producer.enqueue_all((0..600).map(|_| directory()).collect()).await.unwrap();
    eventually(async || done.lock().unwrap().len() > 50).await;
    server.kill();
    let began = Instant::now();
    let away = producer.enqueue(directory()).await.unwrap_err();
    assert!(away.is_passing(), "{away}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.run().await;
    eventually(async || producer.enqueue(directory()).await.is_ok()).await;
    eventually(async || done.lock().unwrap().len() == 601).await;
    eventually(async || producer.is_idle().await.unwrap()).await;
    assert!(!worker.task.is_finished(), "a network fault never ends a worker");
    let twice = done.lock().unwrap().values().filter(|runs| **runs > 1).count();
    assert_eq!(twice, 0, "everysec lost nothing to a kill of the process");
    worker.stop().await;
}

#[tokio::test]
async fn a_flushed_or_full_redis_costs_time_and_no_worker() {
    let server = OwnRedis::start().await;
    let config = server.config();
    let producer = Producer::connect(&config).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    let worker = Worker::start(&config, options("w"), move |envelope| {
        let gate = Arc::clone(&open);
        seen.send(envelope.attempt).unwrap();
        async move {
            if envelope.attempt > 0 {
                return Outcome::Done;
            }
            gate.notified().await;
            Outcome::Retry { error: "again".to_owned(), after: Some(Duration::ZERO) }
        }
    });
    let mut raw = raw(&config).await;
    producer.enqueue(directory()).await.unwrap();
    within(ran.recv()).await.unwrap();
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").query_async::<()>(&mut raw).await.unwrap();
    let full = producer.enqueue(directory()).await.unwrap_err();
    assert!(full.is_passing(), "{full}");
    gate.notify_one();
    assert!(timeout(Duration::from_millis(300), ran.recv()).await.is_err());
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("0").query_async::<()>(&mut raw).await.unwrap();
    assert_eq!(within(ran.recv()).await, Some(1), "the outcome waited for room");

    redis::cmd("FLUSHALL").query_async::<()>(&mut raw).await.unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").query_async::<()>(&mut raw).await.unwrap();
    producer.enqueue(directory()).await.unwrap();
    assert_eq!(within(ran.recv()).await, Some(0), "the group is made again");
    gate.notify_one();
    assert_eq!(within(ran.recv()).await, Some(1));
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_stops_while_redis_is_away() {
    let mut server = OwnRedis::start().await;
    let config = server.config();
    let worker = Worker::start(&config, options("w"), |_| async { Outcome::Done });
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.kill();
    tokio::time::sleep(Duration::from_millis(200)).await;
    worker.context.stop().unwrap();
    timeout(Duration::from_secs(9), worker.task).await.unwrap().unwrap().unwrap();
    let late = Producer::lazy(&config).unwrap();
    assert!(late.ping().await.unwrap_err().is_passing());
    server.run().await;
    late.ping().await.unwrap();
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

// What the tests are made of.

struct Worker {
    context: WorkerContext,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Worker {
    fn start<F, Fut>(config: &Config, options: BackendOptions, handler: F) -> Self
    where
        F: Fn(Envelope) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let context = WorkerContext::new(&options.consumer);
        let backend = StreamBackend::new(config, options).unwrap();
        let worker = WorkerBuilder::new(context.clone()).backend(backend).build(handler);
        Self { context, task: tokio::spawn(worker.run()) }
    }

    async fn stop(self) {
        self.context.stop().unwrap();
        within(self.task).await.unwrap().unwrap();
    }
}

/// A runtime of its own, which ends like a killed process: nobody gets to say goodbye.
struct Doomed(tokio::runtime::Runtime);

impl Doomed {
    fn new() -> Self {
        Self(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
    }

    fn run(&self, start: impl Future<Output = Worker> + Send + 'static) {
        self.0.spawn(start);
    }

    fn kill(self) {
        self.0.shutdown_background();
    }
}

/// A server that a test may kill.
struct OwnRedis {
    folder: std::path::PathBuf,
    child: Option<tokio::process::Child>,
}

impl OwnRedis {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("queue-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut server = Self { folder, child: None };
        server.run().await;
        server
    }

    async fn run(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        let mut command = tokio::process::Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--requirepass", "secret", "--unixsocket"]);
        command.arg(self.socket()).arg("--dir").arg(&self.folder).stdout(Stdio::null()).kill_on_drop(true);
        self.child = Some(command.spawn().unwrap());
        eventually(async || Producer::connect(&self.config()).await.is_ok()).await;
    }

    fn kill(&mut self) {
        drop(self.child.take());
        while Path::new(&self.socket()).exists() && std::os::unix::net::UnixStream::connect(self.socket()).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.join("s")
    }

    fn config(&self) -> Config {
        Config { url: format!("unix://{}?pass=secret", self.socket().display()), prefix: "own".to_owned() }
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn producer() -> (Config, Producer) {
    let config = queue_config().await;
    let producer = Producer::connect(&config).await.unwrap();
    (config, producer)
}

/// Quick to fail and quick to try again.
fn options(consumer: &str) -> BackendOptions {
    let backoff = Backoff { base: Duration::from_millis(10), cap: Duration::from_millis(50) };
    BackendOptions { backoff, ..BackendOptions::new(QueueName::Bulk, consumer, 8) }
}

fn directory() -> Job {
    Job::SyncDirectory { instance: InstanceId::generate() }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(15), future).await.expect("within 15 seconds")
}

async fn eventually(condition: impl AsyncFn() -> bool) {
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn raw(config: &Config) -> redis::aio::MultiplexedConnection {
    redis::Client::open(config.url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn add_raw(config: &Config, queue: QueueName, body: &[u8]) {
    let mut add = redis::cmd("XADD");
    add.arg(format!("{}:{{{queue}}}:s", config.prefix)).arg("*").arg("e").arg(body);
    add.query_async::<()>(&mut raw(config).await).await.unwrap();
}

async fn add_fields(config: &Config, queue: QueueName, fields: &[(&str, &str)]) {
    let mut add = redis::cmd("XADD");
    add.arg(format!("{}:{{{queue}}}:s", config.prefix)).arg("*");
    for (name, value) in fields {
        add.arg(name).arg(value);
    }
    add.query_async::<()>(&mut raw(config).await).await.unwrap();
}

async fn keys(config: &Config) -> Vec<String> {
    redis::cmd("KEYS").arg(format!("{}:*", config.prefix)).query_async(&mut raw(config).await).await.unwrap()
}

async fn consumers(config: &Config, queue: QueueName) -> usize {
    let stream = format!("{}:{{{queue}}}:s", config.prefix);
    let found: Vec<redis::Value> =
        redis::cmd("XINFO").arg("CONSUMERS").arg(stream).arg("g").query_async(&mut raw(config).await).await.unwrap();
    found.len()
}
