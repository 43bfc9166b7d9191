//! What all measurements share: figures by name, percentiles, what a process and a Redis server used.

use std::{collections::BTreeMap, time::Duration};

use redis::aio::MultiplexedConnection;

/// The figures of one measurement.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// Jobs per second.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// The nearest-rank percentile, in milliseconds.
pub(crate) fn percentile_ms(waits: &mut [Duration], percent: usize) -> f64 {
    waits.sort_unstable();
    let place = (waits.len() * percent).div_ceil(100).saturating_sub(1);
    waits.get(place).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1_000.0)
}

/// The most memory this process ever had, in MiB.
pub(crate) fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().map_or(f64::NAN, |kib| kib / 1_024.0)
}

/// Processor time of this process so far. A tick of the kernel's accounting is 10 ms.
pub(crate) fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// A second look at the server, beside what is measured.
pub(crate) struct Probe(MultiplexedConnection);

impl Probe {
    pub(crate) async fn open(url: &str) -> Self {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
        let client = redis::Client::open(url).expect("a valid URL");
        Self(client.get_multiplexed_async_connection_with_config(&config).await.expect("Redis answers"))
    }

    pub(crate) fn connection(&self) -> MultiplexedConnection {
        self.0.clone()
    }

    /// One number of `INFO`.
    pub(crate) async fn info(&mut self, name: &str) -> f64 {
        let info: String = redis::cmd("INFO").arg("all").query_async(&mut self.0).await.expect("Redis answers");
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(f64::NAN)
    }

    /// Processor time of the server, in seconds.
    pub(crate) async fn server_cpu(&mut self) -> f64 {
        self.info("used_cpu_user").await + self.info("used_cpu_sys").await
    }

    /// The longest command since this was asked last, in milliseconds; 1 when none took longer than that.
    pub(crate) async fn longest_ms(&mut self) -> f64 {
        let slow: Vec<(u64, u64, u64)> = self.slow().await;
        slow.iter().map(|entry| entry.2).max().map_or(1.0, |us| us as f64 / 1_000.0)
    }

    async fn slow(&mut self) -> Vec<(u64, u64, u64)> {
        let all: Vec<Vec<redis::Value>> =
            redis::cmd("SLOWLOG").arg("GET").arg(-1).query_async(&mut self.0).await.expect("Redis answers");
        let _: () = redis::cmd("SLOWLOG").arg("RESET").query_async(&mut self.0).await.expect("Redis answers");
        let number = |value: &redis::Value| match value {
            redis::Value::Int(number) => number.unsigned_abs(),
            _ => 0,
        };
        all.iter().map(|entry| (number(&entry[0]), number(&entry[1]), number(&entry[2]))).collect()
    }
}
