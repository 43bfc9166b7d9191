//! What Redis says about itself and who was there lately: for an operator who asks what is wrong.

use std::{collections::HashMap, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Error, Producer, QueueName};

/// For how long it is remembered when a scheduler was there.
const REMEMBERED_MS: u64 = 24 * 3600 * 1000;

/// Redis, as it describes itself. What an older or a hosted one does not tell is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Such as `7.0.15`.
    pub version: String,
    /// Whether it is the one that is written to.
    pub is_master: bool,
    /// By how much its clock is ahead of this machine's.
    pub ahead: TimeDelta,
    /// What becomes of keys when memory is full, such as `noeviction`.
    pub eviction: Option<String>,
    /// Whether every write goes to a log on its disk.
    pub append_only: bool,
    /// What of the last writes to its disk failed, if something did.
    pub disk_trouble: Option<&'static str>,
    /// Bytes that are used.
    pub used_memory: u64,
    /// Bytes that may be used; `None` without a limit.
    pub max_memory: Option<u64>,
    /// Connections that are open.
    pub clients: u64,
    /// Connections that may be open.
    pub max_clients: Option<u64>,
}

/// A worker that said that it serves a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crew {
    /// The worker's name.
    pub name: String,
    /// How many jobs it holds at once.
    pub slots: u64,
    /// When it last said so; every half minute while it lives.
    pub said_at: DateTime<Utc>,
}

impl Producer {
    /// What Redis says about itself.
    pub async fn server(&self) -> Result<Server, Error> {
        let before = Utc::now();
        let (text, (seconds, micros)): (String, (i64, i64)) = self
            .ask(|mut connection| async move {
                let mut both = redis::pipe();
                both.cmd("INFO").cmd("TIME");
                both.query_async(&mut connection).await
            })
            .await?;
        let middle = before + (Utc::now() - before) / 2;
        let there = DateTime::from_timestamp_micros(seconds * 1_000_000 + micros).unwrap_or(middle);
        Ok(Server::read(&text, there - middle))
    }

    /// Who serves a queue, as far as they said so.
    pub async fn crew(&self, queue: QueueName) -> Result<Vec<Crew>, Error> {
        let key = &self.keys(queue).slots;
        let told: Vec<(String, String)> = self
            .ask(|mut connection| async move { redis::cmd("HGETALL").arg(key).query_async(&mut connection).await })
            .await?;
        Ok(told.into_iter().filter_map(|(name, text)| Crew::read(name, &text)).collect())
    }

    /// When a scheduler last told how full this queue is: every fifteen seconds while one runs.
    pub async fn told_at(&self, queue: QueueName) -> Result<Option<DateTime<Utc>>, Error> {
        self.instant(&self.keys(queue).told).await
    }

    /// When a gateway last said that it is there: every five seconds while one runs.
    pub async fn receiver_seen(&self) -> Result<Option<DateTime<Utc>>, Error> {
        self.instant(&self.keys(QueueName::Live).receiver).await
    }

    pub(crate) async fn note_told(&self, queue: QueueName) -> Result<(), Error> {
        let (key, now) = (&self.keys(queue).told, Utc::now().timestamp_millis());
        self.ask(|mut connection| async move {
            let mut note = redis::cmd("SET");
            note.arg(key).arg(now).arg("PX").arg(REMEMBERED_MS);
            note.query_async(&mut connection).await
        })
        .await
    }

    async fn instant(&self, key: &str) -> Result<Option<DateTime<Utc>>, Error> {
        let at: Option<i64> = self
            .ask(|mut connection| async move { redis::cmd("GET").arg(key).query_async(&mut connection).await })
            .await?;
        Ok(at.and_then(DateTime::from_timestamp_millis))
    }
}

impl Server {
    fn read(info: &str, ahead: TimeDelta) -> Self {
        let lines: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim().split_once(':')).collect();
        let text = |name: &str| lines.get(name).map(|value| (*value).to_owned());
        Self {
            version: text("redis_version").unwrap_or_default(),
            is_master: text("role").is_none_or(|role| role == "master"),
            ahead,
            eviction: text("maxmemory_policy"),
            append_only: lines.get("aof_enabled") == Some(&"1"),
            disk_trouble: disk_trouble(&lines),
            used_memory: number(&lines, "used_memory").unwrap_or_default(),
            max_memory: number(&lines, "maxmemory").filter(|bytes| *bytes > 0),
            clients: number(&lines, "connected_clients").unwrap_or_default(),
            max_clients: number(&lines, "maxclients"),
        }
    }
}

/// Redis refuses writes after some of these, and after the others a restart would lose what was asked for.
fn disk_trouble(lines: &HashMap<&str, &str>) -> Option<&'static str> {
    let failed = |name: &str| lines.get(name).is_some_and(|status| *status != "ok");
    if failed("aof_last_write_status") {
        Some("the last write to its append-only log failed")
    } else if failed("aof_last_bgrewrite_status") {
        Some("the last rewrite of its append-only log failed")
    } else if failed("rdb_last_bgsave_status") {
        Some("the last snapshot failed")
    } else {
        None
    }
}

fn number<T: FromStr>(lines: &HashMap<&str, &str>, name: &str) -> Option<T> {
    lines.get(name)?.parse().ok()
}

impl Crew {
    fn read(name: String, text: &str) -> Option<Self> {
        let (slots, at) = text.split_once(' ')?;
        Some(Self { name, slots: slots.parse().ok()?, said_at: DateTime::from_timestamp(at.parse().ok()?, 0)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_is_understood() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrole:slave\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n\
                    aof_enabled:1\r\naof_last_write_status:err\r\nused_memory:1024\r\nconnected_clients:3\r\n";
        let server = Server::read(info, TimeDelta::zero());
        assert_eq!((server.version.as_str(), server.is_master, server.append_only), ("7.0.15", false, true));
        assert_eq!((server.eviction.as_deref(), server.max_memory), (Some("allkeys-lru"), None));
        assert!(server.disk_trouble.is_some_and(|trouble| trouble.contains("append-only")));
        assert_eq!((server.used_memory, server.clients, server.max_clients), (1_024, 3, None));
    }

    #[test]
    fn a_hosted_redis_may_say_little() {
        let server = Server::read("redis_version:6.2.0", TimeDelta::zero());
        assert!(server.is_master && !server.append_only && server.eviction.is_none() && server.disk_trouble.is_none());
    }
}
