//! Redis hangs, drops connections, forgets everything, and hands over to a replica: workers and producers go on by themselves.

use std::{
    collections::HashMap,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use queue::{BackendOptions, Config, JobId, Outcome, Producer, QueueName};

use super::{OwnRedis, Worker, directory, eventually, options, raw};

/// How often each job ran.
#[derive(Clone, Default)]
struct Runs(Arc<Mutex<HashMap<JobId, u32>>>);

impl Runs {
    /// A worker whose jobs take ten milliseconds.
    fn worker(&self, config: &Config, slots: usize) -> Worker {
        let runs = self.clone();
        Worker::start(config, BackendOptions { slots, ..options("w") }, move |envelope| {
            let runs = runs.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                *runs.0.lock().unwrap().entry(envelope.id).or_default() += 1;
                Outcome::Done
            }
        })
    }

    fn jobs(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn twice(&self) -> usize {
        self.0.lock().unwrap().values().filter(|runs| **runs > 1).count()
    }
}

async fn many(producer: &Producer, count: usize) {
    producer.enqueue_all((0..count).map(|_| directory()).collect()).await.unwrap();
}

#[tokio::test]
async fn a_pause_of_five_seconds_costs_five_seconds() {
    let server = OwnRedis::start().await;
    let producer = Producer::connect(&server.config()).await.unwrap();
    let runs = Runs::default();
    let worker = runs.worker(&server.config(), 8);
    many(&producer, 600).await;
    eventually(async || runs.jobs() > 50).await;
    signal(&server, "-STOP");
    let began = Instant::now();
    let refused = producer.enqueue(directory()).await.unwrap_err();
    assert!(refused.is_passing() && began.elapsed() < Duration::from_secs(2), "{refused} after {:?}", began.elapsed());
    tokio::time::sleep(Duration::from_secs(5).saturating_sub(began.elapsed())).await;
    signal(&server, "-CONT");
    let back = Instant::now();
    // The request that was refused may have been taken after all, once Redis woke.
    eventually(async || runs.jobs() >= 600 && producer.is_idle().await.unwrap_or(false)).await;
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    assert_eq!(runs.twice(), 0);
    assert!(!worker.task.is_finished());
    worker.stop().await;
}

fn signal(server: &OwnRedis, what: &str) {
    assert!(Command::new("kill").args([what, &server.pid().to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn connections_that_are_cut_are_made_again() {
    let server = OwnRedis::start().await;
    let producer = Producer::connect(&server.config()).await.unwrap();
    let runs = Runs::default();
    let worker = runs.worker(&server.config(), 8);
    many(&producer, 400).await;
    let mut raw = raw(&server.config()).await;
    for _ in 0..6 {
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        kill.query_async::<()>(&mut raw).await.unwrap();
        producer.enqueue(directory()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eventually(async || runs.jobs() == 406 && producer.is_idle().await.unwrap()).await;
    assert_eq!(runs.twice(), 0, "what runs keeps its lease over a new connection");
    worker.stop().await;
}

#[tokio::test]
async fn lost_data_cost_time_and_never_hang() {
    let server = OwnRedis::start().await;
    let producer = Producer::connect(&server.config()).await.unwrap();
    let runs = Runs::default();
    let worker = runs.worker(&server.config(), 8);
    let mut raw = raw(&server.config()).await;
    let asked_again = directory();
    for _ in 0..3 {
        many(&producer, 300).await;
        producer.enqueue_in(asked_again.clone(), Duration::from_secs(600)).await.unwrap();
        let before = runs.jobs();
        eventually(async || runs.jobs() > before + 20).await;
        redis::cmd("FLUSHALL").query_async::<()>(&mut raw).await.unwrap();
        let before = runs.jobs();
        many(&producer, 100).await;
        eventually(async || runs.jobs() >= before + 100).await;
    }
    let answer = producer.enqueue(asked_again).await.unwrap();
    assert!(matches!(answer, queue::Enqueued::New(_)), "no key outlived the jobs");
    eventually(async || producer.is_idle().await.unwrap()).await;
    assert!(!worker.task.is_finished());
    worker.stop().await;
}

#[tokio::test]
async fn a_server_that_was_demoted_is_left_alone_until_it_is_master_again() {
    let server = OwnRedis::start().await;
    let producer = Producer::connect(&server.config()).await.unwrap();
    let runs = Runs::default();
    let worker = runs.worker(&server.config(), 4);
    many(&producer, 200).await;
    eventually(async || runs.jobs() > 20).await;
    let mut raw = raw(&server.config()).await;
    replica_of(&mut raw, ["127.0.0.1", "1"]).await;
    let refused = producer.enqueue(directory()).await.unwrap_err();
    assert!(refused.is_passing(), "{refused}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    replica_of(&mut raw, ["NO", "ONE"]).await;
    producer.enqueue(directory()).await.unwrap();
    eventually(async || runs.jobs() == 201 && producer.is_idle().await.unwrap()).await;
    assert_eq!(runs.twice(), 0);
    worker.stop().await;
}

async fn replica_of(raw: &mut redis::aio::MultiplexedConnection, whom: [&str; 2]) {
    redis::cmd("REPLICAOF").arg(&whom).query_async::<()>(raw).await.unwrap();
}

#[tokio::test]
async fn after_a_failover_the_new_master_is_found() {
    let mut house = Watched::start().await;
    let config = house.config();
    let producer = Producer::connect(&config).await.unwrap();
    let runs = Runs::default();
    let worker = runs.worker(&config, 4);
    many(&producer, 1_000).await;
    eventually(async || runs.jobs() > 50).await;
    // Whatever was confirmed is on the replica: what a failover may lose otherwise is Redis' own window.
    // WAIT looks at what its own connection wrote last: without a write of its own it would wait for nothing.
    let mut raw = house.raw(house.ports[0]).await;
    let () = redis::cmd("SET").arg("a write of this connection").arg(1).query_async(&mut raw).await.unwrap();
    let copies: u64 = redis::cmd("WAIT").arg(1).arg(5_000).query_async(&mut raw).await.unwrap();
    assert_eq!(copies, 1);
    drop(house.master.take());
    let began = Instant::now();
    eventually(async || producer.enqueue(directory()).await.is_ok()).await;
    println!("a new master took jobs after {:?}", began.elapsed());
    eventually(async || runs.jobs() >= 1_001 && producer.depth(QueueName::Bulk).await.unwrap().is_idle()).await;
    println!("{} jobs ran twice: their outcomes were not copied yet", runs.twice());
    assert!(runs.twice() <= 4 + 1, "at most those that ran or ended just then");
    assert!(!worker.task.is_finished());
    worker.stop().await;
}

/// A master, its replica and a sentinel that watches them.
pub(crate) struct Watched {
    folder: PathBuf,
    /// Of the master, the replica and the sentinel.
    pub(crate) ports: [u16; 3],
    /// Dropped, it is killed.
    pub(crate) master: Option<Server>,
    _others: Vec<Server>,
}

/// A process that is killed when dropped.
pub(crate) struct Server(std::process::Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Watched {
    pub(crate) async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("watched-{}", uuid::Uuid::now_v7().simple()));
        let ports = free_ports();
        let [master, replica, sentinel] = ports.map(|port| port.to_string());
        let keeps = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--bind", "127.0.0.1"];
        let first = run(&folder.join("master"), &[&["--port", &master], &keeps[..]].concat());
        let follows = ["--port", &replica, "--replicaof", "127.0.0.1", &master];
        let second = run(&folder.join("replica"), &[&follows[..], &keeps[..]].concat());
        let watched = Self { folder, ports, master: Some(first), _others: vec![second] };
        let linked = async || {
            let Some(mut raw) = watched.try_raw(ports[1]).await else { return false };
            let info: String = redis::cmd("INFO").arg("replication").query_async(&mut raw).await.unwrap_or_default();
            info.contains("master_link_status:up")
        };
        eventually(linked).await;
        watched.watch(&master, &sentinel).await
    }

    async fn watch(mut self, master: &str, port: &str) -> Self {
        let folder = self.folder.join("sentinel");
        std::fs::create_dir_all(&folder).unwrap();
        let lines = [
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.display()),
            format!("sentinel monitor jirafleet 127.0.0.1 {master} 1"),
            "sentinel down-after-milliseconds jirafleet 500".to_owned(),
            "sentinel failover-timeout jirafleet 3000".to_owned(),
        ];
        let file = folder.join("sentinel.conf");
        std::fs::write(&file, lines.join("\n")).unwrap();
        self._others.push(run(&folder, &[file.to_str().unwrap(), "--sentinel"]));
        let knows_the_replica = async || {
            let Some(mut raw) = self.try_raw(self.ports[2]).await else { return false };
            let mut ask = redis::cmd("SENTINEL");
            let found = ask.arg("REPLICAS").arg("jirafleet").query_async::<Vec<redis::Value>>(&mut raw).await;
            found.is_ok_and(|found| found.len() == 1)
        };
        eventually(knows_the_replica).await;
        self
    }

    pub(crate) fn config(&self) -> Config {
        let url = format!("redis+sentinel://127.0.0.1:{}/jirafleet", self.ports[2]);
        Config { url, prefix: "watched".to_owned() }
    }

    async fn try_raw(&self, port: u16) -> Option<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
        client.get_multiplexed_async_connection().await.ok()
    }

    pub(crate) async fn raw(&self, port: u16) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(6)));
        client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self._others.clear();
        self.master = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn run(folder: &std::path::Path, args: &[&str]) -> Server {
    std::fs::create_dir_all(folder).unwrap();
    let mut command = Command::new("redis-server");
    command.args(args).current_dir(folder).stdout(Stdio::null());
    Server(command.spawn().unwrap())
}

/// Free a moment ago, which is as good as it gets.
fn free_ports() -> [u16; 3] {
    let taken = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    taken.map(|listener| listener.local_addr().unwrap().port())
}
