//! Writes whose end is not known. Jira has no key that makes a write happen once, so what may have happened is never asked
//! for again: the caller is told how to find out.

use reqwest::StatusCode;

use crate::{
    Error,
    error::{Asked, Trouble},
    request::{Effect, Request},
    retry::Failure,
    transfer::Raw,
};

/// How sending went. Only what was never sent, and nothing else, may be sent again.
pub(crate) fn sent(request: &Request, asked: &Asked, raw: Result<Raw, Failure>) -> Result<Raw, Failure> {
    raw.map_err(|failure| match (&failure, settle(request)) {
        (Failure::Passing { error: Error::Unavailable { trouble, .. }, .. }, Some(_)) if never_sent(*trouble) => {
            failure
        }
        (Failure::Passing { error, .. } | Failure::Final(error), Some(settle)) => unknown(asked, error, settle),
        (_, None) => failure,
    })
}

/// What an answer was worth. A 4xx did not happen, nor what was rejected before it began: 429, and 503 with a time.
pub(crate) fn judged<T>(
    request: &Request,
    asked: &Asked,
    status: StatusCode,
    judged: Result<T, Failure>,
) -> Result<T, Failure> {
    let rejected = |after: bool| status == StatusCode::SERVICE_UNAVAILABLE && after;
    judged.map_err(|failure| match (&failure, settle(request)) {
        (_, None) => failure,
        _ if status.is_client_error() || status.is_redirection() => failure,
        (Failure::Passing { after, .. }, Some(_)) if rejected(after.is_some()) => failure,
        (Failure::Passing { error, .. } | Failure::Final(error), Some(settle)) => unknown(asked, error, settle),
    })
}

/// What the proof of an answer was worth that did not say whom it was given to.
pub(crate) fn proven(
    request: &Request,
    asked: &Asked,
    status: StatusCode,
    proof: Result<(), Failure>,
) -> Result<(), Failure> {
    proof.map_err(|failure| match (&failure, settle(request)) {
        (Failure::Passing { error, .. } | Failure::Final(error), Some(settle)) if status.is_success() => {
            let asked = Box::new(asked.clone());
            let reason = format!("whom its answer was given to could not be proven ({error})");
            Failure::Final(Error::Unknown { asked, reason, settle })
        }
        _ => failure,
    })
}

fn settle(request: &Request) -> Option<&'static str> {
    match request.effect {
        Effect::Repeatable => None,
        Effect::Once { settle, .. } => Some(settle),
    }
}

fn never_sent(trouble: Trouble) -> bool {
    match trouble {
        Trouble::Dns | Trouble::Tls | Trouble::Connection | Trouble::Budget | Trouble::Tokens => true,
        Trouble::Timeout | Trouble::Broken | Trouble::Server => false,
    }
}

fn unknown(asked: &Asked, error: &Error, settle: &'static str) -> Failure {
    let reason = match error {
        Error::Unavailable { reason, .. } | Error::NotJira { reason, .. } => reason.clone(),
        error => error.to_string(),
    };
    Failure::Final(Error::Unknown { asked: Box::new(asked.clone()), reason, settle })
}
