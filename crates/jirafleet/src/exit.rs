//! How a command ends: an exit code of the contract and one sentence with the next step.

use std::{fmt::Display, io::ErrorKind};

use crate::output::say;

pub(crate) const OK: u8 = 0;
pub(crate) const FAILURE: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const NOT_FOUND: u8 = 3;
pub(crate) const CONFLICT: u8 = 4;
pub(crate) const PERMISSION: u8 = 5;
pub(crate) const DRIFT: u8 = 7;
pub(crate) const UNAVAILABLE: u8 = 69;
pub(crate) const BUG: u8 = 70;
pub(crate) const TRY_AGAIN: u8 = 75;
pub(crate) const CONFIGURATION: u8 = 78;
pub(crate) const INTERRUPTED: u8 = 130;

/// A command that did not do what it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) code: u8,
    /// Empty when everything was said already.
    sentence: String,
}

impl Failed {
    pub(crate) fn new(code: u8, sentence: impl Display) -> Self {
        Self { code, sentence: sentence.to_string() }
    }

    pub(crate) fn not_found(sentence: impl Display) -> Self {
        Self::new(NOT_FOUND, sentence)
    }

    pub(crate) fn configuration(sentence: impl Display) -> Self {
        Self::new(CONFIGURATION, sentence)
    }

    pub(crate) fn bug(sentence: impl Display) -> Self {
        Self::new(BUG, sentence)
    }

    /// Ends with this code; the command has said why.
    pub(crate) fn silent(code: u8) -> Self {
        Self { code, sentence: String::new() }
    }

    pub(crate) fn print(&self) {
        if !self.sentence.is_empty() {
            say!("jirafleet: {}", self.sentence);
        }
    }
}

impl Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<domain::Invalid> for Failed {
    fn from(error: domain::Invalid) -> Self {
        Self::new(USAGE, error)
    }
}

impl From<store::Error> for Failed {
    fn from(error: store::Error) -> Self {
        let code = match &error {
            store::Error::NotFound(_) => NOT_FOUND,
            store::Error::Conflict(_) => CONFLICT,
            store::Error::Unavailable(_) => UNAVAILABLE,
            store::Error::Configuration(_) => CONFIGURATION,
            _ => FAILURE,
        };
        Self::new(code, error)
    }
}

impl From<queue::Error> for Failed {
    fn from(error: queue::Error) -> Self {
        let code = match &error {
            queue::Error::NoSuchLetter(_) | queue::Error::NoSuchJob(_) => NOT_FOUND,
            queue::Error::WrongState { .. } => CONFLICT,
            queue::Error::Full { .. } | queue::Error::TooManyCancelled => TRY_AGAIN,
            queue::Error::Misconfigured(_) => CONFIGURATION,
            error if error.is_passing() => UNAVAILABLE,
            _ => FAILURE,
        };
        Self::new(code, error)
    }
}

impl From<jira::Error> for Failed {
    fn from(error: jira::Error) -> Self {
        let code = match &error {
            jira::Error::NotOurselves { .. } => PERMISSION,
            jira::Error::Throttled { .. } => TRY_AGAIN,
            jira::Error::Unavailable { .. } | jira::Error::NotJira { .. } => UNAVAILABLE,
            _ => FAILURE,
        };
        match code {
            UNAVAILABLE => Self::new(code, format!("{error}; see whether the site opens in a browser, then try again")),
            _ => Self::new(code, error),
        }
    }
}

impl From<worker::webhooks::Error> for Failed {
    fn from(error: worker::webhooks::Error) -> Self {
        use worker::webhooks::Error;
        match error {
            Error::Jira(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Queue(error) => error.into(),
            error @ (Error::Rejected(_) | Error::Impossible(_)) => Self::new(CONFLICT, error),
        }
    }
}

/// A data directory that cannot serve as one is a matter of configuration; the rest is a server that is not there.
impl From<servers::Error> for Failed {
    fn from(error: servers::Error) -> Self {
        let code = match &error {
            servers::Error::OtherMajor { .. }
            | servers::Error::Unreachable { .. }
            | servers::Error::NoAccount
            | servers::Error::Damaged { .. } => CONFIGURATION,
            servers::Error::Io { source, .. } if is_of_the_place(source.kind()) => CONFIGURATION,
            _ => UNAVAILABLE,
        };
        Self::new(code, error)
    }
}

/// Whether the place that was named is what is wrong, and not the machine at this moment.
fn is_of_the_place(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
    )
}

impl From<listener::Error> for Failed {
    fn from(error: listener::Error) -> Self {
        Self::new(UNAVAILABLE, error)
    }
}

impl From<migration::Error> for Failed {
    fn from(error: migration::Error) -> Self {
        let code = match &error {
            migration::Error::TooPowerful { .. } | migration::Error::Refused(_) => CONFIGURATION,
            migration::Error::Unavailable(_) => UNAVAILABLE,
            migration::Error::Forbidden(_) => PERMISSION,
            migration::Error::Busy(_) => TRY_AGAIN,
            migration::Error::Ahead(_) => CONFLICT,
            migration::Error::Broken { .. } | migration::Error::Database(_) => FAILURE,
        };
        Self::new(code, error)
    }
}
