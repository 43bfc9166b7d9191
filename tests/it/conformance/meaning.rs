//! Meaning: what becomes of a job by what its handler says, and when two requests are one.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Answer, Ask, Handler, Hire, Log, Once, Say, Subject, ms, until};
use crate::queue::OwnRedis;

pub(super) async fn failures_are_bounded<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let ask = Ask::any();
    subject.ask(ask).await;
    let _worker = subject.hire(Hire::new("w"), log.handler(|_, _| async { Say::Fail }));
    until("it is dead after four attempts", ms(9_000), async || subject.dead().await == 1).await;
    assert_eq!(log.of(ask.id).len(), 4);
}

pub(super) async fn a_first_retry_comes_soon<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let ask = Ask::any();
    subject.ask(ask).await;
    let handler = log.handler(|_, before| async move { if before == 0 { Say::Fail } else { Say::Done } });
    let _worker = subject.hire(Hire::new("w"), handler);
    until("it is tried again", ms(3_000), async || log.of(ask.id).len() == 2).await;
}

pub(super) async fn a_retry_after_is_waited_for<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let ask = Ask::any();
    subject.ask(ask).await;
    let handler =
        log.handler(|_, before| async move { if before == 0 { Say::FailAfter(ms(3_000)) } else { Say::Done } });
    let _worker = subject.hire(Hire::new("w"), handler);
    until("it is tried again", ms(5_000), async || log.of(ask.id).len() == 2).await;
    let waited = log.of(ask.id)[1] - log.of(ask.id)[0];
    assert!((2_990..4_000).contains(&waited.as_millis()), "{waited:?} instead of 3 s");
}

pub(super) async fn a_snooze_costs_no_attempt<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let ask = Ask::any();
    subject.ask(ask).await;
    let handler = log.handler(|_, before| async move { if before < 6 { Say::Snooze(ms(100)) } else { Say::Done } });
    let _worker = subject.hire(Hire::new("w"), handler);
    until("it is woken six times", ms(4_000), async || log.of(ask.id).len() == 7).await;
    tokio::time::sleep(ms(100)).await;
    assert_eq!(subject.dead().await, 0, "of four attempts none is used");
}

pub(super) async fn giving_up_needs_no_second_attempt<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    subject.ask(Ask::any()).await;
    let _worker = subject.hire(Hire::new("w"), log.handler(|_, _| async { Say::GiveUp }));
    until("it is dead", ms(3_000), async || subject.dead().await == 1).await;
    assert_eq!(log.starts(), 1);
}

pub(super) async fn asked_twice_runs_once<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let ask = Ask::any();
    subject.ask(ask).await;
    subject.ask(ask).await;
    let _worker = subject.hire(Hire::new("w"), log.done());
    until("it runs", ms(3_000), async || log.jobs() == 1).await;
    tokio::time::sleep(ms(300)).await;
    assert_eq!(log.starts(), 1);
}

pub(super) async fn asked_again_after_the_start_runs_again<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let ask = Ask::any();
    subject.ask(ask).await;
    let (gate, handler) = gated(&log);
    let _worker = subject.hire(Hire::new("w"), handler);
    until("it runs", ms(3_000), async || log.jobs() == 1).await;
    assert_eq!(subject.ask(ask).await, Answer::Taken, "what arrives during the run is not covered by it");
    gate.add_permits(2);
    until("it runs again", ms(3_000), async || log.starts() == 2).await;
}

pub(super) async fn unfinished_is_asked_for_once<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let ask = Ask { once: Once::Unfinished, ..Ask::any() };
    assert_eq!(subject.ask(ask).await, Answer::Taken);
    let (gate, handler) = gated(&log);
    let _worker = subject.hire(Hire::new("w"), handler);
    until("it runs", ms(3_000), async || log.jobs() == 1).await;
    assert_eq!(subject.ask(ask).await, Answer::Already, "it is not finished");
    gate.add_permits(2);
    until("its end frees the key", ms(3_000), async || subject.ask(ask).await == Answer::Taken).await;
    until("it runs again", ms(3_000), async || log.starts() == 2).await;
}

fn gated(log: &Log) -> (Arc<Semaphore>, Handler) {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let handler = log.handler(move |_, _| {
        let gate = Arc::clone(&held);
        async move {
            gate.acquire().await.expect("it is never closed").forget();
            Say::Done
        }
    });
    (gate, handler)
}

pub(super) async fn a_job_too_large_is_refused<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let answer = subject.ask(Ask { ballast: 64 << 20, ..Ask::any() }).await;
    assert_eq!(answer, Answer::Refused, "64 MB");
}
