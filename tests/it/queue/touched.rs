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
    assert_eq!(left.0, 2, "what was touched meanwhile rests");
    let rest = producer.touched(instance, lane).oldest(10).await.unwrap();
    assert_eq!(rest.ids(), ids[2..]);
    assert_eq!(producer.settle_touched(&rest).await.unwrap().0, 0);
    // What was looked at a moment ago rests, too.
    let cold = (200..).map(IssueId).find(|id| Lane::of(*id) == lane).unwrap();
    producer.touch(instance, &[ids[0], cold, ids[2]], at(102)).await.unwrap();
    let waiting = producer.touched(instance, lane).oldest(10).await.unwrap();
    assert_eq!(waiting.ids(), [cold], "others do not wait for it");
    producer.settle_touched(&waiting).await.unwrap();
    let mut woken: Vec<IssueId> = wake_all(&producer, instance, lane).await;
    woken.sort_unstable();
    let mut expected = vec![ids[0], ids[1], ids[2]];
    expected.sort_unstable();
    assert_eq!(woken, expected);
    // A reader that comes late settles nothing that was touched since: it is looked at again.
    producer.settle_touched(&oldest).await.unwrap();
    assert_eq!(wake_all(&producer, instance, lane).await.len(), 3);
}

/// Waits until nothing rests any more; the issues that wait then.
async fn wake_all(producer: &queue::Producer, instance: InstanceId, lane: Lane) -> Vec<IssueId> {
    while let Some(wait) = producer.wake_touched(instance).await.unwrap() {
        tokio::time::sleep(wait).await;
    }
    producer.touched(instance, lane).oldest(10).await.unwrap().ids()
}

#[tokio::test]
async fn no_touch_is_lost_whenever_it_comes() {
    let (_, producer) = producer().await;
    let instance = InstanceId::generate();
    let (edits, looks) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let people = {
        let (producer, edits) = (producer.clone(), Arc::clone(&edits));
        tokio::spawn(async move {
            for number in 1..=10_000_usize {
                edits.store(number, Ordering::SeqCst);
                producer.touch(instance, &[IssueId(7)], Utc::now()).await.unwrap();
            }
        })
    };
    let lane = Lane::of(IssueId(7));
    let mut seen = 0;
    // A worker's loop with nothing in between: the issue is looked at whenever it waits.
    while !(people.is_finished() && seen == 10_000) {
        let touched = producer.touched(instance, lane).oldest(10).await.unwrap();
        if touched.entries.is_empty() {
            if let Some(wait) = producer.wake_touched(instance).await.unwrap() {
                tokio::time::sleep(wait.min(std::time::Duration::from_millis(5))).await;
            }
            continue;
        }
        seen = edits.load(Ordering::SeqCst);
        looks.fetch_add(1, Ordering::SeqCst);
        producer.settle_touched(&touched).await.unwrap();
    }
    people.await.unwrap();
    assert_eq!(seen, 10_000, "the last touch was looked at");
    println!("{} looks for 10,000 touches", looks.load(Ordering::SeqCst));
}
