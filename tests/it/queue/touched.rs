//! The touched set: nothing that was touched is forgotten, and a storm costs a few batches.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::Utc;
use domain::{InstanceId, IssueId};
use queue::{BackendOptions, Job, Lane, Outcome, QueueName};

use super::{Worker, eventually, options, producer};

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
    worker.stop().await;
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 5_000);
    assert!(asked.values().all(|times| *times == 1), "each was asked for once");
    assert!((50..=54).contains(&batches.load(Ordering::SeqCst)), "{batches:?} batches of a hundred");
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
