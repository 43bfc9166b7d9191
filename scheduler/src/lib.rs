//! The clock of the house: one apalis-cron worker per line of the timetable, one job per instance that is due,
//! or one for the fleet.
//!
//! Several schedulers may run at once. One leads, by a lease in Redis, and the others rest; each turn is served once even so,
//! since its mark is set together with its job. A job that is asked for while the same waits or runs is held by its unique key.
// What serves a tick is nested deeply: from the clock over queue and store down to the drivers.
#![recursion_limit = "256"]

mod clock;
mod error;
mod fan_out;
mod figures;
mod lead;
mod plan;
mod replica;
#[cfg(test)]
mod sample;
mod timetable;
mod turn;

use chrono::Utc;
use futures::future::join_all;
use queue::Producer;
use store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use error::{Error, Failure};
pub use plan::{Planned, plan};
pub use replica::Replica;

use crate::{
    fan_out::FanOut,
    lead::Reign,
    timetable::{Line, TIMETABLE},
};

/// What the scheduler works with.
pub struct Scheduler {
    /// Who is there and how often they want to be polled.
    pub store: Store,
    /// Where jobs are asked for.
    pub producer: Producer,
    /// What it is called among the schedulers; no two may have the same name.
    pub name: String,
}

/// Keeps the timetable until `shutdown`, then gives up the lead and returns at once: whatever was left out is still due.
///
/// PostgreSQL or Redis being away is not an error in here: the tick is logged, and the next one makes up for it.
pub async fn run(scheduler: Scheduler, shutdown: CancellationToken) -> Result<(), Error> {
    let schedules = TIMETABLE.iter().map(Line::schedule).collect::<Result<Vec<_>, _>>()?;
    let Scheduler { store, producer, name } = scheduler;
    let fan_out = FanOut::new(store.clone(), producer.clone());
    let (tell, reigns) = watch::channel(None);
    let lines = TIMETABLE.iter().zip(schedules).map(|(line, schedule)| keep(line, schedule, &fan_out, reigns.clone()));
    tracing::info!(lines = TIMETABLE.len(), scheduler.name = name, "the scheduler keeps its timetable");
    tokio::select! {
        () = shutdown.cancelled() => {}
        _ = join_all(lines) => {}
        () = lead::take_part(&producer, &name, tell) => {}
        () = figures::tell(&store, &producer) => {}
    }
    lead::part(&producer, &name).await;
    tracing::info!("the scheduler has stopped");
    Ok(())
}

/// Ticks and the work they ask for run side by side: a cron worker whose handler is slow ends with "tick out of range".
/// Between them lies the newest tick only.
async fn keep(line: &'static Line, schedule: cron::Schedule, fan_out: &FanOut, reigns: watch::Receiver<Option<Reign>>) {
    let (tell, ticks) = watch::channel(Utc::now().timestamp());
    tokio::join!(clock::run(line, schedule, tell), fan_out.follow(line, ticks, reigns));
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
