//! Trouble: poison, nonsense, and a Redis that goes away, fills up or forgets.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{Ask, Hand, Hire, Log, Say, Subject, ms, until};
use crate::queue::OwnRedis;

pub(super) async fn a_panic_is_a_failed_attempt<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let ask = Ask::any();
    subject.ask(ask).await;
    let handler = log.handler(|_, before| async move {
        assert!(before > 0, "a bug");
        Say::Done
    });
    let worker = subject.hire(Hire::new("w"), handler);
    until("it is tried again", ms(3_000), async || log.of(ask.id).len() == 2).await;
    assert!(worker.works());
}

pub(super) async fn a_job_that_kills_its_workers_is_buried<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let (poison, good) = (Ask::any(), Ask::any());
    subject.ask(poison).await;
    for _ in 0..4 {
        let before = log.of(poison.id).len();
        let handler = log.handler(|_, _| std::future::pending());
        let victim = subject.hire(Hire { lease: ms(600), ..Hire::new("pod-1") }, handler);
        let next = async || subject.dead().await == 1 || log.of(poison.id).len() > before;
        until("it runs again or is dead", ms(3_000), next).await;
        victim.kill();
    }
    let rest = Log::default();
    let _worker = subject.hire(Hire { lease: ms(600), ..Hire::new("pod-1") }, rest.done());
    subject.ask(good).await;
    until("the queue goes on", ms(3_000), async || !rest.of(good.id).is_empty()).await;
    assert_eq!((subject.dead().await, log.of(poison.id).len()), (1, 3), "dead after three lost workers");
}

pub(super) async fn nonsense_is_buried<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    subject.put_nonsense().await;
    subject.ask(Ask::any()).await;
    let worker = subject.hire(Hire::new("w"), log.done());
    until("the others go on", ms(3_000), async || log.jobs() == 1).await;
    until("it is dead", ms(3_000), async || subject.dead().await == 1).await;
    assert!(worker.works());
}

pub(super) async fn a_restart_of_redis_is_survived<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let (started, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (signal, open) = (Arc::clone(&started), Arc::clone(&gate));
    let handler = log.handler(move |_, _| {
        let (signal, open) = (Arc::clone(&signal), Arc::clone(&open));
        async move {
            signal.notify_one();
            open.notified().await;
            Say::Done
        }
    });
    let first = Ask::any();
    subject.ask(first).await;
    let worker = subject.hire(Hire { slots: 1, ..Hire::new("w") }, handler);
    until("it runs", ms(3_000), async || log.jobs() == 1).await;
    server.kill();
    gate.notify_one();
    tokio::time::sleep(ms(500)).await;
    server.run().await;
    let second = Ask::any();
    S::open(&server.url()).await;
    // A lost connection is the asker's to see; the worker is what must mend itself.
    let again = tokio::time::timeout(ms(2_000), subject.ask(second)).await;
    assert!(again.is_ok(), "asking hangs");
    subject.ask(second).await;
    until("it works again by itself", ms(4_000), async || !log.of(second.id).is_empty()).await;
    gate.notify_one();
    assert!(worker.works());
    assert_eq!(log.of(first.id).len(), 1, "its outcome waited for Redis");
}

pub(super) async fn a_cut_connection_is_survived<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let worker = subject.hire(Hire::new("w"), log.done());
    subject.ask(Ask::any()).await;
    until("it works", ms(3_000), async || log.jobs() == 1).await;
    for _ in 0..3 {
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        kill.query_async::<()>(&mut subject.raw().await).await.expect("Redis answers");
        tokio::time::sleep(ms(200)).await;
    }
    let ask = Ask::any();
    subject.ask(ask).await;
    until("it works again by itself", ms(3_000), async || !log.of(ask.id).is_empty()).await;
    assert!(worker.works());
}

pub(super) async fn a_full_redis_is_survived<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    let handler = log.handler(move |_, before| {
        let open = Arc::clone(&open);
        async move {
            if before == 0 {
                open.notified().await;
            }
            Say::Done
        }
    });
    let worker = subject.hire(Hire::new("w"), handler);
    subject.ask(Ask::any()).await;
    until("it runs", ms(3_000), async || log.jobs() == 1).await;
    memory(&subject, "1").await;
    gate.notify_one();
    tokio::time::sleep(ms(1_000)).await;
    memory(&subject, "0").await;
    let ask = Ask::any();
    subject.ask(ask).await;
    until("it works again by itself", ms(4_000), async || !log.of(ask.id).is_empty()).await;
    gate.notify_one();
    assert!(worker.works());
}

async fn memory<S: Subject>(subject: &S, bytes: &str) {
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("maxmemory").arg(bytes);
    set.query_async::<()>(&mut subject.raw().await).await.expect("Redis answers");
}

pub(super) async fn lost_data_are_survived<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let worker = subject.hire(Hire::new("w"), log.done());
    subject.ask(Ask::any()).await;
    until("it works", ms(3_000), async || log.jobs() == 1).await;
    redis::cmd("FLUSHALL").query_async::<()>(&mut subject.raw().await).await.expect("Redis answers");
    tokio::time::sleep(ms(300)).await;
    let ask = Ask::any();
    subject.ask(ask).await;
    until("it works again by itself", ms(4_000), async || !log.of(ask.id).is_empty()).await;
    assert!(worker.works());
}
