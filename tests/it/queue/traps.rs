//! Traps of Redis Streams that have no better place: rights that are missing, entries that vanished, scripts that grow.

use std::{path::Path, time::Duration};

use queue::{BackendOptions, Config, Outcome, Producer, QueueName};
use tokio::{sync::mpsc, time::timeout};

use super::{Doomed, OwnRedis, Worker, directory, eventually, options, producer, raw, within};

#[tokio::test]
async fn a_worker_without_the_rights_of_an_admin_works_and_stops() {
    let server = OwnRedis::start().await;
    let mut acl = redis::cmd("ACL");
    acl.arg("SETUSER").arg("fleet").arg(&["on", ">pw", "~*", "&*", "+@all", "-@admin", "-@dangerous"]);
    acl.query_async::<()>(&mut raw(&server.config()).await).await.unwrap();
    let url = format!("{}&user=fleet", server.url().replace("pass=secret", "pass=pw"));
    let config = Config { url, prefix: "own".to_owned() };
    let producer = Producer::connect(&config).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, options("w"), move |_| {
        seen.send(()).unwrap();
        async { Outcome::Done }
    });
    producer.enqueue(directory()).await.unwrap();
    within(ran.recv()).await.unwrap();
    eventually(async || producer.is_idle().await.unwrap()).await;
    worker.context.stop().unwrap();
    // It may not end its blocking read, which ends by itself.
    timeout(Duration::from_secs(5), worker.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_delivery_whose_entry_vanished_is_forgotten() {
    let (config, producer) = producer().await;
    producer.enqueue(directory()).await.unwrap();
    let doomed = Doomed::new();
    let (victim, short) =
        (config.clone(), |name| BackendOptions { lease: Duration::from_millis(500), ..options(name) });
    let lost = short("lost");
    doomed.run(async move { Worker::start(&victim, lost, |_| std::future::pending()) });
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().running == 1).await;
    doomed.kill();
    let stream = format!("{}:{{bulk}}:s", config.prefix);
    let mut trim = redis::cmd("XTRIM");
    trim.arg(&stream).arg("MAXLEN").arg(0).query_async::<()>(&mut raw(&config).await).await.unwrap();
    let (seen, mut ran) = mpsc::unbounded_channel();
    let worker = Worker::start(&config, short("heir"), move |_| {
        seen.send(()).unwrap();
        async { Outcome::Done }
    });
    eventually(async || producer.depth(QueueName::Bulk).await.unwrap().running == 0).await;
    producer.enqueue(directory()).await.unwrap();
    within(ran.recv()).await.unwrap();
    eventually(async || producer.is_idle().await.unwrap()).await;
    assert!(ran.try_recv().is_err(), "an empty delivery runs nothing");
    assert_eq!(producer.depth(QueueName::Bulk).await.unwrap().dead, 0);
    worker.stop().await;
}

/// Work that grows with the queue stops all of Redis, and what trims the stream loses jobs.
#[test]
fn no_script_trims_the_jobs_or_reads_a_whole_key() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/queue/src/lua");
    let mut scripts = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        scripts += 1;
        for command in ["HGETALL", "SMEMBERS", "HKEYS", "HVALS", "'KEYS'", "'SCAN'", "'SORT'", "LREM", "XAUTOCLAIM"] {
            assert!(!text.contains(command), "{command} in {}", path.display());
        }
        for line in text.lines().filter(|line| line.contains("XTRIM")) {
            assert!(line.contains("'XTRIM', dead,"), "{line}");
        }
        for line in text.lines().filter(|line| line.contains("MAXLEN")) {
            assert!(!line.contains("KEYS[1], 'MAXLEN'") && !line.contains("stream, 'MAXLEN'"), "{line}");
        }
    }
    assert!(scripts > 10);
}
