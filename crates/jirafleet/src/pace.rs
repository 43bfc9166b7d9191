//! How fast a backfill goes, and how long the rest takes: an average in which a measurement weighs half as much after a
//! while, and how far the measurements lie apart, which tells whether to believe it.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// After so many seconds a measurement weighs half; earlier while it has been watched for less than that long.
const HALF_LIFE_S: f64 = 15.0;
/// The shortest measurement, since issues come by hundreds; and in the first seconds.
const SPAN: Duration = Duration::from_secs(2);
const FIRST_SPAN: Duration = Duration::from_millis(500);
/// How long it must have been watched before it is believed.
const WATCHED: Duration = Duration::from_secs(6);
/// How far measurements may lie apart, as a share of their mean, to be believed.
const STEADY: f64 = 0.25;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Pace {
    first: (Instant, u64),
    has_begun: bool,
    /// The end of the last span.
    last: (Instant, u64),
    /// The last look.
    now: (Instant, u64),
    weight: f64,
    sum: f64,
    squares: f64,
}

/// How long the rest takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Left {
    seconds: f64,
    /// Whether the pace was steady, and watched for a while.
    is_sure: bool,
}

#[expect(clippy::cast_precision_loss, reason = "a pace for people")]
impl Pace {
    /// From now on; what was copied before says nothing about the pace.
    pub(crate) fn new(at: Instant, synced: u64) -> Self {
        let now = (at, synced);
        Self { first: now, has_begun: false, last: now, now, weight: 0.0, sum: 0.0, squares: 0.0 }
    }

    /// The clock starts with the first issues that come: asking for the directory and fetching the first pages, while nothing
    /// is written, say nothing about the pace either.
    pub(crate) fn observe(&mut self, at: Instant, synced: u64) {
        self.now = (at, synced);
        if !self.has_begun {
            self.has_begun = synced > self.first.1;
            (self.first, self.last) = (self.now, self.now);
        }
        let (took, watched) = (at - self.last.0, at - self.first.0);
        if took < (watched / 6).clamp(FIRST_SPAN, SPAN) {
            return;
        }
        let rate = per_second(self.last, self.now);
        let kept = 0.5_f64.powf(took.as_secs_f64() / HALF_LIFE_S.min(watched.as_secs_f64()));
        let add = |old: f64, new: f64| old * kept + new * (1.0 - kept);
        (self.weight, self.sum) = (add(self.weight, 1.0), add(self.sum, rate));
        self.squares = add(self.squares, rate * rate);
        self.last = self.now;
    }

    /// Issues a second; before the first span has ended, since it is watched.
    pub(crate) fn per_second(&self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { per_second(self.first, self.now) }
    }

    /// How long so many issues take; nothing while it stands still.
    pub(crate) fn left(&self, issues: u64) -> Option<Left> {
        let pace = self.per_second();
        let seconds = issues as f64 / pace;
        (issues > 0 && pace > 0.0).then(|| Left { seconds, is_sure: self.is_steady(pace) })
    }

    /// How fast it goes, and how long the rest of so many issues takes.
    pub(crate) fn told(&self, rest: u64) -> String {
        let left = self.left(rest).map_or_else(String::new, |left| format!(", {left}"));
        format!(", {:.0} a second{left}", self.per_second())
    }

    fn is_steady(&self, pace: f64) -> bool {
        let spread = (self.squares / self.weight - pace * pace).max(0.0).sqrt();
        self.last.0 - self.first.0 >= WATCHED && spread <= STEADY * pace
    }
}

#[expect(clippy::cast_precision_loss, reason = "a pace for people")]
fn per_second(from: (Instant, u64), to: (Instant, u64)) -> f64 {
    to.1.saturating_sub(from.1) as f64 / (to.0 - from.0).as_secs_f64().max(0.001)
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let perhaps = if self.is_sure { "" } else { "perhaps " };
        match self.seconds {
            seconds if seconds < 10.0 => write!(f, "{perhaps}{seconds:.1} s left"),
            seconds if seconds < 100.0 => write!(f, "{perhaps}{seconds:.0} s left"),
            seconds if seconds < 6_000.0 => write!(f, "{perhaps}{:.0} min left", seconds / 60.0),
            seconds => write!(f, "{perhaps}{:.1} h left", seconds / 3_600.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said after so many seconds, looked at twice a second while so many pages of a hundred came a second.
    fn watched(seconds: u32, pages_a_second: impl Fn(u32) -> u64) -> Pace {
        let (start, mut synced) = (Instant::now(), 5_000);
        let mut pace = Pace::new(start, synced);
        for half in 1..=seconds * 2 {
            synced += pages_a_second(half) * 50;
            pace.observe(start + Duration::from_millis(500) * half, synced);
        }
        pace
    }

    #[test]
    fn a_steady_pace_is_believed_after_a_while() {
        let uneven = |half| [9, 11, 10, 8, 12][half as usize % 5];
        let said = |seconds| watched(seconds, uneven).left(9_000).map(|left| left.to_string());
        assert_eq!(said(1).as_deref(), Some("perhaps 9.0 s left"), "a tenth of ten thousand after a second");
        assert_eq!(said(10).as_deref(), Some("9.0 s left"));
        assert_eq!(watched(10, uneven).left(0), None);
    }

    #[test]
    fn a_swinging_pace_is_not_believed_and_old_ones_are_forgotten() {
        let swinging = |half: u32| if (half / 8).is_multiple_of(2) { 1 } else { 19 };
        assert!(!watched(60, swinging).left(1_000).is_some_and(|left| left.is_sure));
        let slower = watched(120, |half| if half <= 120 { 10 } else { 2 });
        assert!((slower.per_second() - 200.0).abs() < 60.0, "{slower:?}");
        assert_eq!(watched(20, |_| 0).left(1_000), None);
    }

    #[test]
    fn a_slow_beginning_is_soon_forgotten() {
        let warming_up = |half| if half <= 2 { 5 } else { 10 };
        let pace = watched(4, warming_up).per_second();
        assert!((1_000.0 / pace - 1.0).abs() < 0.2, "{pace}");
    }

    #[test]
    fn what_comes_before_the_first_issues_does_not_count() {
        let late = |half| if half <= 20 { 0 } else { 10 };
        assert_eq!(watched(10, late).left(9_000), None);
        assert_eq!(watched(11, late).left(9_000).map(|left| left.to_string()).as_deref(), Some("perhaps 9.0 s left"));
    }

    #[test]
    fn long_times_are_told_in_words_for_them() {
        let said = |seconds| Left { seconds, is_sure: true }.to_string();
        assert_eq!(
            (said(9.9), said(99.0), said(300.0), said(9_000.0)),
            ("9.9 s left".into(), "99 s left".into(), "5 min left".into(), "2.5 h left".into())
        );
    }
}
