//! Who asks for little does not wait for who asks for much; who asks for too much is told so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{InstanceId, IssueId};
use queue::{BackendOptions, Enqueued, Error, Job, JobState, Outcome, QueueName};
use tokio::sync::mpsc;

use super::{Worker, eventually, keys, options, producer, raw, within};

const UPKEEP: QueueName = QueueName::Upkeep;

fn issues(instance: InstanceId, ids: std::ops::Range<i64>) -> Vec<Job> {
    ids.map(|issue| Job::SyncIssue { instance, issue: IssueId(issue) }).collect()
}

#[tokio::test]
async fn one_instance_with_fifty_thousand_jobs_does_not_delay_another() {
    let (config, producer) = producer().await;
    let (hog, small) = (InstanceId::generate(), InstanceId::generate());
    producer.enqueue_all(issues(hog, 0..50_000)).await.unwrap();
    let depth = producer.depth(UPKEEP).await.unwrap();
    assert_eq!((depth.ready, depth.lined), (1_000, 49_000), "a share in the stream, the rest in a line");
    let (seen, mut ran) = mpsc::unbounded_channel();
    let of_hog = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&of_hog);
    let worker = Worker::start(&config, BackendOptions { queue: UPKEEP, ..options("w") }, move |envelope| {
        let (seen, count) = (seen.clone(), Arc::clone(&count));
        async move {
            if envelope.job.instance() == small {
                seen.send(Instant::now()).unwrap();
            } else {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Outcome::Done
        }
    });
    // As soon as the fleet knows its own size, shares are twice that.
    eventually(async || producer.depth(UPKEEP).await.unwrap().ready < 64).await;
    for issue in 0..10 {
        let asked = Instant::now();
        producer.enqueue(Job::SyncIssue { instance: small, issue: IssueId(issue) }).await.unwrap();
        let started = within(ran.recv()).await.unwrap();
        assert!(started - asked < Duration::from_secs(1), "{:?}", started - asked);
    }
    let before = of_hog.load(Ordering::SeqCst);
    eventually(async || of_hog.load(Ordering::SeqCst) > before + 200).await;
    let depth = producer.depth(UPKEEP).await.unwrap();
    assert!(depth.lined > 30_000 && depth.ready + depth.running <= 80, "the other goes on, by its share: {depth:?}");
    worker.stop().await;
}

#[tokio::test]
async fn every_lined_job_runs_once_and_in_order_and_nothing_stays() {
    let (config, producer) = producer().await;
    let instances = [InstanceId::generate(), InstanceId::generate(), InstanceId::generate()];
    for instance in instances {
        // The first one alone: a script that Redis does not know yet is sent twice, behind the next.
        producer.enqueue_all(issues(instance, 0..1)).await.unwrap();
        producer.enqueue_all(issues(instance, 1..3_000)).await.unwrap();
    }
    let deep = producer.jobs(UPKEEP, JobState::Lined, None, 1_000).await.unwrap();
    assert_eq!((deep.jobs.len(), deep.next.is_some()), (1_000, true));
    let cancelled = deep.jobs[999].envelope.clone().unwrap();
    assert_eq!(producer.find(cancelled.id).await.unwrap().unwrap().state, JobState::Lined);
    producer.cancel(cancelled.id).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let wide = BackendOptions { queue: UPKEEP, slots: 200, prefetch: 200, ..options("w") };
    let worker = Worker::start(&config, wide, move |envelope| {
        seen.send(envelope).unwrap();
        async { Outcome::Done }
    });
    let mut started = Vec::new();
    for _ in 0..8_999 {
        started.push(within(ran.recv()).await.unwrap());
    }
    assert!(started.iter().all(|envelope| envelope.id != cancelled.id));
    for instance in instances {
        let of: Vec<_> = started.iter().filter(|envelope| envelope.job.instance() == instance).collect();
        let asked: Vec<_> = of.iter().map(|envelope| envelope.id).collect();
        assert!(asked.is_sorted(), "in the order in which they were asked for");
    }
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.stop().await;
    let left: Vec<String> = keys(&config).await;
    let left: Vec<&String> = left.iter().filter(|key| key.ends_with("shares") || key.contains("line")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_line_moves_though_the_counts_are_wrong() {
    let (config, producer) = producer().await;
    let instance = InstanceId::generate();
    let mut connection = raw(&config).await;
    let shares = format!("{}:{{upkeep}}:shares", config.prefix);
    redis::cmd("HSET")
        .arg(shares)
        .arg(instance.to_string())
        .arg(5_000)
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    producer.enqueue_all(issues(instance, 0..10)).await.unwrap();
    assert_eq!(producer.depth(UPKEEP).await.unwrap().lined, 10);
    let worker = Worker::start(&config, BackendOptions { queue: UPKEEP, ..options("w") }, |_| async { Outcome::Done });
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.stop().await;
}

#[tokio::test]
async fn who_asks_for_too_much_is_refused_and_told_when_to_come_back() {
    let (_, producer) = producer().await;
    let instance = InstanceId::generate();
    producer.enqueue_all(issues(instance, 0..101_000)).await.unwrap();
    let refused = producer.enqueue_all(issues(instance, 101_000..101_001)).await.unwrap_err();
    assert!(matches!(refused, Error::Full { queue: UPKEEP, retry_after } if retry_after > Duration::ZERO), "{refused}");
    assert!(refused.is_passing());
    let other = producer.enqueue_all(issues(InstanceId::generate(), 0..1)).await.unwrap();
    assert!(matches!(other[..], [Enqueued::New(_)]), "others are not concerned");
    let depth = producer.depth(UPKEEP).await.unwrap();
    assert_eq!((depth.ready, depth.lined), (1_001, 100_000), "what was refused left nothing behind");
}

#[tokio::test]
async fn an_idle_worker_costs_few_commands() {
    let (config, _) = producer().await;
    let mut server = super::OwnRedis::start().await;
    let config = queue::Config { prefix: config.prefix, ..server.config() };
    let worker = Worker::start(&config, options("w"), |_| async { Outcome::Done });
    let commands = async || {
        let info: String = redis::cmd("INFO").arg("stats").query_async(&mut raw(&config).await).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
        line.parse::<u64>().unwrap()
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = commands().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let after = commands().await;
    assert!(after - before <= 5 * 20 + 1, "{} commands in 20 idle seconds", after - before);
    worker.stop().await;
    server.kill();
}
