//! The two ways of counting: a bucket that fills up steadily, and a window that slides.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

/// Writes on one issue: this many within so many seconds.
const WRITES: [(usize, u32); 2] = [(20, 2), (100, 30)];

/// Holds a second's worth of requests, and at least one.
pub(super) struct Bucket {
    held: f64,
    at: DateTime<Utc>,
}

impl Bucket {
    pub(super) fn full(rate: f64, now: DateTime<Utc>) -> Self {
        Self { held: rate.max(1.0), at: now }
    }

    /// Takes one and answers how many are left, or how long to wait for one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are small and positive")]
    pub(super) fn take(&mut self, rate: f64, now: DateTime<Utc>) -> Result<u64, TimeDelta> {
        let passed = (now - self.at).as_seconds_f64().max(0.0);
        self.held = (self.held + passed * rate).min(rate.max(1.0));
        self.at = self.at.max(now);
        if self.held < 1.0 {
            return Err(TimeDelta::milliseconds(((1.0 - self.held) / rate * 1000.0).ceil() as i64));
        }
        self.held -= 1.0;
        Ok(self.held as u64)
    }
}

/// The moments of an issue's last writes, oldest first.
#[derive(Default)]
pub(super) struct Window(VecDeque<DateTime<Utc>>);

impl Window {
    /// Counts one, or answers how long to wait, the limit that was reached and the seconds it is counted over.
    pub(super) fn take(&mut self, now: DateTime<Utc>) -> Result<(), (TimeDelta, u64, u64)> {
        for (most, seconds) in WRITES {
            let length = TimeDelta::seconds(seconds.into());
            let oldest = self.0.len().checked_sub(most).and_then(|place| self.0.get(place));
            if let Some(left) = oldest.map(|at| *at + length - now).filter(|left| *left > TimeDelta::zero()) {
                return Err((left, most as u64, seconds.into()));
            }
        }
        self.0.push_back(now);
        if self.0.len() > 100 {
            self.0.pop_front();
        }
        Ok(())
    }

    /// Whether any write still counts.
    pub(super) fn is_busy(&self, now: DateTime<Utc>) -> bool {
        self.0.back().is_some_and(|last| now - *last < TimeDelta::seconds(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis)
    }

    #[test]
    fn a_bucket_gives_a_second_at_once_and_then_its_rate() {
        let mut bucket = Bucket::full(5.0, at(0));
        let left: Vec<u64> = (0..5).filter_map(|_| bucket.take(5.0, at(0)).ok()).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        assert_eq!(bucket.take(5.0, at(0)), Err(TimeDelta::milliseconds(200)));
        assert_eq!(bucket.take(5.0, at(200)), Ok(0));
        assert!(bucket.take(5.0, at(300)).is_err());
        assert_eq!(bucket.take(5.0, at(60_000)), Ok(4), "no more than a second's worth is kept");
        let mut slow = Bucket::full(0.5, at(0));
        assert_eq!((slow.take(0.5, at(0)), slow.take(0.5, at(0))), (Ok(0), Err(TimeDelta::milliseconds(2000))));
    }

    proptest! {
        /// However writes are spread, no two seconds hold more than 20 and no thirty more than 100.
        #[test]
        fn no_window_holds_too_many(gaps in proptest::collection::vec(0_i64..700, 1..400)) {
            let (mut window, mut now, mut taken) = (Window::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                match window.take(at(now)) {
                    Ok(()) => taken.push(now),
                    Err((wait, ..)) => now += wait.num_milliseconds() - 1,
                }
            }
            for (most, seconds) in WRITES {
                for first in &taken {
                    let length = i64::from(seconds) * 1000;
                    prop_assert!(taken.iter().filter(|it| (*first..*first + length).contains(*it)).count() <= most);
                }
            }
        }
    }
}
