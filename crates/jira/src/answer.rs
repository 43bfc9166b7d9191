//! One answer: its body within bounds, its status as an error, how long Jira asks us to wait.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::{StatusCode, header};
use serde::Deserialize;

use crate::{
    Error, refusal,
    retry::{Failure, LONGEST_WAIT},
};

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Answer {
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
        serde_json::from_str(text).map_err(|error| Error::unreadable(what, &error))
    }

    /// Reads the body as it came.
    pub(crate) fn read_exact<'a, T: Deserialize<'a>>(&'a self, what: &str) -> Result<T, Error> {
        serde_json::from_str(&self.text).map_err(|error| Error::unreadable(what, &error))
    }

    /// The answer, if Jira did what was asked.
    pub(crate) fn accepted(self, route: &'static str) -> Result<Self, Error> {
        match self.status {
            status if status.is_success() => Ok(self),
            StatusCode::GONE => Err(Error::Gone { route }),
            status if status.is_redirection() => {
                let messages = vec!["it points to another address: was the site renamed or suspended?".to_owned()];
                Err(Error::Refused { route, status: status.as_u16(), messages })
            }
            status => Err(Error::Refused { route, status: status.as_u16(), messages: refusal::messages(&self.text) }),
        }
    }
}

/// What the server's clock says.
pub(crate) fn date(headers: &header::HeaderMap) -> Option<DateTime<Utc>> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(date).ok().map(|date| date.with_timezone(&Utc))
}

/// The body, unless it is larger than we are willing to hold.
pub(crate) async fn read(mut response: reqwest::Response, route: &'static str, cap: usize) -> Result<String, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(route, &error))? {
        if body.len() + chunk.len() > cap {
            return Err(Failure::Final(Error::TooLarge { route, cap }));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| Failure::Final(Error::malformed(format!("{route} did not answer in UTF-8"))))
}

/// A 5xx. A 503 may tell how long it will last.
pub(crate) fn unavailable(route: &'static str, status: StatusCode, text: &str, after: Option<Duration>) -> Failure {
    let error = match after {
        Some(after) if after > LONGEST_WAIT => Error::Throttled { after },
        _ => {
            let said = refusal::messages(text).join("; ");
            let reason = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
            Error::Unavailable { route, status: Some(status.as_u16()), reason }
        }
    };
    Failure::Passing { error, after }
}

/// A connection that failed or broke. The error's own text may quote the address with its parameters: only its kind is told.
pub(crate) fn broken(route: &'static str, error: &reqwest::Error) -> Failure {
    let reason = match error {
        error if error.is_timeout() => "it took too long",
        error if error.is_connect() => "no connection",
        error if error.is_decode() || error.is_body() => "the connection broke while the answer came",
        _ => "the connection broke",
    };
    Failure::passing(Error::Unavailable { route, status: None, reason: reason.to_owned() })
}

/// How long Jira asks us to wait: `Retry-After` in seconds, else the time of `X-RateLimit-Reset`, seen both with and without
/// seconds. At most an hour, which is when its longest quota begins anew.
pub(crate) fn asked_wait(headers: &header::HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = text("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let wait = seconds.or_else(|| {
        let reset = text("x-ratelimit-reset")?;
        let reset = reset.parse::<DateTime<Utc>>().or_else(|_| reset.replacen('Z', ":00Z", 1).parse()).ok()?;
        (reset - now).to_std().ok()
    })?;
    Some(wait.clamp(Duration::from_millis(100), Duration::from_secs(3600)))
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
            _ => "malformed",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &'static str, value: &'static str) -> Option<Duration> {
        let now = "2026-01-01T01:00:00Z".parse().expect("a time");
        let mut headers = header::HeaderMap::new();
        headers.insert(name, header::HeaderValue::from_static(value));
        asked_wait(&headers, now)
    }

    #[test]
    fn the_wait_is_read_in_all_its_forms() {
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("retry-after", "999999"), Some(Duration::from_secs(3600)));
        assert_eq!(wait("x-ratelimit-reset", "2026-01-01T01:01:01Z"), Some(Duration::from_secs(61)));
        assert_eq!(wait("x-ratelimit-reset", "2026-01-01T01:02Z"), Some(Duration::from_secs(120)));
        assert_eq!(wait("x-ratelimit-reset", "2025-01-01T01:02Z"), None);
        assert_eq!(wait("retry-after", "soon"), None);
    }
}
