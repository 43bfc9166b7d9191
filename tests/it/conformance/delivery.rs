//! Delivery: every job runs, none hangs, none is held by somebody who is gone.

use std::{sync::Arc, time::Instant};

use tokio::sync::Semaphore;

use super::{Answer, Ask, Hand, Hire, Log, Say, Subject, ms, until};
use crate::queue::OwnRedis;

fn many(count: usize) -> Vec<Ask> {
    (0..count).map(|_| Ask::any()).collect()
}

pub(super) async fn every_job_runs_once<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    assert_eq!(subject.ask(Ask::any()).await, Answer::Taken);
    subject.ask_all(&many(499)).await;
    let _worker = subject.hire(Hire::new("w"), log.done());
    until("all jobs run", ms(5_000), async || log.jobs() == 500).await;
    tokio::time::sleep(ms(100)).await;
    assert_eq!(log.starts(), 500);
}

pub(super) async fn a_crowd_due_at_once_is_served<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let asks: Vec<Ask> = (0..10_000).map(|_| Ask { delay: ms(1_000), ..Ask::any() }).collect();
    subject.ask_all(&asks).await;
    // As after an outage of all workers: everything is due when the first one comes.
    tokio::time::sleep(ms(2_100)).await;
    let _worker = subject.hire(Hire { slots: 200, ..Hire::new("w") }, log.done());
    until("10,000 jobs due at once run", ms(8_000), async || log.jobs() == 10_000).await;
}

pub(super) async fn an_idle_worker_is_woken_and_asks_nothing<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let _worker = subject.hire(Hire::new("w"), log.done());
    subject.ask(Ask::any()).await;
    until("it works", ms(5_000), async || log.jobs() == 1).await;
    tokio::time::sleep(ms(500)).await;
    let mut raw = subject.raw().await;
    let before = commands(&mut raw).await;
    tokio::time::sleep(ms(2_000)).await;
    // One of them is the question itself. Redis counts what scripts call, too, and the figures it is asked for now and then.
    let idle = commands(&mut raw).await - before - 1;
    assert!(idle <= 30, "{idle} commands in two idle seconds");
    let mut waits = Vec::new();
    for _ in 0..9 {
        let (ask, asked) = (Ask::any(), Instant::now());
        subject.ask(ask).await;
        until("it is woken", ms(2_000), async || !log.of(ask.id).is_empty()).await;
        waits.push(log.of(ask.id)[0] - asked);
    }
    waits.sort_unstable();
    assert!(waits[4] < ms(50), "half of the jobs started after {:?} or more", waits[4]);
}

async fn commands(raw: &mut redis::aio::MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query_async(raw).await.expect("Redis answers");
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.and_then(|count| count.trim().parse().ok()).expect("Redis counts its commands")
}

pub(super) async fn a_busy_worker_hoards_nothing<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let _busy = subject.hire(Hire { slots: 1, ..Hire::new("busy") }, log.handler(|_, _| std::future::pending()));
    for _ in 0..5 {
        subject.ask(Ask::any()).await;
    }
    until("one runs", ms(3_000), async || log.jobs() == 1).await;
    let _free = subject.hire(Hire { slots: 4, ..Hire::new("free") }, log.done());
    until("the others run elsewhere", ms(2_000), async || log.jobs() == 5).await;
}

pub(super) async fn jobs_of_a_killed_worker_are_rescued<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let (log, rescued) = (Log::default(), Log::default());
    let hire = |name| Hire { slots: 4, lease: ms(1_000), ..Hire::new(name) };
    let victim = subject.hire(hire("victim"), log.handler(|_, _| std::future::pending()));
    for _ in 0..4 {
        subject.ask(Ask::any()).await;
    }
    until("all run", ms(3_000), async || log.jobs() == 4).await;
    let _heir = subject.hire(hire("heir"), rescued.done());
    victim.kill();
    until("all run again within lease, tick and slack", ms(2_500), async || rescued.jobs() == 4).await;
}

/// Workers that never have a free slot would otherwise leave orphans to nobody.
pub(super) async fn a_busy_worker_rescues_too<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let (log, work) = (Log::default(), Log::default());
    let hire = |name| Hire { slots: 2, prefetch: 2, lease: ms(1_000), ..Hire::new(name) };
    let victim = subject.hire(hire("victim"), log.handler(|_, _| std::future::pending()));
    let orphans = [Ask::any(), Ask::any()];
    for ask in orphans {
        subject.ask(ask).await;
    }
    until("both run", ms(3_000), async || log.jobs() == 2).await;
    let busy = work.handler(|_, _| async {
        tokio::time::sleep(ms(150)).await;
        Say::Done
    });
    let _heir = subject.hire(hire("heir"), busy);
    subject.ask_all(&many(200)).await;
    until("the heir is busy", ms(3_000), async || work.jobs() > 2).await;
    victim.kill();
    let again = async || orphans.iter().all(|ask| !work.of(ask.id).is_empty());
    until("both run again while 200 others wait", ms(3_500), again).await;
}

