//! What can go wrong when something is asked of the queue.

use std::sync::Arc;

/// Why the queue did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Redis is away, full, loading or read-only. Ask again later.
    #[error("the queue's Redis did not answer ({0}): check that it runs and that the Redis URL is right")]
    Unavailable(Arc<redis::RedisError>),
    /// Redis took longer than a caller can wait.
    #[error("the queue's Redis did not answer within {0:?}: check that it runs and that the Redis URL is right")]
    TimedOut(std::time::Duration),
    /// More than a job may carry. Ask for less at once.
    #[error("a job of {size} bytes was refused, the limit is {limit}: put large things elsewhere and carry their id")]
    TooLarge {
        /// Bytes of the envelope.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Something in Redis is not what this process writes there.
    #[error("{0}: it was written by another version or by hand; look at it with `jirafleet dead show` or discard it")]
    Unreadable(String),
    /// A setting that cannot work.
    #[error("{0}")]
    Misconfigured(String),
    /// An instance has too much waiting already. Ask again later.
    #[error("the {queue} queue holds as many jobs of this instance as it takes: ask again in {retry_after:?}")]
    Full {
        /// Where.
        queue: crate::QueueName,
        /// When asking again is worth it.
        retry_after: std::time::Duration,
    },
    /// Too many jobs were called off lately to remember one more.
    #[error("too many jobs were cancelled lately: pause the queue or the instance instead")]
    TooManyCancelled,
    /// No job under this id among what was looked through.
    #[error("there is no job {0} among what waits, runs or ended lately")]
    NoSuchJob(crate::JobId),
    /// It is where this cannot be done.
    #[error("job {id} is {state}: {next}")]
    WrongState {
        /// Which.
        id: crate::JobId,
        /// Where it is.
        state: &'static str,
        /// What can be done instead.
        next: &'static str,
    },
    /// No dead letter under this id.
    #[error("there is no dead letter {0}: it was replayed, discarded or dropped for age")]
    NoSuchLetter(String),
}

impl Error {
    /// Its stable name in logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::TimedOut(_) => "queue.unavailable",
            Self::TooLarge { .. } => "queue.too_large",
            Self::Unreadable(_) => "queue.unreadable",
            Self::Misconfigured(_) => "queue.misconfigured",
            Self::Full { .. } => "queue.full",
            Self::TooManyCancelled => "queue.too_many_cancelled",
            Self::NoSuchJob(_) => "queue.no_such_job",
            Self::WrongState { .. } => "queue.wrong_state",
            Self::NoSuchLetter(_) => "queue.no_such_letter",
        }
    }

    /// Whether asking again later can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TimedOut(_) | Self::Full { .. })
    }
}

/// Everything Redis itself refuses (`OOM`, `READONLY`, `LOADING`, a cut connection) passes with time; only answers of an
/// unexpected shape do not.
impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        match error.kind() {
            redis::ErrorKind::Parse | redis::ErrorKind::UnexpectedReturnType => Self::Unreadable(error.to_string()),
            redis::ErrorKind::InvalidClientConfig => {
                Self::Misconfigured(format!("the Redis URL is not usable: {error}"))
            }
            _ => Self::Unavailable(Arc::new(error)),
        }
    }
}
