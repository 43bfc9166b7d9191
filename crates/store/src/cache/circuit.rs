//! While Redis does not answer, nobody waits for it: one request a second finds out whether it is back.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How long nobody asks after a failure.
const REST: Duration = Duration::from_secs(1);

/// Open while `until` is not zero: until when, in milliseconds since `began`, nobody asks.
pub(super) struct Circuit {
    began: Instant,
    until: AtomicU64,
}

impl Circuit {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(0) }
    }

    /// Whether this request may be sent. Of those that come after the rest one is let through, and the rest begins anew.
    pub(super) fn admits(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        let now = self.now();
        now >= until && self.until.compare_exchange(until, now + rest(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Redis answered.
    pub(super) fn close(&self) {
        if self.until.load(Ordering::Relaxed) != 0 && self.until.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("the cache is back");
        }
    }

    /// Redis did not answer.
    pub(super) fn open(&self, why: &str) {
        if self.until.swap(self.now() + rest(), Ordering::Relaxed) == 0 {
            tracing::warn!(why, "the cache is away; rows are read from PostgreSQL until it is back");
        }
    }

    /// At least one, since zero means closed.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX / 2).max(1)
    }
}

fn rest() -> u64 {
    u64::try_from(REST.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_one_a_second_is_let_through() {
        let mut circuit = Circuit::new();
        assert!(circuit.admits() && circuit.admits());
        circuit.open("test");
        assert!(!circuit.admits());
        circuit.began = circuit.began.checked_sub(REST * 2).expect("this machine ran for two seconds");
        assert!(circuit.admits());
        assert!(!circuit.admits(), "the next one waits again");
        circuit.close();
        assert!(circuit.admits() && circuit.admits());
    }
}
