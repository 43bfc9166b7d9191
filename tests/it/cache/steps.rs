//! The protocol step by step, on a real Redis: thousands of orders of readers and writers, with the scripts as they are.

use std::cell::Cell;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use redis::{Script, aio::MultiplexedConnection};

const TAKE: &str = include_str!("../../../crates/store/src/cache/take.lua");
const PUT: &str = include_str!("../../../crates/store/src/cache/put.lua");

const READERS: usize = 3;
const WRITERS: usize = 2;

/// Where a reader is.
#[derive(Clone, Debug)]
enum Reader {
    /// About to come.
    Away,
    /// Has this lease; came when the row's drops had reached this version.
    Leased { token: String, fresh: u64 },
    /// Has read this version.
    Read { token: String, version: u64 },
}

/// The row, and up to which version entries were dropped.
struct World {
    redis: MultiplexedConnection,
    key: String,
    version: u64,
    dropped: u64,
    readers: Vec<Reader>,
    /// The version a writer committed and has not dropped for.
    writers: Vec<Option<u64>>,
    tokens: u64,
}

impl World {
    /// One step of one of them.
    async fn step(&mut self, who: usize) -> Result<(), TestCaseError> {
        if who >= READERS {
            self.write(who - READERS).await;
            return Ok(());
        }
        match self.readers[who].clone() {
            Reader::Away => self.come(who).await?,
            Reader::Leased { token, fresh } => {
                prop_assert!(self.version >= fresh);
                self.readers[who] = Reader::Read { token, version: self.version };
            }
            Reader::Read { token, version } => {
                self.put(&token, version).await;
                self.readers[who] = Reader::Away;
            }
        }
        Ok(())
    }

    async fn come(&mut self, who: usize) -> Result<(), TestCaseError> {
        let fresh = self.dropped;
        let found = self.take().await;
        if let Some(version) = found.strip_prefix('=') {
            let version: u64 = version.parse().unwrap();
            prop_assert!(version >= fresh, "read {version} after {fresh} was dropped for");
        } else {
            self.readers[who] = Reader::Leased { token: found, fresh };
        }
        Ok(())
    }

    async fn take(&mut self) -> String {
        self.tokens += 1;
        let script = Script::new(TAKE);
        let mut script = script.key(&self.key);
        script.arg(format!("?{}", self.tokens)).arg(60_000).invoke_async(&mut self.redis).await.unwrap()
    }

    async fn put(&mut self, token: &str, version: u64) {
        let script = Script::new(PUT);
        let mut script = script.key(&self.key);
        script.arg(token).arg(format!("={version}")).arg(60_000).invoke_async::<u8>(&mut self.redis).await.unwrap();
    }

    async fn write(&mut self, who: usize) {
        match self.writers[who].take() {
            None => {
                self.version += 1;
                self.writers[who] = Some(self.version);
            }
            Some(version) => {
                redis::cmd("UNLINK").arg(&self.key).query_async::<()>(&mut self.redis).await.unwrap();
                self.dropped = self.dropped.max(version);
            }
        }
    }

    /// Everybody ends what he began, the readers in the given order; then an entry is the row.
    async fn quiet(&mut self, writers_last: bool) -> Result<(), TestCaseError> {
        let (readers, writers) = (0..READERS, READERS..READERS + WRITERS);
        let order: Vec<usize> =
            if writers_last { readers.chain(writers).collect() } else { writers.chain(readers).collect() };
        for who in order {
            while who < READERS && !matches!(self.readers[who], Reader::Away) {
                self.step(who).await?;
            }
            if who >= READERS && self.writers[who - READERS].is_some() {
                self.step(who).await?;
            }
        }
        let found = self.take().await;
        prop_assert!(!found.starts_with('=') || found == format!("={}", self.version), "{found} of {}", self.version);
        Ok(())
    }
}

#[test]
fn in_no_order_of_steps_an_old_row_is_put_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (prefix, redis) = runtime.block_on(async {
        let config = tests::cache_config().await;
        let redis = redis::Client::open(config.url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
        (config.prefix, redis)
    });
    let steps = (proptest::collection::vec(0..READERS + WRITERS, 4..32), any::<bool>());
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    let number = Cell::new(0);
    TestRunner::new(config)
        .run(&steps, |(steps, writers_last)| {
            number.set(number.get() + 1);
            let mut world = World {
                redis: redis.clone(),
                key: format!("{prefix}:steps:{}", number.get()),
                version: 1,
                dropped: 1,
                readers: vec![Reader::Away; READERS],
                writers: vec![None; WRITERS],
                tokens: 0,
            };
            runtime.block_on(async {
                for who in steps {
                    world.step(who).await?;
                }
                world.quiet(writers_last).await
            })
        })
        .unwrap();
}
