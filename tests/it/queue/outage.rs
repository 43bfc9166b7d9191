//! Redis goes away, fills up, forgets: workers and producers outlive it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use queue::{BackendOptions, Outcome, Producer};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use super::{OwnRedis, Worker, directory, eventually, options, raw, within};

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