pub(super) async fn a_long_job_runs_once<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let hire = |name| Hire { slots: 2, lease: ms(500), ..Hire::new(name) };
    let handler = log.handler(|_, _| async {
        tokio::time::sleep(ms(2_500)).await;
        Say::Done
    });
    let (_one, _two) = (subject.hire(hire("one"), Arc::clone(&handler)), subject.hire(hire("two"), handler));
    subject.ask(Ask::any()).await;
    tokio::time::sleep(ms(3_500)).await;
    assert_eq!(log.starts(), 1, "it took five leases");
}

pub(super) async fn a_stopped_worker_finishes_and_gives_back<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let (log, rest) = (Log::default(), Log::default());
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let handler = log.handler(move |_, _| {
        let gate = Arc::clone(&held);
        async move {
            gate.acquire().await.expect("it is never closed").forget();
            Say::Done
        }
    });
    for _ in 0..4 {
        subject.ask(Ask::any()).await;
    }
    let one = subject.hire(Hire { slots: 1, prefetch: 3, ..Hire::new("one") }, handler);
    until("one runs", ms(3_000), async || log.jobs() == 1).await;
    one.dismiss();
    let _two = subject.hire(Hire::new("two"), rest.done());
    until("what did not start is given back", ms(3_000), async || rest.jobs() == 3).await;
    gate.add_permits(1);
    until("it ends after its last job", ms(3_000), async || !one.works()).await;
    tokio::time::sleep(ms(200)).await;
    assert_eq!((log.starts(), rest.starts()), (1, 3));
}

pub(super) async fn a_cut_off_run_goes_back_at_once<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let (log, again) = (Log::default(), Log::default());
    subject.ask(Ask::any()).await;
    let one = subject.hire(Hire::new("one"), log.handler(|_, _| std::future::pending()));
    until("it runs", ms(3_000), async || log.jobs() == 1).await;
    one.drop_it();
    let _two = subject.hire(Hire::new("two"), again.done());
    until("it runs again, long before a lease of 30 s", ms(4_000), async || again.jobs() == 1).await;
}

pub(super) async fn a_worker_of_the_same_name_may_follow<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let (log, again) = (Log::default(), Log::default());
    let one = subject.hire(Hire::new("pod-1"), log.done());
    subject.ask(Ask::any()).await;
    until("it works", ms(3_000), async || log.jobs() == 1).await;
    one.kill();
    let two = subject.hire(Hire::new("pod-1"), again.done());
    subject.ask(Ask::any()).await;
    until("its follower works", ms(3_000), async || again.jobs() >= 1).await;
    assert!(two.works());
}

pub(super) async fn finished_jobs_leave_nothing<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let worker = subject.hire(Hire { slots: 100, ..Hire::new("w") }, log.done());
    subject.ask_all(&many(3_000)).await;
    until("all run", ms(8_000), async || log.jobs() == 3_000).await;
    worker.dismiss();
    until("it ends", ms(5_000), async || !worker.works()).await;
    let mut bytes = 0;
    for key in subject.keys().await {
        let used: Option<u64> = redis::cmd("MEMORY")
            .arg("USAGE")
            .arg(&key)
            .arg("SAMPLES")
            .arg(0)
            .query_async(&mut subject.raw().await)
            .await
            .expect("Redis answers");
        bytes += used.unwrap_or_default();
    }
    // A bounded history of finished jobs is no leak: it is the same after a million.
    assert!(bytes / 3_000 < 150, "{} bytes are left of each job", bytes / 3_000);
}

pub(super) async fn the_keys_of_a_queue_share_a_slot<S: Subject>(server: &mut OwnRedis) {
    let subject = S::open(&server.url()).await;
    let log = Log::default();
    let _worker = subject.hire(Hire::new("w"), log.handler(|_, _| async { Say::GiveUp }));
    subject.ask(Ask::any()).await;
    subject.ask(Ask { delay: ms(60_000), ..Ask::any() }).await;
    until("it works", ms(3_000), async || log.jobs() == 1).await;
    let tags = subject.keys().await.into_iter().map(|key| {
        let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag.to_owned());
        tag.unwrap_or(key)
    });
    let tags: std::collections::HashSet<String> = tags.collect();
    assert_eq!(tags.len(), 1, "{tags:?}");
}
