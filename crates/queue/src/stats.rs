//! How full the queues are, cheap at any depth: every figure is a count that Redis keeps, or the first of a sorted line.

use std::time::Duration;

use domain::InstanceId;
use redis::{
    RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager},
    from_redis_value,
    streams::StreamInfoGroupsReply,
};

use crate::{
    Error, Producer, QueueName,
    keys::{GROUP, Keys},
    metric,
};

/// Instances whose lines and parked jobs are counted; of more, nobody reads a sum.
const INSTANCES: usize = 1_000;

/// One queue at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting for a worker.
    pub ready: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// Delivered to a worker: running, prefetched, or waiting to be rescued.
    pub running: u64,
    /// Waiting in the lines of their instances, beyond these' shares.
    pub lined: u64,
    /// Of paused instances.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
    /// Dead letters that fell out because there were too many: jobs that are lost, ever since this Redis was filled.
    pub dropped: u64,
    /// How long the oldest ready job has been ready.
    pub oldest_age: Option<Duration>,
    /// By how much the first delayed job is overdue; zero while it has time.
    pub overdue: Option<Duration>,
}

impl Depth {
    /// Nothing waits or runs; dead letters do not count.
    pub fn is_idle(&self) -> bool {
        self.ready + self.lined + self.delayed + self.running + self.parked == 0
    }
}

/// One queue as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub queue: QueueName,
    /// How full it is.
    pub depth: Depth,
    /// Every worker that was here within the last hour, by name, with what is delivered to it.
    pub workers: Vec<(String, u64)>,
}

impl Producer {
    /// Counts one queue.
    pub async fn depth(&self, queue: QueueName) -> Result<Depth, Error> {
        let keys = self.keys(queue);
        self.ask(|mut connection| async move { depth(&mut connection, keys).await }).await
    }

    /// Counts one queue and tells it in this process's figures, so that it is known also while no worker runs. When that
    /// was is remembered: whoever tells is there (see [`told_at`](Self::told_at)).
    pub async fn tell_depth(&self, queue: QueueName) -> Result<(), Error> {
        metric::depth(queue, &self.depth(queue).await?);
        self.note_told(queue).await
    }

