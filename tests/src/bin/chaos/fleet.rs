//! The worker processes, and what one of them held when it was killed.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use queue::Envelope;
use redis::aio::MultiplexedConnection;

use crate::{Options, plan, server::PREFIX, truth::now_ms};

/// A job that was delivered to a worker when that was killed.
#[derive(Clone, Debug)]
pub(crate) struct Orphan {
    pub(crate) effect: String,
    /// Just before the kill.
    pub(crate) since: u64,
    /// When its worker was gone for sure.
    pub(crate) gone: u64,
    pub(crate) heir: Heir,
}

/// Who comes after a killed worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heir {
    /// A stranger: its jobs wait for the end of their leases.
    Stranger,
    /// One of the same name, which takes them up at once.
    Namesake,
}

struct Worker {
    child: Child,
    name: String,
}

pub(crate) struct Fleet {
    workers: Vec<Worker>,
    options: Options,
    urls: (String, String),
    born: usize,
}

impl Fleet {
    /// Starts all workers of a queue and its truth.
    pub(crate) fn start(options: &Options, queue: String, truth: String) -> Self {
        let mut fleet = Self { workers: Vec::new(), options: options.clone(), urls: (queue, truth), born: 0 };
        for _ in 0..options.workers {
            let worker = fleet.spawn(None);
            fleet.workers.push(worker);
        }
        fleet
    }

    fn spawn(&mut self, name: Option<String>) -> Worker {
        self.born += 1;
        let name = name.unwrap_or_else(|| format!("worker-{}", self.born));
        let binary = std::env::current_exe().expect("this binary has a path");
        let mut command = Command::new(binary);
        command.arg("work").args(["--url", &self.urls.0, "--truth", &self.urls.1, "--name", &name]);
        command.args(["--slots", &self.options.slots.to_string()]);
        command.args(["--lease-ms", &self.options.lease_ms.to_string()]);
        command.args(["--busy-ms", &self.options.busy_ms.to_string()]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("this binary can be run");
        Worker { child, name }
    }

    /// Kills one worker and starts another in its place. Answers what the dead one held; nothing when Redis could not say.
    pub(crate) async fn kill(&mut self, which: usize, heir: Heir) -> Option<Vec<Orphan>> {
        let since = now_ms();
        let worker = &mut self.workers[which];
        worker.child.kill().expect("it is ours");
        worker.child.wait().expect("it is ours");
        let (gone, name) = (now_ms(), worker.name.clone());
        let held = tokio::time::timeout(Duration::from_millis(500), held(&self.urls.0, &name)).await;
        self.workers[which] = self.spawn((heir == Heir::Namesake).then_some(name));
        let held = held.ok()?.ok()?;
        Some(held.into_iter().map(|effect| Orphan { effect, since, gone, heir }).collect())
    }

    /// Whether every process still runs.
    pub(crate) fn is_whole(&mut self) -> bool {
        self.workers.iter_mut().all(|worker| matches!(worker.child.try_wait(), Ok(None)))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
    }
}

/// The effects of the jobs that are delivered to a worker.
async fn held(url: &str, name: &str) -> redis::RedisResult<Vec<String>> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let stream = format!("{PREFIX}:{{bulk}}:s");
    let mut pending = redis::cmd("XPENDING");
    pending.arg(&stream).arg("g").arg("-").arg("+").arg(10_000).arg(name);
    let pending: Vec<(String, String, u64, u64)> = pending.query_async(&mut connection).await?;
    let mut effects = Vec::new();
    for (entry, ..) in pending {
        effects.extend(effect(&stream, &entry, &mut connection).await?);
    }
    Ok(effects)
}

async fn effect(
    stream: &str,
    entry: &str,
    connection: &mut MultiplexedConnection,
) -> redis::RedisResult<Option<String>> {
    let found: Vec<(String, (String, Vec<u8>))> =
        redis::cmd("XRANGE").arg(stream).arg(entry).arg(entry).query_async(connection).await?;
    let envelope = found.first().and_then(|(_, (_, body))| serde_json::from_slice::<Envelope>(body).ok());
    Ok(envelope.map(|envelope| plan::effect(&envelope.job)))
}
