//! What a use case may answer instead of what was asked for, cut by what the caller can do about it.

use std::time::Duration;

use domain::{Invalid, Scope};
use uuid::Uuid;

/// Why something was not done, or not given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No key, or none that opens anything from there at this time. Why is told to nobody.
    #[error("a key that is good is needed: send it as `Authorization: Bearer <key>`")]
    Unproven,
    /// The key is good for other things.
    #[error("the key needs the scope {0} for this")]
    Forbidden(Scope),
    /// Each field at fault.
    #[error("{}", sentence(.0))]
    Invalid(Vec<Invalid>),
    /// Each field that is well formed, and that the site does not take all the same.
    #[error("{}", sentence(.0))]
    Unfit(Vec<Invalid>),
    /// There is no such thing, or it is another tenant's: no difference is visible.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It does not go together with how things are.
    #[error("{0}")]
    Conflict(String),
    /// The thing has changed since the caller read it.
    #[error("it has changed since you read it: read it again, and decide anew")]
    Stale,
    /// The caller does not say which version it changes.
    #[error("say which version you change: send the `ETag` you read as `If-Match`, or `*` for any")]
    Unconditional,
    /// The same write is under way under the same key.
    #[error("the same is being done under this key: ask again for what came of it")]
    Running,
    /// Something else was asked under the same key.
    #[error("something else was asked under this key within a day: choose another key")]
    Reused,
    /// Jira understood and said no.
    #[error("Jira refused it ({status}): {}", messages.join("; "))]
    Refused {
        /// Jira's own status.
        status: u16,
        /// Jira's sentences.
        messages: Vec<String>,
    },
    /// Jira was asked and its answer never came: it may have happened.
    #[error("Jira did not say whether it happened, and it is not asked again blindly: {settle}")]
    Unknown {
        /// The operation's id, which the audit log has without an end.
        operation: Uuid,
        /// How to find out.
        settle: String,
    },
    /// It takes longer than anybody waits, and is not broken off.
    #[error(
        "the answer took too long, and what was begun may yet be done: ask again under the same Idempotency-Key, or look at the audit log"
    )]
    Late,
    /// A service that is needed is away: the same again later may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// The site takes no more questions for now.
    #[error("the site takes no more questions for now: ask again in {} s", after.as_secs().max(1))]
    Throttled {
        /// When it will again.
        after: Duration,
    },
    /// Nobody's fault but ours; for our log, not for the caller.
    #[error("{0}")]
    Broken(String),
}

impl Error {
    /// Its stable name, in answers and logs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unproven => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::Invalid(_) => "invalid",
            Self::Unfit(_) => "unfit",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Stale => "stale",
            Self::Unconditional => "unconditional",
            Self::Running => "running",
            Self::Reused => "reused",
            Self::Refused { .. } => "refused",
            Self::Unknown { .. } => "unknown",
            Self::Late => "late",
            Self::Unavailable(_) => "unavailable",
            Self::Throttled { .. } => "throttled",
            Self::Broken(_) => "broken",
        }
    }

    /// One field at fault.
    pub(crate) fn invalid(what: &str, why: impl Into<String>) -> Self {
        Self::Invalid(vec![Invalid::new(what, why)])
    }

    /// One field that the site does not take.
    pub(crate) fn unfit(what: &str, why: impl Into<String>) -> Self {
        Self::Unfit(vec![Invalid::new(what, why)])
    }
}

impl From<Invalid> for Error {
    fn from(fault: Invalid) -> Self {
        Self::Invalid(vec![fault])
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound(what) => Self::NotFound(what),
            store::Error::Conflict(what) => Self::Conflict(format!("{what} is taken: choose another one")),
            store::Error::Invalid(fault) => fault.into(),
            store::Error::Unavailable(_) => {
                Self::Unavailable("the mirror cannot be asked for the moment: ask again".to_owned())
            }
            error => Self::Broken(error.to_string()),
        }
    }
}

impl From<jira::Error> for Error {
    fn from(error: jira::Error) -> Self {
        match error {
            jira::Error::Throttled { after } => Self::Throttled { after },
            jira::Error::Refused { status, messages, .. } => Self::Refused { status, messages },
            jira::Error::Invalid(fault) => fault.into(),
            jira::Error::NotOurselves { .. } => {
                Self::Conflict("the site does not take our account's credentials: an operator must look".to_owned())
            }
            jira::Error::Unavailable { .. } | jira::Error::NotJira { .. } => {
                Self::Unavailable("the site cannot be asked for the moment: ask again".to_owned())
            }
            error => Self::Broken(error.to_string()),
        }
    }
}

fn sentence(faults: &[Invalid]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
