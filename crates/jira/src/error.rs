//! What can come of asking Jira, cut by what the caller can do about it.
//!
//! Each says which question it is about, and Jira's own trace of it, which Atlassian's support asks for. None holds a
//! token, an address with its parameters, or a body.

use std::{fmt, time::Duration};

use domain::Invalid;

/// The question that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The site's address.
    pub site: String,
    /// The route, with placeholders.
    pub route: &'static str,
    /// Jira's trace id of the answer (`Atl-Traceid`), where there was one.
    pub trace: Option<String>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.route, self.site)?;
        self.trace.iter().try_for_each(|trace| write!(f, " (trace {trace})"))
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The site's name could not be resolved.
    Dns,
    /// The site's certificate was not accepted, or there was no TLS at all.
    Tls,
    /// Nobody took the connection: the question was never sent.
    Connection,
    /// It took too long.
    Timeout,
    /// The connection broke, or the answer ended too early.
    Broken,
    /// Jira said that it cannot (5xx).
    Server,
    /// Redis is away, which holds the budget.
    Budget,
    /// The store of the OAuth tokens is away.
    Tokens,
}

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
        /// One sentence for that operator: what, where, why, what to type.
        reason: String,
    },
    /// Jira understood and said no; it would say the same again.
    #[error("Jira refused {asked} with {status}: {}", said(messages))]
    Refused {
        /// What was asked.
        asked: Box<Asked>,
        /// The HTTP status.
        status: u16,
        /// Jira's sentences.
        messages: Vec<String>,
    },
    /// The route was removed (410): a newer jirafleet is needed.
    #[error("Jira removed {asked} (410); a newer version of jirafleet is needed")]
    Gone {
        /// What was asked.
        asked: Box<Asked>,
    },
    /// No usable answer after the quick retries: a broken connection, a time-out, a 5xx, or no budget to be had because
    /// Redis is away.
    #[error("no answer to {asked}: {reason}")]
    Unavailable {
        /// What was asked.
        asked: Box<Asked>,
        /// The HTTP status, where there was one.
        status: Option<u16>,
        /// What kind of trouble it is.
        trouble: Trouble,
        /// What went wrong, and where that helps, what to do.
        reason: String,
    },
    /// Something else than Jira's API answered: a web page, another type of content, a way to another address. Nothing may
    /// be concluded from it, not even from a 404. It may pass (a page about maintenance), or the site was renamed.
    #[error("{asked} was not answered by Jira's API ({status}): {reason}")]
    NotJira {
        /// What was asked.
        asked: Box<Asked>,
        /// The HTTP status.
        status: u16,
        /// What came instead, and what to do.
        reason: String,
    },
    /// A write was sent and its answer never came: it may have happened. Never sent again blindly.
    #[error("Jira did not say whether {asked} happened: {reason}; {settle}")]
    Unknown {
        /// What was asked.
        asked: Box<Asked>,
        /// What went wrong.
        reason: String,
        /// How to find out whether it happened.
        settle: &'static str,
    },
    /// An answer that we cannot read, or that says it is incomplete.
    #[error("Jira's answer{} cannot be used: {what}", to(asked.as_deref()))]
    Malformed {
        /// What was asked; nothing when a text was read that came from elsewhere.
        asked: Option<Box<Asked>>,
        /// What is wrong with it; never its contents.
        what: String,
    },
    /// An answer that is larger than we are willing to hold.
    #[error("{asked} answered with more than {cap} bytes; ask for fewer things at once")]
    TooLarge {
        /// What was asked.
        asked: Box<Asked>,
        /// The limit.
        cap: usize,
    },
    /// The page token is no longer valid: begin the traversal again.
    #[error("the page token is no longer valid; the listing must begin again")]
    TokenExpired,
    /// What was given cannot be sent, or the client cannot be made this way.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Error {
    /// Its stable name in logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "jira.throttled",
            Self::NotOurselves { .. } => "jira.not_ourselves",
            Self::Refused { .. } => "jira.refused",
            Self::Gone { .. } => "jira.gone",
            Self::Unavailable { .. } => "jira.unavailable",
            Self::NotJira { .. } => "jira.not_jira",
            Self::Unknown { .. } => "jira.unknown",
            Self::Malformed { .. } => "jira.malformed",
            Self::TooLarge { .. } => "jira.too_large",
            Self::TokenExpired => "jira.token_expired",
            Self::Invalid(_) => "jira.invalid",
        }
    }

    /// Whether asking again later would end the same way.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::NotJira { .. } | Self::TokenExpired => false,
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
    /// 504, or a page about maintenance), or cannot be reached. A way to another address does not go away by itself.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable { status, .. } => matches!(status, None | Some(502..=504)),
            Self::NotJira { status, .. } => !matches!(status, 300..=399),
            _ => false,
        }
    }

    /// Whether Jira says that there is no such thing, or that we may not see it.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// An answer that does not parse. serde's message tells where and what was expected; values stay out of it.
    pub(crate) fn unreadable(what: &str, error: &serde_json::Error) -> Self {
        let why = if error.is_eof() { "ends too early, at" } else { "wrong in" };
        Self::malformed(format!("{what} ({why} line {}, column {})", error.line(), error.column()))
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { asked: None, what: what.into() }
    }

    /// The same, and what it is about where it did not say.
    pub(crate) fn about(self, question: &Asked) -> Self {
        match self {
            Self::Malformed { asked: None, what } => Self::Malformed { asked: Some(Box::new(question.clone())), what },
            error => error,
        }
    }
}

fn said(messages: &[String]) -> String {
    if messages.is_empty() { "no reason given".to_owned() } else { messages.join("; ") }
}

fn to(asked: Option<&Asked>) -> String {
    asked.map(|asked| format!(" to {asked}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Box<Asked> {
        let site = "https://acme.atlassian.net".to_owned();
        Box::new(Asked { site, route: "/field", trace: Some("5b1".to_owned()) })
    }

    #[test]
    fn only_what_may_pass_is_asked_again() {
        let trouble = Trouble::Server;
        let unavailable = Error::Unavailable { asked: asked(), status: Some(503), trouble, reason: "busy".into() };
        assert!(!unavailable.is_final());
        assert!(!Error::Throttled { after: Duration::from_secs(9) }.is_final());
        assert!(Error::malformed("no issues").is_final());
    }

    #[test]
    fn a_page_may_go_away_and_a_new_address_does_not() {
        let not_jira = |status| Error::NotJira { asked: asked(), status, reason: "a web page came".into() };
        assert!(not_jira(200).is_outage() && not_jira(404).is_outage() && !not_jira(302).is_outage());
        assert!(!not_jira(302).is_final());
    }

    #[test]
    fn a_refusal_reads_as_a_sentence() {
        let refused = Error::Refused { asked: asked(), status: 400, messages: vec!["a".into(), "b".into()] };
        let expected = "Jira refused /field at https://acme.atlassian.net (trace 5b1) with 400: a; b";
        assert_eq!(refused.to_string(), expected);
    }

    #[test]
    fn an_unreadable_answer_says_to_what() {
        let error = Error::malformed("a count without a number");
        assert_eq!(error.to_string(), "Jira's answer cannot be used: a count without a number");
        let expected = "Jira's answer to /field at https://acme.atlassian.net (trace 5b1) cannot be used: a count without \
                        a number";
        assert_eq!(error.about(&asked()).about(&Asked { trace: None, ..*asked() }).to_string(), expected);
    }
}
