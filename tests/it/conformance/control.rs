//! Control: what an operator can see and do from any process.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Ask, Counts, Hire, Log, Say, Subject, ms, until};
use crate::queue::OwnRedis;

pub(super) async fn dead_jobs_are_replayed<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let handler = log.handler(|_, before| async move { if before == 0 { Say::GiveUp } else { Say::Done } });
    let _worker = subject.hire(Hire::new("w"), handler);
    for _ in 0..3 {
        subject.ask(Ask::any()).await;
    }
    until("all are dead", ms(3_000), async || subject.dead().await == 3).await;
    assert_eq!(subject.replay().await, Some(3));
    until("all run again", ms(3_000), async || log.starts() == 6).await;
    assert_eq!(subject.dead().await, 0);
}

pub(super) async fn jobs_are_counted_by_state<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let dead = Ask::any();
    let handler = log.handler(move |id, _| async move {
        if id == dead.id {
            return Say::GiveUp;
        }
        std::future::pending().await
    });
    subject.ask(dead).await;
    let _worker = subject.hire(Hire { slots: 2, ..Hire::new("w") }, handler);
    until("one is dead", ms(3_000), async || subject.dead().await == 1).await;
    for _ in 0..5 {
        subject.ask(Ask::any()).await;
    }
    subject.ask(Ask { delay: ms(60_000), ..Ask::any() }).await;
    let wanted = Counts { waiting: 3, delayed: 1, running: 2, dead: 1 };
    until("all are counted", ms(3_000), async || subject.counts().await == Some(wanted)).await;
}

pub(super) async fn a_queue_is_paused_for_all_workers<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let _workers = [subject.hire(Hire::new("one"), log.done()), subject.hire(Hire::new("two"), log.done())];
    assert!(subject.pause().await.is_some(), "there is no way to pause");
    tokio::time::sleep(ms(1_500)).await;
    subject.ask(Ask::any()).await;
    tokio::time::sleep(ms(700)).await;
    assert_eq!(log.jobs(), 0, "nothing starts");
    assert!(subject.resume().await.is_some(), "there is no way to resume");
    until("it goes on", ms(3_000), async || log.jobs() == 1).await;
}

pub(super) async fn a_waiting_job_is_called_off<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let (off, on) = (Ask::any(), Ask::any());
    subject.ask(off).await;
    subject.ask(on).await;
    assert!(subject.cancel(off.id).await.is_some(), "there is no way to cancel");
    let _worker = subject.hire(Hire::new("w"), log.done());
    until("the other runs", ms(3_000), async || !log.of(on.id).is_empty()).await;
    tokio::time::sleep(ms(200)).await;
    assert!(log.of(off.id).is_empty());
}

pub(super) async fn a_running_job_is_called_off<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let (dropped, told) = oneshot::channel::<()>();
    let dropped = Arc::new(std::sync::Mutex::new(Some(dropped)));
    let handler = log.handler(move |_, _| {
        let held = dropped.lock().expect("nobody panicked").take();
        async move {
            let _held = held;
            std::future::pending().await
        }
    });
    let ask = Ask::any();
    subject.ask(ask).await;
    let _worker = subject.hire(Hire { lease: ms(3_000), ..Hire::new("w") }, handler);
    until("it runs", ms(3_000), async || log.jobs() == 1).await;
    assert!(subject.cancel(ask.id).await.is_some(), "there is no way to cancel");
    let ended = tokio::time::timeout(ms(3_000), told).await;
    assert!(ended.is_ok(), "it still runs a heartbeat later");
    tokio::time::sleep(ms(300)).await;
    assert_eq!(log.starts(), 1, "it is not run again");
}
