//! Ticks: an apalis-cron worker per line, whose handler does nothing but pass the tick on.

use std::time::Duration;

use apalis_core::{task::data::Data, worker::builder::WorkerBuilder};
use apalis_cron::{CronScheduler, Tick};
use cron::Schedule;
use tokio::sync::watch;

use crate::timetable::Line;

/// How long a clock that stopped is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Ticks for ever. The worker ends when it is polled too late (a suspended laptop, a starved machine); a new one is made
/// then, and what was due between is still due then.
pub(crate) async fn run(line: &'static Line, schedule: Schedule, tell: watch::Sender<i64>) {
    loop {
        let worker = WorkerBuilder::new(format!("scheduler-{}", line.name))
            .backend(CronScheduler::new(schedule.clone()))
            .data(tell.clone())
            .build(pass_on);
        let reason = match worker.run().await {
            Ok(()) => "its schedule has no next tick".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(schedule.line = line.name, reason, "a clock stopped and is wound up again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns at once, whatever happens to the tick.
async fn pass_on(tick: Tick, tell: Data<watch::Sender<i64>>) {
    tell.send_replace(i64::try_from(tick.get_timestamp()).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use crate::timetable::{Every, First};

    use super::*;

    #[tokio::test]
    async fn a_tick_arrives() {
        static LINE: Line = Line {
            name: "test",
            cron: "* * * * * *",
            every: Every::PollInterval,
            first: First::AtItsTurn,
            job: |instance| queue::Job::SyncDirectory { instance },
        };
        let (tell, mut ticks) = watch::channel(0);
        let clock = run(&LINE, LINE.schedule().expect("a cron expression"), tell);
        let two_ticks = async {
            let mut seen = Vec::new();
            for _ in 0..2 {
                ticks.changed().await.expect("the clock runs");
                seen.push(*ticks.borrow_and_update());
            }
            seen
        };
        tokio::select! {
            () = clock => unreachable!("a clock never ends"),
            seen = two_ticks => assert_eq!(seen[1] - seen[0], 1, "{seen:?}"),
        }
    }
}
