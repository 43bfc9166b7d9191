//! What can come of asking Jira, cut by what the caller can do about it.

use std::time::Duration;

use domain::Invalid;

/// Why Jira's answer is not there, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Jira, or our own budget for it, said: later. Ask again then; it counts as no failure.
    #[error("Jira takes no more questions for now; ask again in {} ms", after.as_millis())]
    Throttled {
        /// How much later.
        after: Duration,
    },
    /// The answer did not come from the account that we expect to be. Nothing may be concluded from it, and nothing more
    /// be asked until an operator has looked.
    #[error("{reason}")]
    NotOurselves {
        /// One sentence for that operator: what, why, what to type.
        reason: String,
    },
    /// Jira understood and said no; it would say the same again.
    #[error("Jira refused {route} with {status}: {}", if messages.is_empty() { "no reason given".to_owned() } else { messages.join("; ") })]
    Refused {
        /// The route, with placeholders.
        route: &'static str,
        /// The HTTP status.
        status: u16,
        /// Jira's sentences.
        messages: Vec<String>,
    },
    /// The route was removed (410): a newer jirafleet is needed.
    #[error("Jira removed {route} (410); a newer version of jirafleet is needed")]
    Gone {
        /// The route, with placeholders.
        route: &'static str,
    },
    /// No usable answer after the quick retries: a broken connection, a time-out, a 5xx, or no budget to be had because
    /// Redis is away.
    #[error("no answer to {route}: {reason}")]
    Unavailable {
        /// The route, with placeholders.
        route: &'static str,
        /// The HTTP status, where there was one.
        status: Option<u16>,
        /// What went wrong.
        reason: String,
    },
    /// A write was sent and its answer never came: it may have happened. Never sent again blindly.
    #[error("Jira did not say whether {route} happened: {reason}")]
    Unknown {
        /// The route, with placeholders.
        route: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// An answer that we cannot read, or that says it is incomplete.
    #[error("Jira's answer cannot be used: {what}")]
    Malformed {
        /// What is wrong with it; never its contents.
        what: String,
    },
    /// An answer that is larger than we are willing to hold.
    #[error("{route} answered with more than {cap} bytes")]
    TooLarge {
        /// The route, with placeholders.
        route: &'static str,
        /// The limit.
        cap: usize,
    },
    /// The page token is no longer valid: begin the traversal again.
    #[error("the page token is no longer valid; the listing must begin again")]
    TokenExpired,
    /// The client cannot be made this way.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Error {
    /// Whether asking again later would end the same way.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::TokenExpired => false,
            Self::NotOurselves { .. }
            | Self::Refused { .. }
            | Self::Gone { .. }
            | Self::Unknown { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Invalid(_) => true,
        }
    }

    /// Whether Jira as a whole is away rather than unwilling to answer this one question: it says so itself (502, 503,
    /// 504), or cannot be reached.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { status: None | Some(502..=504), .. })
    }

    /// An answer that does not parse. serde's message tells where and what was expected; values stay out of it.
    pub(crate) fn unreadable(what: &str, error: &serde_json::Error) -> Self {
        Self::Malformed { what: format!("{what} (line {}, column {})", error.line(), error.column()) }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_asked_again() {
        let unavailable = Error::Unavailable { route: "/field", status: Some(503), reason: "busy".into() };
        assert!(!unavailable.is_final());
        assert!(!Error::Throttled { after: Duration::from_secs(9) }.is_final());
        assert!(Error::malformed("no issues").is_final());
    }

    #[test]
    fn a_refusal_reads_as_a_sentence() {
        let refused = Error::Refused { route: "/field", status: 400, messages: vec!["a".into(), "b".into()] };
        assert_eq!(refused.to_string(), "Jira refused /field with 400: a; b");
    }
}
