//! The reference `redis-streams`: what Redis itself does with the same entries, by the fewest commands and no promises beyond
//! its own. How fast the machine is today, and how much of that a queue leaves over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{Value, aio::MultiplexedConnection};

use crate::measure::{Figures, Probe, rate};

/// Entries in one command or pipeline.
const BATCH: usize = 100;

/// Readers, as many as there are cores.
const READERS: usize = 2;

/// As large as our jobs.
const BODY: [u8; 190] = [b'x'; 190];

pub(crate) async fn measure(task: &str, url: &str, size: usize) -> Figures {
    match task {
        "backlog" => backlog(url, size).await,
        "one" => one(url, size).await,
        other => panic!("nothing is called {other}"),
    }
}

async fn backlog(url: &str, size: usize) -> Figures {
    let mut connection = Probe::open(url).await.connection();
    let began = Instant::now();
    for _ in 0..size / BATCH {
        let mut pipe = redis::Pipeline::with_capacity(BATCH);
        for _ in 0..BATCH {
            pipe.add_command(add()).ignore();
        }
        pipe.query_async::<()>(&mut connection).await.expect("Redis takes them");
    }
    let enqueued = began.elapsed();
    let mut group = redis::cmd("XGROUP");
    group.arg("CREATE").arg("s").arg("g").arg("0");
    group.query_async::<()>(&mut connection).await.expect("Redis answers");
    let (began, done) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let readers = (0..READERS).map(|number| {
        let (url, done) = (url.to_owned(), Arc::clone(&done));
        tokio::spawn(async move { drain(Probe::open(&url).await.connection(), number, &done).await })
    });
    futures::future::join_all(readers).await;
    assert_eq!(done.load(Ordering::Relaxed), size / BATCH * BATCH, "every entry was read");
    Figures::from([("enqueue_bulk", rate(size, enqueued)), ("drain", rate(size, began.elapsed()))])
}

/// Reads, forgetting what was read before in the same round trip, until nothing is left.
async fn drain(mut connection: MultiplexedConnection, number: usize, done: &AtomicUsize) {
    let mut read: Vec<String> = Vec::new();
    loop {
        let mut pipe = redis::pipe();
        if !read.is_empty() {
            pipe.cmd("XACK").arg("s").arg("g").arg(&read).ignore().cmd("XDEL").arg("s").arg(&read).ignore();
        }
        pipe.cmd("XREADGROUP")
            .arg("GROUP")
            .arg("g")
            .arg(number)
            .arg("COUNT")
            .arg(BATCH)
            .arg("STREAMS")
            .arg("s")
            .arg(">");
        type Entries = Vec<(String, Vec<(String, Value)>)>;
        let (answer,): (Option<Entries>,) = pipe.query_async(&mut connection).await.expect("Redis answers");
        let entries = answer.into_iter().flatten().flat_map(|(_, entries)| entries);
        read = entries.map(|(entry, _)| entry).collect();
        done.fetch_add(read.len(), Ordering::Relaxed);
        if read.is_empty() {
            return;
        }
    }
}

async fn one(url: &str, seconds: usize) -> Figures {
    let mut connection = Probe::open(url).await.connection();
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(seconds as u64) {
        add().query_async::<()>(&mut connection).await.expect("Redis takes it");
        count += 1;
    }
    Figures::from([("enqueue_one", rate(count, began.elapsed()))])
}

fn add() -> redis::Cmd {
    let mut add = redis::cmd("XADD");
    add.arg("s").arg("*").arg("e").arg(&BODY);
    add
}
