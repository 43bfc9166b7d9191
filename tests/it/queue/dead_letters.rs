//! What cannot be read or done is kept for an operator.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use queue::{Enqueued, Error, Job, Outcome, QueueName};
use tokio::sync::mpsc;

use super::{Worker, add_fields, add_raw, directory, eventually, options, producer, raw, within};

#[tokio::test]
async fn what_nobody_can_read_is_kept_and_what_newer_pods_can_read_waits() {
    let (config, producer) = producer().await;
    add_raw(&config, QueueName::Bulk, b"\xff\x00 not a job").await;
    let newer = format!(
        r#"{{"id":"{}","job":{{"kind":"of_tomorrow","of":[1.50]}},"enqueued_at":"{}","new":true}}"#,
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
async fn dead_letters_that_fall_out_are_counted() {
    const MANY: u64 = 10_300;
    let (config, producer) = producer().await;
    let key = format!("{}:{{bulk}}:dead", config.prefix);
    let mut pipe = redis::pipe();
    for _ in 0..MANY {
        pipe.cmd("XADD").arg(&key).arg("*").arg("e").arg("{}").arg("reason").arg("of old").ignore();
    }
    pipe.query_async::<()>(&mut raw(&config).await).await.unwrap();
    producer.enqueue(directory()).await.unwrap();
    let worker = Worker::start(&config, options("w"), |_| async { Outcome::GiveUp { reason: "ill".to_owned() } });
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().dropped > 0).await;
    let depth = producer.depth(QueueName::Bulk).await.unwrap();
    assert_eq!(depth.dead + depth.dropped, MANY + 1, "{depth:?}");
    worker.stop().await;
}

#[tokio::test]
async fn dead_letters_of_long_ago_or_too_large_together_fall_out() {
    let (config, producer) = producer().await;
    let key = format!("{}:{{bulk}}:dead", config.prefix);
    let mut pipe = redis::pipe();
    for (id, size) in [("1-1", 10), ("1-2", 10)] {
        pipe.cmd("XADD").arg(&key).arg(id).arg("e").arg("x".repeat(size)).ignore();
    }
    for _ in 0..400 {
        pipe.cmd("XADD").arg(&key).arg("*").arg("e").arg("x".repeat(256 * 1024)).ignore();
    }
    let mut connection = raw(&config).await;
    pipe.query_async::<()>(&mut connection).await.unwrap();
    let worker = Worker::start(&config, options("w"), |_| async { Outcome::Done });
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().dropped > 0).await;
    let depth = producer.depth(QueueName::Bulk).await.unwrap();
    let bytes: u64 = redis::cmd("MEMORY").arg("USAGE").arg(&key).query_async(&mut connection).await.unwrap();
    assert_eq!(depth.dead + depth.dropped, 402, "{depth:?}");
    assert!(bytes <= 64 << 20 && depth.dead > 150, "{bytes} {depth:?}");
    let oldest = producer.dead_letters(QueueName::Bulk, None, 1).await.unwrap();
    assert!(oldest[0].died_at.timestamp() > 1, "those of long ago are gone");
    worker.stop().await;
}
