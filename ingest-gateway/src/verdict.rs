//! What became of a webhook, and how Jira is told: it repeats on 408, 409, 425, 429 and 5xx, and on nothing else.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};

use crate::body::Unread;

/// When to come back, in seconds. Jira keeps its own times; others may listen.
const LATER: HeaderValue = HeaderValue::from_static("5");

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Redis has it.
    Taken,
    /// Redis already had it: the same delivery came before.
    Duplicate,
    /// Proven, but about nothing that the mirror holds.
    Ignored,
    /// Not signed, wrongly signed, or for an instance that is not there: nobody can tell which.
    Unproven,
    /// Proven, but not a JSON object.
    NotJson,
    /// No body could be read.
    Unread(Unread),
    /// Redis is away.
    NoQueue,
    /// PostgreSQL is away and the secret is not known.
    NoSecret,
}

impl Verdict {
    /// Its stable name in metrics and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Unproven => "unproven",
            Self::NotJson => "not_json",
            Self::Unread(Unread::TooLarge) => "too_large",
            Self::Unread(Unread::Cut) => "cut",
            Self::Unread(Unread::Slow) => "slow",
            Self::Unread(Unread::NoRoom) => "no_room",
            Self::NoQueue => "no_queue",
            Self::NoSecret => "no_secret",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Taken | Self::Ignored => StatusCode::ACCEPTED,
            Self::Duplicate => StatusCode::OK,
            Self::Unproven => StatusCode::UNAUTHORIZED,
            Self::NotJson | Self::Unread(Unread::Cut) => StatusCode::BAD_REQUEST,
            Self::Unread(Unread::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unread(Unread::Slow) => StatusCode::REQUEST_TIMEOUT,
            Self::Unread(Unread::NoRoom) | Self::NoQueue | Self::NoSecret => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Verdict {
    fn into_response(self) -> Response {
        let status = self.status();
        // Which of our servers is away is nobody's business outside.
        let told = if status == StatusCode::SERVICE_UNAVAILABLE { "later" } else { self.name() };
        let mut response = (status, Json(serde_json::json!({ "verdict": told }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, LATER);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jira_repeats_what_failed_on_our_side_and_nothing_else() {
        let status = |verdict: Verdict| verdict.into_response().status().as_u16();
        assert_eq!(status(Verdict::Taken), 202);
        assert_eq!(status(Verdict::Duplicate), 200);
        assert_eq!(status(Verdict::Ignored), 202);
        assert_eq!(status(Verdict::Unproven), 401);
        assert_eq!(status(Verdict::NotJson), 400);
        assert_eq!(status(Verdict::Unread(Unread::TooLarge)), 413);
        for ours in [Verdict::NoQueue, Verdict::NoSecret, Verdict::Unread(Unread::NoRoom)] {
            let response = ours.into_response();
            assert_eq!(response.status().as_u16(), 503);
            assert!(response.headers().contains_key(RETRY_AFTER));
        }
    }
}
