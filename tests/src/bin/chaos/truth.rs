//! What really happened, kept by a Redis of its own: who started what and when, and what was applied.

use std::time::{SystemTime, UNIX_EPOCH};

use redis::{Script, aio::MultiplexedConnection};

/// Applies an effect once, however often it is asked for, and notices pages that overtook the one before.
const APPLY: &str = "
if ARGV[2] ~= '' and redis.call('SISMEMBER', 'effects', ARGV[2]) == 0 then redis.call('INCR', 'out_of_order') end
if redis.call('SADD', 'effects', ARGV[1]) == 1 then redis.call('HINCRBY', 'applied', ARGV[1], 1) end
return 1";

/// A connection to it.
#[derive(Clone)]
pub(crate) struct Truth {
    connection: MultiplexedConnection,
    apply: std::sync::Arc<Script>,
}

/// One start of one job.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) at: u64,
    pub(crate) effect: String,
}

impl Truth {
    pub(crate) async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a URL of the harness");
        let patience = std::time::Duration::from_secs(30);
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(patience));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await.expect("it answers");
        Self { connection, apply: std::sync::Arc::new(Script::new(APPLY)) }
    }

    pub(crate) async fn start(&self, effect: &str) {
        let record = format!("{} {effect}", now_ms());
        let mut connection = self.connection.clone();
        redis::cmd("RPUSH").arg("starts").arg(record).query_async::<()>(&mut connection).await.expect("it answers");
    }

    pub(crate) async fn apply(&self, effect: &str, before: Option<&str>) {
        let mut script = self.apply.prepare_invoke();
        script.arg(effect).arg(before.unwrap_or_default());
        script.invoke_async::<()>(&mut self.connection.clone()).await.expect("it answers");
    }

    /// Effects so far.
    pub(crate) async fn effects(&self) -> usize {
        redis::cmd("SCARD").arg("effects").query_async(&mut self.connection.clone()).await.expect("it answers")
    }

    /// Pages that ran before the page they follow.
    pub(crate) async fn out_of_order(&self) -> u64 {
        let found: Option<u64> =
            redis::cmd("GET").arg("out_of_order").query_async(&mut self.connection.clone()).await.expect("it answers");
        found.unwrap_or_default()
    }

    /// Effects that were applied more than once.
    pub(crate) async fn doubled(&self) -> usize {
        let counts: Vec<u64> =
            redis::cmd("HVALS").arg("applied").query_async(&mut self.connection.clone()).await.expect("it answers");
        counts.into_iter().filter(|count| *count > 1).count()
    }

    /// Every start, in order.
    pub(crate) async fn starts(&self) -> Vec<Start> {
        let mut starts = Vec::new();
        loop {
            let (from, to) = (starts.len(), starts.len() + 9_999);
            let mut range = redis::cmd("LRANGE");
            let range = range.arg("starts").arg(from).arg(to);
            let records: Vec<String> = range.query_async(&mut self.connection.clone()).await.expect("it answers");
            if records.is_empty() {
                return starts;
            }
            starts.extend(records.iter().map(|record| {
                let (at, effect) = record.split_once(' ').expect("as it was written");
                Start { at: at.parse().expect("as it was written"), effect: effect.to_owned() }
            }));
        }
    }
}

/// Now, in milliseconds: one clock for all processes of the machine.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
