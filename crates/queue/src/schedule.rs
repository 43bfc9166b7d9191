//! When a failed job is tried again.

use std::time::Duration;

/// Exponential backoff with full jitter: the n-th retry waits a random time up to `base * 2^n`, never above `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first retry.
    pub base: Duration,
    /// The longest wait ever.
    pub cap: Duration,
}

/// One, two, four seconds, as the product asks for; five minutes at most.
impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// The longest wait after `attempt` earlier failures.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        self.base.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(self.cap)
    }

    /// The wait itself: full jitter, so that what failed together does not come back together.
    pub fn delay(&self, attempt: u32) -> Duration {
        self.ceiling(attempt).mul_f64(rand::random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_below_the_cap() {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(30) };
        let ceilings: Vec<u64> = (0..7).map(|attempt| backoff.ceiling(attempt).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.ceiling(u32::MAX), backoff.cap);
    }

    #[test]
    fn jitter_is_full_and_bounded() {
        let backoff = Backoff::default();
        let waits: Vec<Duration> = (0..1_000).map(|_| backoff.delay(1)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(2)));
        assert!(waits.iter().any(|wait| *wait < Duration::from_millis(500)), "the early half is used");
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(1_500)), "so is the late one");
    }
}
