//! The site's clock: everything that is late, expires or is tried again goes by it. It runs with the machine's, or
//! stands still until a test moves it; who waits for a moment is woken by the move, not by asking again and again.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio::sync::watch;

/// What makes a site's clock go forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// The machine's clock does, and `World::advance` makes it jump ahead.
    #[default]
    Machine,
    /// Only `World::advance` does; it begins at this moment. The made-up past ends with the year 2025.
    Virtual(DateTime<Utc>),
}

/// The clock of one site.
pub(crate) struct Clock {
    pace: Pace,
    /// How far it was moved by hand.
    ahead: watch::Sender<TimeDelta>,
}

impl Clock {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, ahead: watch::Sender::new(TimeDelta::zero()) }
    }

    /// The moment, to the millisecond.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let start = match self.pace {
            Pace::Machine => Utc::now(),
            Pace::Virtual(start) => start,
        };
        start.checked_add_signed(*self.ahead.borrow()).unwrap_or(start).trunc_subsecs(3)
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        self.ahead.send_modify(|ahead| *ahead = ahead.checked_add(&by).unwrap_or(TimeDelta::MAX));
    }

    /// Waits for a moment of this clock.
    pub(crate) async fn reach(&self, at: DateTime<Utc>) {
        let mut moved = self.ahead.subscribe();
        loop {
            // Marked as seen before the clock is read, so that no move in between is missed.
            moved.borrow_and_update();
            let Ok(left) = (at - self.now()).to_std() else { return };
            if left.is_zero() {
                return;
            }
            let jump = moved.changed();
            // The sender lives in `self`: `changed` cannot fail.
            match self.pace {
                Pace::Virtual(_) => drop(jump.await),
                Pace::Machine => drop(tokio::time::timeout(left, jump).await),
            }
        }
    }

    /// When something that was due at a moment is taken to have happened: on a clock that jumps, exactly then, so that
    /// what follows from it falls where it would have on a clock that runs.
    pub(crate) fn happened(&self, due: DateTime<Utc>) -> DateTime<Utc> {
        match self.pace {
            Pace::Machine => self.now(),
            Pace::Virtual(_) => due.min(self.now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_virtual_clock_stands_until_it_is_moved_and_wakes_who_waits() {
        let clock = Clock::new(Pace::Virtual(DateTime::UNIX_EPOCH));
        let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(5);
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
        let mover = async {
            clock.advance(Duration::from_secs(200));
            tokio::task::yield_now().await;
            assert!(clock.now() < at);
            clock.advance(Duration::from_secs(100));
        };
        tokio::join!(clock.reach(at), mover);
        assert_eq!(clock.now(), at);
        clock.reach(DateTime::UNIX_EPOCH).await;
        assert_eq!(clock.happened(DateTime::UNIX_EPOCH), DateTime::UNIX_EPOCH);
    }

    #[tokio::test]
    async fn the_machines_clock_runs_and_can_be_set_ahead() {
        let clock = Clock::new(Pace::Machine);
        let before = clock.now();
        tokio::join!(clock.reach(before + TimeDelta::hours(1)), async { clock.advance(Duration::from_secs(3600)) });
        assert!(clock.now() >= before + TimeDelta::hours(1));
        clock.reach(clock.now() + TimeDelta::milliseconds(2)).await;
        clock.advance(Duration::MAX);
        assert!(clock.now() >= before);
    }
}
