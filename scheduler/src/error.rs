//! What can end the scheduler, and what can spoil a tick.

use crate::fan_out::PATIENCE;

/// Why the scheduler did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line of the timetable is not a cron expression; a bug of this build.
    #[error("the timetable's line {line:?} has an unreadable cron expression {cron:?}: correct it and build again")]
    Timetable {
        /// The line's name.
        line: &'static str,
        /// The expression as it stands there.
        cron: &'static str,
        /// What the parser says.
        source: cron::error::Error,
    },
}

/// Why a tick was not served; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// PostgreSQL did not say who is there.
    #[error("instances could not be listed: {0}")]
    Store(#[from] store::Error),
    /// Redis did not take it.
    #[error("jobs could not be enqueued: {0}")]
    Queue(#[from] queue::Error),
    /// Both took too long.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
}

impl Failure {
    /// Its stable name in logs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Queue(error) => error.code(),
            Self::Late => "scheduler.late",
        }
    }
}
