//! The clock of the house: one apalis-cron worker per line of the timetable, one job per instance that is due,
//! or one for the fleet.
//!
//! Several schedulers may run at once. Nobody is elected: a job asked for twice is enqueued once, by its unique key.

mod clock;
mod error;
mod fan_out;
mod figures;
mod timetable;

use chrono::Utc;
use futures::future::join_all;
use queue::Producer;
use store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use error::Error;

use crate::{
    fan_out::{FanOut, Since},
    timetable::{AtStart, Line, TIMETABLE},
};

/// What the scheduler works with.
pub struct Scheduler {
    /// Who is there and how often they want to be polled.
    pub store: Store,
    /// Where jobs are asked for.
    pub producer: Producer,
}

/// Keeps the timetable until `shutdown`, then returns at once: whatever was left out is due again at the next start.
///
/// PostgreSQL or Redis being away is not an error in here: the tick is logged, and the next one makes up for it.
pub async fn run(scheduler: Scheduler, shutdown: CancellationToken) -> Result<(), Error> {
    let schedules = TIMETABLE.iter().map(Line::schedule).collect::<Result<Vec<_>, _>>()?;
    let Scheduler { store, producer } = scheduler;
    let fan_out = FanOut::new(store.clone(), producer.clone());
    let lines = TIMETABLE.iter().zip(schedules).map(|(line, schedule)| keep(line, schedule, &fan_out));
    tracing::info!(lines = TIMETABLE.len(), "the scheduler keeps its timetable");
    tokio::select! {
        () = shutdown.cancelled() => {}
        _ = join_all(lines) => {}
        () = figures::tell(&store, &producer) => {}
    }
    tracing::info!("the scheduler has stopped");
    Ok(())
}

/// Ticks and the work they ask for run side by side: a cron worker whose handler is slow ends with "tick out of range".
/// Between them lies the newest tick only; what a slow fan-out did not see is covered by its next window.
async fn keep(line: &'static Line, schedule: cron::Schedule, fan_out: &FanOut) {
    let now = Utc::now().timestamp();
    let (tell, ticks) = watch::channel(now);
    let since = match line.at_start {
        AtStart::Everyone => Since::Always,
        AtStart::WhoIsDue => Since::Tick(now),
    };
    tokio::join!(clock::run(line, schedule, tell), fan_out.follow(line, ticks, since));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_run_beside_others() {
        fn spawnable<F: Future + Send + 'static>(_: fn(Scheduler, CancellationToken) -> F) {}
        spawnable(run);
    }
}