    /// Tells in this process's figures how full Redis is. Of a Redis without a limit the memory of its machine is the limit.
    pub async fn tell_memory(&self) -> Result<(), Error> {
        let info: String = self
            .ask(|mut connection| async move { redis::cmd("INFO").arg("memory").query_async(&mut connection).await })
            .await?;
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.trim().parse::<u64>().ok())
        };
        let limit = field("maxmemory").filter(|limit| *limit > 0).or_else(|| field("total_system_memory"));
        metric::memory(field("used_memory").unwrap_or(0), limit.unwrap_or(0));
        Ok(())
    }

    /// Counts one queue, with its workers.
    pub async fn status(&self, queue: QueueName) -> Result<Status, Error> {
        let keys = self.keys(queue);
        let depth = self.depth(queue).await?;
        let workers = self.ask(|connection| workers(connection, keys)).await?;
        Ok(Status { queue, depth, workers })
    }

    /// Whether nothing waits or runs in any queue. All are looked at twice: between two looks a job may end in the queue that
    /// comes later, having asked for another in one that was found empty.
    pub async fn is_idle(&self) -> Result<bool, Error> {
        for queue in QueueName::ALL.into_iter().chain(QueueName::ALL) {
            if !self.depth(queue).await?.is_idle() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

pub(crate) async fn depth(connection: &mut impl ConnectionLike, keys: &Keys) -> RedisResult<Depth> {
    let mut pipe = redis::pipe();
    pipe.cmd("XLEN").arg(&keys.stream).cmd("ZCARD").arg(&keys.delayed).cmd("XLEN").arg(&keys.dead).cmd("TIME");
    pipe.cmd("ZRANGE").arg(&keys.delayed).arg(0).arg(0).arg("WITHSCORES");
    pipe.cmd("ZRANGE").arg(&keys.parked).arg(0).arg(INSTANCES - 1);
    pipe.cmd("ZRANGE").arg(&keys.lines).arg(0).arg(INSTANCES - 1);
    pipe.cmd("GET").arg(&keys.dropped);
    type Found = (u64, u64, u64, (u64, u64), Vec<(Vec<u8>, f64)>, Vec<String>, Vec<String>, Option<u64>);
    let (entries, delayed, dead, (now_s, now_us), first, parked, lined, dropped): Found =
        pipe.query_async(connection).await?;
    let (running, last) = group(connection, keys).await?;
    let mut oldest = redis::cmd("XRANGE");
    oldest.arg(&keys.stream).arg(format!("({last}")).arg("+").arg("COUNT").arg(1);
    let oldest: Vec<Value> = oldest.query_async(connection).await?;
    let now = now_s * 1_000 + now_us / 1_000;
    let since = |since: u64| Duration::from_millis(now.saturating_sub(since));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970")]
    let overdue = first.first().map(|(_, due)| since(*due as u64));
    let parked = sum(connection, "HLEN", &parked, |instance| keys.parked_of(instance)).await?;
    let lined = sum(connection, "LLEN", &lined, |instance| keys.line(instance)).await?;
    let oldest_age = oldest.first().and_then(entry_ms).map(since);
    let (ready, dropped) = (entries.saturating_sub(running), dropped.unwrap_or(0));
    Ok(Depth { ready, lined, delayed, running, parked, dead, dropped, oldest_age, overdue })
}

async fn sum(
    connection: &mut impl ConnectionLike,
    count: &str,
    instances: &[String],
    key: impl Fn(InstanceId) -> String,
) -> RedisResult<u64> {
    if instances.is_empty() {
        return Ok(0);
    }
    let mut pipe = redis::pipe();
    for instance in instances.iter().filter_map(|instance| instance.parse().ok()) {
        pipe.cmd(count).arg(key(instance));
    }
    let counts: Vec<u64> = pipe.query_async(connection).await?;
    Ok(counts.into_iter().sum())
}

/// How many entries are delivered, and the last entry that was. Before the first worker came there is no group.
pub(crate) async fn group(connection: &mut impl ConnectionLike, keys: &Keys) -> RedisResult<(u64, String)> {
    let asked: RedisResult<StreamInfoGroupsReply> =
        redis::cmd("XINFO").arg("GROUPS").arg(&keys.stream).query_async(connection).await;
    let none = (0, "0-0".to_owned());
    match asked {
        Ok(reply) => {
            let ours = reply.groups.into_iter().find(|group| group.name == GROUP);
            Ok(ours.map_or(none, |group| (group.pending as u64, group.last_delivered_id)))
        }
        Err(error) if is_nothing_there(&error) => Ok(none),
        Err(error) => Err(error),
    }
}

async fn workers(mut connection: ConnectionManager, keys: &Keys) -> RedisResult<Vec<(String, u64)>> {
    let asked: RedisResult<redis::streams::StreamInfoConsumersReply> =
        redis::cmd("XINFO").arg("CONSUMERS").arg(&keys.stream).arg(GROUP).query_async(&mut connection).await;
    match asked {
        Ok(reply) => Ok(reply.consumers.into_iter().map(|consumer| (consumer.name, consumer.pending as u64)).collect()),
        Err(error) if is_nothing_there(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn is_nothing_there(error: &redis::RedisError) -> bool {
    error.code() == Some("NOGROUP") || error.detail().is_some_and(|detail| detail.contains("no such key"))
}

/// An entry's id begins with the time at which it became ready.
fn entry_ms(entry: &Value) -> Option<u64> {
    let Value::Array(parts) = entry else { return None };
    let id: String = from_redis_value(parts.first()?.clone()).ok()?;
    id.split('-').next()?.parse().ok()
}
