//! The queue's promises against a real Redis: nothing lost, nothing stuck, nothing run that was overtaken.

mod chaos;
mod control;
mod dead_letters;
mod fair;
mod once;
mod outage;
mod outcomes;
mod poison;
mod rescue;
mod touched;
mod traps;
pub(crate) mod trouble;

use std::{path::Path, process::Stdio, sync::Arc, time::Duration};

use apalis_core::{
    error::WorkerError,
    worker::{builder::WorkerBuilder, context::WorkerContext},
};
use domain::InstanceId;
use queue::{BackendOptions, Backoff, Config, Envelope, Job, Outcome, Producer, QueueName, StreamBackend};
use tests::queue_config;
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

struct Worker {
    context: WorkerContext,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Worker {
    fn start<F, Fut>(config: &Config, options: BackendOptions, handler: F) -> Self
    where
        F: Fn(Envelope) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let context = WorkerContext::new(&options.consumer);
        let backend = StreamBackend::new(config, options).unwrap();
        let worker = WorkerBuilder::new(context.clone()).backend(backend).build(handler);
        Self { context, task: tokio::spawn(worker.run()) }
    }

    async fn stop(self) {
        self.context.stop().unwrap();
        within(self.task).await.unwrap().unwrap();
    }
}

/// A runtime of its own, which ends like a killed process: nobody gets to say goodbye.
struct Doomed(tokio::runtime::Runtime);

impl Doomed {
    fn new() -> Self {
        Self(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
    }

    fn run(&self, start: impl Future<Output = Worker> + Send + 'static) {
        self.0.spawn(start);
    }

    fn kill(self) {
        self.0.shutdown_background();
    }
}

/// A server that a test may kill.
pub(crate) struct OwnRedis {
    folder: std::path::PathBuf,
    child: Option<tokio::process::Child>,
}

impl OwnRedis {
    pub(crate) async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("queue-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut server = Self { folder, child: None };
        server.run().await;
        server
    }

    pub(crate) async fn run(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        let mut command = tokio::process::Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--requirepass", "secret", "--unixsocket"]);
        command.arg(self.socket()).arg("--dir").arg(&self.folder).stdout(Stdio::null()).kill_on_drop(true);
        self.child = Some(command.spawn().unwrap());
        eventually(async || Producer::connect(&self.config()).await.is_ok()).await;
    }

    pub(crate) fn kill(&mut self) {
        drop(self.child.take());
        while Path::new(&self.socket()).exists() && std::os::unix::net::UnixStream::connect(self.socket()).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().and_then(tokio::process::Child::id).unwrap()
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.join("s")
    }

    fn config(&self) -> Config {
        Config { url: self.url(), prefix: "own".to_owned() }
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}?pass=secret", self.socket().display())
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A worker that has started its only job, which does not end.
async fn stuck(config: &Config, name: &str) -> Worker {
    let started = Arc::new(Notify::new());
    let signal = Arc::clone(&started);
    let worker = Worker::start(config, options(name), move |_| {
        signal.notify_one();
        std::future::pending()
    });
    within(started.notified()).await;
    worker
}

async fn producer() -> (Config, Producer) {
    let config = queue_config().await;
    let producer = Producer::connect(&config).await.unwrap();
    (config, producer)
}

/// Quick to fail and quick to try again.
fn options(consumer: &str) -> BackendOptions {
    let backoff = Backoff { base: Duration::from_millis(10), cap: Duration::from_millis(50) };
    BackendOptions { backoff, ..BackendOptions::new(QueueName::Bulk, consumer, 8) }
}

fn directory() -> Job {
    Job::SyncDirectory { instance: InstanceId::generate() }
}

/// A bound for what must happen at all, not for how fast: after a failover a line may wait for the janitor's slow look.
async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("within a minute")
}

async fn eventually(condition: impl AsyncFn() -> bool) {
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn raw(config: &Config) -> redis::aio::MultiplexedConnection {
    let patient = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(30)))
        .set_response_timeout(Some(Duration::from_secs(30)));
    let client = redis::Client::open(config.url.as_str()).unwrap();
    client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
}

async fn add_raw(config: &Config, queue: QueueName, body: &[u8]) {
    let mut add = redis::cmd("XADD");
    add.arg(format!("{}:{{{queue}}}:s", config.prefix)).arg("*").arg("e").arg(body);
    add.query_async::<()>(&mut raw(config).await).await.unwrap();
}

async fn add_fields(config: &Config, queue: QueueName, fields: &[(&str, &str)]) {
    let mut add = redis::cmd("XADD");
    add.arg(format!("{}:{{{queue}}}:s", config.prefix)).arg("*");
    for (name, value) in fields {
        add.arg(name).arg(value);
    }
    add.query_async::<()>(&mut raw(config).await).await.unwrap();
}

/// All keys but those few that a queue always has, whatever went through it.
async fn keys(config: &Config) -> Vec<String> {
    let all: Vec<String> =
        redis::cmd("KEYS").arg(format!("{}:*", config.prefix)).query_async(&mut raw(config).await).await.unwrap();
    let always = [":finished", ":gauges", ":share", ":slots"];
    all.into_iter().filter(|key| !always.iter().any(|name| key.ends_with(name))).collect()
}

async fn consumers(config: &Config, queue: QueueName) -> usize {
    let stream = format!("{}:{{{queue}}}:s", config.prefix);
    let found: Vec<redis::Value> =
        redis::cmd("XINFO").arg("CONSUMERS").arg(stream).arg("g").query_async(&mut raw(config).await).await.unwrap();
    found.len()
}
