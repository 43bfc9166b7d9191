//! How full the queues are, cheap at any depth.

use std::time::Duration;

use redis::{RedisResult, Value, aio::ConnectionManager, from_redis_value, streams::StreamInfoGroupsReply};

use crate::{
    Error, Producer, QueueName,
    keys::{GROUP, Keys},
};

/// One queue at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting for a worker.
    pub ready: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// Delivered to a worker: running, prefetched, or waiting to be rescued.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long the oldest ready job has been ready.
    pub oldest_age: Option<Duration>,
}

impl Depth {
    /// Nothing waits or runs; dead letters do not count.
    pub fn is_idle(&self) -> bool {
        self.ready + self.delayed + self.running == 0
    }
}

impl Producer {
    /// Counts one queue.
    pub async fn depth(&self, queue: QueueName) -> Result<Depth, Error> {
        let keys = self.keys(queue);
        self.ask(|connection| depth(connection, keys)).await
    }

    /// Whether nothing waits or runs in any queue.
    pub async fn is_idle(&self) -> Result<bool, Error> {
        for queue in QueueName::ALL {
            if !self.depth(queue).await?.is_idle() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

async fn depth(mut connection: ConnectionManager, keys: &Keys) -> RedisResult<Depth> {
    let mut pipe = redis::pipe();
    pipe.cmd("XLEN").arg(&keys.stream).cmd("ZCARD").arg(&keys.delayed).cmd("XLEN").arg(&keys.dead).cmd("TIME");
    let (entries, delayed, dead, (now_s, now_us)): (u64, u64, u64, (u64, u64)) =
        pipe.query_async(&mut connection).await?;
    let (running, last) = group(&mut connection, keys).await?;
    let oldest: Vec<Value> = redis::cmd("XRANGE")
        .arg(&keys.stream)
        .arg(format!("({last}"))
        .arg("+")
        .arg("COUNT")
        .arg(1)
        .query_async(&mut connection)
        .await?;
    let now = now_s * 1_000 + now_us / 1_000;
    let oldest_age = oldest.first().and_then(entry_ms).map(|since| Duration::from_millis(now.saturating_sub(since)));
    Ok(Depth { ready: entries.saturating_sub(running), delayed, running, dead, oldest_age })
}

/// How many entries are delivered, and the last entry that was. Before the first worker came there is no group.
async fn group(connection: &mut ConnectionManager, keys: &Keys) -> RedisResult<(u64, String)> {
    let asked: RedisResult<StreamInfoGroupsReply> =
        redis::cmd("XINFO").arg("GROUPS").arg(&keys.stream).query_async(connection).await;
    let none = (0, "0-0".to_owned());
    match asked {
        Ok(reply) => {
            let ours = reply.groups.into_iter().find(|group| group.name == GROUP);
            Ok(ours.map_or(none, |group| (group.pending as u64, group.last_delivered_id)))
        }
        Err(error) if error.detail().is_some_and(|detail| detail.contains("no such key")) => Ok(none),
        Err(error) => Err(error),
    }
}

/// An entry's id begins with the time at which it became ready.
fn entry_ms(entry: &Value) -> Option<u64> {
    let Value::Array(parts) = entry else { return None };
    let id: String = from_redis_value(parts.first()?.clone()).ok()?;
    id.split('-').next()?.parse().ok()
}
