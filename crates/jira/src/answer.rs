//! One answer: its body within bounds, whether it is Jira's at all, its status as an error.

use std::{
    io,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use reqwest::{StatusCode, Url, header};
use serde::Deserialize;

use crate::{
    Error,
    error::{Asked, Trouble},
    refusal,
    retry::{Failure, LONGEST_WAIT},
};

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it answers.
    pub(crate) asked: Asked,
    /// A lower bound of the instant at which it was true.
    pub(crate) sent_at: DateTime<Utc>,
    /// When its last byte came.
    pub(crate) received: Instant,
    /// What Jira's clock said when it answered.
    pub(crate) date: Option<DateTime<Utc>>,
    pub(crate) status: StatusCode,
    /// Whether it does not say whom it was given to.
    pub(crate) silent: bool,
    /// As it came.
    pub(crate) text: String,
    /// The same without what PostgreSQL cannot hold, where that differs.
    pub(crate) storable: Option<String>,
}

impl Answer {
    /// When the question was sent: by our clock or by Jira's, whichever is behind. A clock of ours that is ahead would
    /// otherwise move a watermark past changes that nobody has read.
    pub(crate) fn asked_at(&self) -> DateTime<Utc> {
        self.date.map_or(self.sent_at, |date| date.min(self.sent_at))
    }

    /// Reads what can be stored of the body.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self, what: &str) -> Result<T, Error> {
        let text = self.storable.as_deref().unwrap_or(&self.text);
        serde_json::from_str(text).map_err(|error| Error::unreadable(what, &error).about(&self.asked))
    }

    /// Reads the body as it came.
    pub(crate) fn read_exact<'a, T: Deserialize<'a>>(&'a self, what: &str) -> Result<T, Error> {
        serde_json::from_str(&self.text).map_err(|error| Error::unreadable(what, &error).about(&self.asked))
    }

    /// What was made of the body; an error says what it is about.
    pub(crate) fn tell<T>(&self, made: Result<T, Error>) -> Result<T, Error> {
        made.map_err(|error| error.about(&self.asked))
    }

    /// That something is wrong with the body.
    pub(crate) fn malformed(&self, what: impl Into<String>) -> Error {
        Error::malformed(what).about(&self.asked)
    }

    /// The answer, if Jira did what was asked.
    pub(crate) fn accepted(self) -> Result<Self, Error> {
        match self.status {
            status if status.is_success() => Ok(self),
            StatusCode::GONE => Err(Error::Gone { asked: Box::new(self.asked) }),
            status => Err(Error::Refused {
                messages: refusal::messages(&self.text),
                asked: Box::new(self.asked),
                status: status.as_u16(),
            }),
        }
    }
}

/// The question and Jira's trace of the answer: letters, digits and hyphens of it.
pub(crate) fn traced(mut asked: Asked, headers: &header::HeaderMap) -> Asked {
    let trace = headers.get("atl-traceid").and_then(|trace| trace.to_str().ok()).unwrap_or_default();
    let trace: String = trace.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
    asked.trace = (!trace.is_empty()).then_some(trace);
    asked
}

/// What the server's clock says.
pub(crate) fn date(headers: &header::HeaderMap) -> Option<DateTime<Utc>> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(date).ok().map(|date| date.with_timezone(&Utc))
}

/// The type of the content, without its parameters.
pub(crate) fn content_type(headers: &header::HeaderMap) -> Option<String> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// A way to another address. It is never followed: our credentials would go along.
pub(crate) fn elsewhere(asked: Asked, from: &Url, status: StatusCode, headers: &header::HeaderMap) -> Failure {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let to = location.and_then(|location| from.join(location).ok());
    let reason = match to.as_ref().and_then(|to| Some((to, to.host_str()?))) {
        Some((to, host)) if to.host_str() != from.host_str() || to.port() != from.port() => {
            format!("it points to another host, {host}; if the site was renamed, register it under its new address")
        }
        _ => "it points to another page; open the site in a browser: it may be suspended".to_owned(),
    };
    Failure::Final(Error::NotJira { asked: Box::new(asked), status: status.as_u16(), reason })
}

/// Refuses what Jira's API never answers with. An empty site and a page about maintenance must not be mistaken for each
/// other, nor a 404 of a proxy for an issue that is gone. Other refusals are texts of any kind.
pub(crate) fn of_jira(
    asked: &Asked,
    status: StatusCode,
    content_type: Option<&str>,
    text: &str,
) -> Result<(), Failure> {
    let text = text.trim_start();
    let html = text.starts_with('<') || content_type.is_some_and(|kind| kind.contains("html"));
    let believed = status.is_success() || status == StatusCode::NOT_FOUND;
    let is_json = content_type.is_none_or(|kind| kind == "application/json" || kind.ends_with("+json"));
    let is_body = status == StatusCode::NOT_FOUND || !text.is_empty();
    let reason = match content_type {
        _ if html => "a web page came".to_owned(),
        Some(kind) if believed && is_body && !is_json => {
            format!("content of type {:?} came", kind.chars().take(64).collect::<String>())
        }
        None if status == StatusCode::NOT_FOUND && !text.starts_with('{') => "it says nothing in JSON".to_owned(),
        _ => return Ok(()),
    };
    let advice = "if this lasts, open the site in a browser: it may be under maintenance, suspended or renamed, or a proxy \
                  stands between";
    let reason = format!("{reason}; {advice}");
    Err(Failure::Final(Error::NotJira { asked: Box::new(asked.clone()), status: status.as_u16(), reason }))
}

