//! The waiting lines of the fleet, on Redis Streams: what can be asked for, how it is delivered at least once, and what
//! becomes of an attempt.
//!
//! The only crate that names Redis Streams and apalis' `Backend`. A promise in one sentence: a job that was enqueued is run
//! until its handler says it is done, or it lies in the dead letters with a reason; it may be run twice, never not at all.

mod backend;
mod connection;
mod control;
mod dead_letter;
mod delivery;
mod envelope;
mod error;
mod heard;
mod history;
mod job;
mod keys;
mod lead;
mod listing;
mod metric;
mod policy;
mod producer;
mod schedule;
mod scripts;
mod server;
mod settle;
mod stats;
mod touched;
mod turns;
mod unique;

pub use backend::{AckLayer, AckService, BackendOptions, Buried, Settled, StreamBackend};
pub use control::{Cancelled, Pause, PauseOrder, Scope};
pub use dead_letter::{DeadLetter, Replayed};
pub use envelope::{Envelope, JobId, MAX_JOB_BYTES};
pub use error::Error;
pub use history::Finished;
pub use job::{Compared, FLEET, Job, Losses, PollPage};
pub use lead::{Clock, Lead, Leader};
pub use listing::{JobState, Listed, Page};
pub use policy::{Policy, QueueName};
pub use producer::{Enqueued, Producer};
pub use schedule::Backoff;
pub use server::{Crew, Server};
pub use settle::Outcome;
pub use stats::{Depth, Status};
pub use touched::{Lane, Remaining, Touched, TouchedIssue, TouchedLane};
pub use turns::{AHEAD, Due, Fired, Turn};
pub use unique::Unique;

/// Where the queues live.
#[derive(Clone)]
pub struct Config {
    /// `redis://[user][:password@]host[:port][/db]`, `unix:///path?pass=..&db=..`, or, with Sentinel,
    /// `redis+sentinel://[user[:password]@]host[:port][,host[:port]..]/master[/db]`.
    pub url: String,
    /// What every key begins with, such as `jirafleet`; without braces, which mark a Redis Cluster slot.
    pub prefix: String,
}

/// The URL may hold a password.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
