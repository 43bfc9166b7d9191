//! What is asked of Redis: take, put, drop. Short waits, since PostgreSQL would have answered meanwhile.

use std::{sync::LazyLock, time::Duration};

use redis::{RedisError, RedisResult, Script, aio::ConnectionManager};
use redis_door::{Connector, Managed};

use super::circuit::Circuit;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));
static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("put.lua")));

/// How long a reader waits, with making a connection.
const READER: Duration = Duration::from_millis(200);

/// How long a writer waits: what it cannot drop stays wrong for longer than that.
const WRITER: Duration = Duration::from_millis(500);

/// How long a token stands. Readers that take longer put nothing; a reader that died is waited for by nobody.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// The most keys one command drops, as many as a page's issues may have.
const AT_ONCE: usize = 1_000;

/// What stands at the beginning of a text in Redis.
const ENTRY: u8 = b'=';
const TOKEN: char = '?';

pub(super) struct Door {
    redis: Managed,
    circuit: Circuit,
}

/// What stands under a key.
pub(super) enum Taken {
    /// The entry.
    Entry(Vec<u8>),
    /// The lease under which it may be put.
    Lease(String),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Redis was asked.
    Failed,
    /// It was not: it did not answer a moment ago.
    Skipped,
}

impl Silence {
    /// In metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "error",
            Self::Skipped => "skipped",
        }
    }
}

impl Door {
    pub(super) fn new(connector: Connector) -> Self {
        Self { redis: Managed::new(connector, WRITER), circuit: Circuit::new() }
    }

    /// The entry, else a lease.
    pub(super) async fn take(&self, name: &str) -> Result<Taken, Silence> {
        let mut script = TAKE.key(name);
        script.arg(format!("{TOKEN}{:032x}", rand::random::<u128>())).arg(millis(LEASE));
        let script = &script;
        let found: Vec<u8> = self.ask(READER, |mut redis| async move { script.invoke_async(&mut redis).await }).await?;
        if found.first() == Some(&ENTRY) {
            return Ok(Taken::Entry(found[1..].to_vec()));
        }
        String::from_utf8(found).map(Taken::Lease).map_err(|_| Silence::Failed)
    }

    /// Puts an entry if its lease still stands. Nobody needs to know whether it did.
    pub(super) async fn put(&self, name: &str, token: &str, body: &[u8], life: Duration) {
        let mut script = PUT.key(name);
        script.arg(token).arg([&[ENTRY], body].concat()).arg(millis(life));
        let script = &script;
        let _ = self.ask(READER, |mut redis| async move { script.invoke_async::<u8>(&mut redis).await }).await;
    }

    /// Drops entries and leases, all in one message.
    pub(super) async fn drop_all(&self, names: &[String]) -> Result<(), Silence> {
        if !self.circuit.admits() {
            return Err(Silence::Skipped);
        }
        self.drop_anyway(names).await
    }

    /// The same, whether or not Redis answered a moment ago.
    pub(super) async fn drop_anyway(&self, names: &[String]) -> Result<(), Silence> {
        let mut pipe = redis::Pipeline::with_capacity(names.len().div_ceil(AT_ONCE));
        for names in names.chunks(AT_ONCE) {
            pipe.cmd("UNLINK").arg(names).ignore();
        }
        let pipe = &pipe;
        self.answer(WRITER, |mut redis| async move { pipe.query_async::<()>(&mut redis).await }).await
    }

    async fn ask<T, F>(&self, patience: Duration, command: impl Fn(ConnectionManager) -> F) -> Result<T, Silence>
    where
        F: Future<Output = RedisResult<T>>,
    {
        if !self.circuit.admits() {
            return Err(Silence::Skipped);
        }
        self.answer(patience, command).await
    }

    /// Asks, once more if the connection was found broken: the first command after Redis restarted finds it so.
    async fn answer<T, F>(&self, patience: Duration, command: impl Fn(ConnectionManager) -> F) -> Result<T, Silence>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let twice = async {
            match command(self.redis.get().await?).await {
                Err(error) if self.redis.is_mended(&error) => command(self.redis.get().await?).await,
                answer => answer,
            }
        };
        let answer = tokio::time::timeout(patience, twice).await;
        match answer {
            Ok(Ok(answer)) => {
                self.circuit.close();
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.failed(&told(&error))),
            Err(_) => Err(self.failed("no answer in time")),
        }
    }

    fn failed(&self, why: &str) -> Silence {
        self.circuit.open(why);
        Silence::Failed
    }
}

/// Never what was sent: bodies stay out of the log.
fn told(error: &RedisError) -> String {
    error.code().map_or_else(|| format!("{:?}", error.kind()), str::to_owned)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