/// The body, unless it is larger than we are willing to hold.
pub(crate) async fn read(mut response: reqwest::Response, asked: &Asked, cap: usize) -> Result<String, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(asked, &error))? {
        if body.len() + chunk.len() > cap {
            return Err(Failure::Final(Error::TooLarge { asked: Box::new(asked.clone()), cap }));
        }
        body.extend_from_slice(&chunk);
    }
    let wrong = |_| Failure::Final(Error::malformed("it is not UTF-8").about(asked));
    String::from_utf8(body).map_err(wrong)
}

/// A 5xx. A 503 may tell how long it will last.
pub(crate) fn unavailable(asked: Asked, status: StatusCode, text: &str, after: Option<Duration>) -> Failure {
    let error = match after {
        Some(after) if after > LONGEST_WAIT => Error::Throttled { after },
        _ => {
            let said = refusal::messages(text).join("; ");
            let reason = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
            let (asked, status) = (Box::new(asked), Some(status.as_u16()));
            Error::Unavailable { asked, status, trouble: Trouble::Server, reason }
        }
    };
    Failure::Passing { error, after }
}

/// A connection that failed or broke. The error's own text may quote the address with its parameters: only its kind is told.
pub(crate) fn broken(asked: &Asked, error: &reqwest::Error) -> Failure {
    let (trouble, reason) = match error {
        error if error.is_dns() => {
            (Trouble::Dns, "its name could not be resolved; check the site's address and this machine's DNS")
        }
        error if error.is_connect() && is_tls(error) => (
            Trouble::Tls,
            "no trusted TLS; check whether a proxy stands between, and this machine's clock and certificates",
        ),
        error if error.is_connect() => (Trouble::Connection, "no connection; check the network and its firewall"),
        error if error.is_timeout() => (Trouble::Timeout, "it took too long"),
        error if error.is_decode() || error.is_body() => {
            (Trouble::Broken, "the connection broke while the answer came, which is cut off")
        }
        _ => (Trouble::Broken, "the connection broke"),
    };
    let asked = Box::new(asked.clone());
    Failure::passing(Error::Unavailable { asked, status: None, trouble, reason: reason.to_owned() })
}

/// Whether a connection that was not made failed after TCP had done its part: rustls calls what it refuses invalid data, and
/// a peer that does not speak TLS hangs up or talks nonsense.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.downcast_ref::<io::Error>().is_some_and(is_nonsense) {
            return true;
        }
        source = error.source();
    }
    false
}

/// Errors of I/O hold others that are not in the chain of sources.
fn is_nonsense(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        || error.get_ref().and_then(|inner| inner.downcast_ref()).is_some_and(is_nonsense)
}

/// How it went, as metrics name it.
pub(crate) fn outcome(result: &Result<Answer, Failure>) -> &'static str {
    match result {
        Ok(answer) if answer.status.is_success() => "ok",
        Ok(_) => "refused",
        Err(Failure::Passing { error, .. } | Failure::Final(error)) => match error {
            Error::Throttled { .. } => "throttled",
            Error::NotOurselves { .. } => "not_ourselves",
            Error::Unavailable { .. } => "unavailable",
            Error::NotJira { .. } => "not_jira",
            Error::Unknown { .. } => "unknown",
            _ => "malformed",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked { site: "https://acme.atlassian.net".to_owned(), route: "/field", trace: None }
    }

    #[test]
    fn only_json_is_believed() {
        let of_jira = |status: u16, kind: Option<&str>, text: &str| {
            of_jira(&asked(), StatusCode::from_u16(status).expect("a status"), kind, text).is_ok()
        };
        for (status, kind, text) in [
            (200, Some("application/json"), "{}"),
            (200, None, "[]"),
            (204, None, ""),
            (201, Some("text/plain"), ""),
            (404, Some("application/problem+json"), "{}"),
            (404, None, "{}"),
            (401, Some("text/plain"), "Client must be authenticated"),
        ] {
            assert!(of_jira(status, kind, text), "{status} {kind:?} {text}");
        }
        for (status, kind, text) in [
            (200, Some("text/html"), ""),
            (200, Some("application/json"), "  <html>"),
            (200, Some("text/plain"), "[]"),
            (404, Some("text/plain"), "Not Found"),
            (404, Some("application/xml"), ""),
            (404, None, ""),
            (403, Some("text/html"), "<html>"),
        ] {
            assert!(!of_jira(status, kind, text), "{status} {kind:?} {text}");
        }
    }

    #[test]
    fn a_way_to_another_host_is_named_without_its_parameters() {
        let from = Url::parse("https://acme.atlassian.net/rest/api/3/field").expect("an address");
        let said = |location: &str| {
            let headers = [(header::LOCATION, location.parse().expect("a value"))].into_iter().collect();
            match elsewhere(asked(), &from, StatusCode::FOUND, &headers) {
                Failure::Final(error @ Error::NotJira { .. }) => error.to_string(),
                other => panic!("{other:?}"),
            }
        };
        let other = said("https://acme-new.atlassian.net/login?secret=1");
        assert!(other.contains("acme-new.atlassian.net;") && !other.contains("secret"), "{other}");
        assert!(said("/login?secret=1").contains("another page"));
    }
}
