//! Who goes first when backfills and live work want PostgreSQL at once.
//!
//! A backfill gains nothing by more pages being written at a time than keep PostgreSQL busy, and a live statement stands
//! behind each of them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

/// Pages of backfills that one process writes at a time while nothing is live; one while something is. With two of them the
/// processor stood idle for a sixth of the time, since each also waits for its rows to be made and for its commit.
const WRITERS: u32 = 3;
/// For how long after live work began the next is expected.
const LATELY: Duration = Duration::from_secs(2);

/// The turns of one process.
pub(crate) struct Precedence {
    writers: Semaphore,
    live_at: Mutex<Option<Instant>>,
}

impl Precedence {
    pub(crate) fn new() -> Self {
        Self { writers: Semaphore::new(WRITERS as usize), live_at: Mutex::default() }
    }

    /// Live work begins.
    pub(crate) fn live(&self) {
        *self.live_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The turn of a backfill's page, held until it is written.
    pub(crate) async fn bulk_turn(&self) -> Option<SemaphorePermit<'_>> {
        let live_at = *self.live_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_live = live_at.is_some_and(|at| at.elapsed() < LATELY);
        // It is never closed.
        self.writers.acquire_many(if is_live { WRITERS } else { 1 }).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test(start_paused = true)]
    async fn beside_live_work_one_page_is_written_at_a_time() {
        let turns = Precedence::new();
        let all = (turns.bulk_turn().await, turns.bulk_turn().await, turns.bulk_turn().await);
        assert!(turns.bulk_turn().now_or_never().is_none(), "three at a time");
        drop(all);
        turns.live();
        let one = turns.bulk_turn().await;
        assert!(turns.bulk_turn().now_or_never().is_none(), "one at a time");
        tokio::time::advance(LATELY).await;
        assert!(turns.bulk_turn().now_or_never().is_none(), "the one that was given goes on");
        drop(one);
        let _all = (turns.bulk_turn().await, turns.bulk_turn().await, turns.bulk_turn().await);
    }
}
