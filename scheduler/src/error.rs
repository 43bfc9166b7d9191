//! What can end the scheduler: only a timetable that cannot be read.

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
