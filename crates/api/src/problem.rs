//! Refusals over HTTP: problem documents (RFC 9457) with stable codes. The only place where a use case's error becomes a
//! status.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::Invalid;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::usecases::Error;

/// Why something was not done, or not given.
#[derive(Debug)]
pub(crate) enum Problem {
    /// A use case said so.
    Said(Error),
    /// There is nothing at this address.
    NoRoute,
    /// There is, for other methods.
    WrongMethod,
    /// The body is larger than any that is taken.
    TooLarge,
    /// The body did not come in time.
    SlowBody,
    /// More was asked than is allowed; so long until one more may be.
    TooMany(Duration),
    /// The body is of another type than JSON.
    WrongType,
    /// The body is no JSON of the command that is wanted.
    Body(String),
    /// The query has a parameter that nobody knows, or one twice that may be given once.
    Query(String),
}

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Document {
    /// Stable: `urn:jirafleet:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every problem of this type.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong this time, and what to do.
    detail: String,
    /// Stable; the last part of the type.
    code: &'static str,
    /// Names the request in our logs and in the audit log.
    request_id: String,
    /// The write whose end nobody knows, as the audit log names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<Uuid>,
    /// Each field at fault, where there are such.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

/// One field at fault.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// The parameter of the address or the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The member of the body, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// What it must be.
    detail: String,
}

/// What a problem is until the request's layer makes a document of it.
#[derive(Clone)]
pub(crate) struct Raised(pub(crate) std::sync::Arc<Problem>);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

/// The layer around all routes writes the document: it knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Raised(std::sync::Arc::new(self)));
        response
    }
}

impl Problem {
    fn status(&self) -> StatusCode {
        self.class().0
    }

    /// Status, code and title.
    fn class(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found", "There is no such thing"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "Not by this method"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large"),
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "slow", "The body took too long"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many", "Too many requests"),
            Self::WrongType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_type", "The body is of the wrong type"),
            Self::Query(_) | Self::Body(_) => (StatusCode::BAD_REQUEST, "invalid", "The request cannot be taken"),
            Self::Said(error) => class(error),
        }
    }

    /// Its stable name.
    pub(crate) fn code(&self) -> &'static str {
        self.class().1
    }

    /// The answer, for the request with this id. `place` says where the fields at fault are.
    pub(crate) fn answer(&self, request_id: &str, place: Place) -> Response {
        let (status, code, title) = self.class();
        let document = Document {
            kind: format!("urn:jirafleet:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: self.detail(),
            code,
            request_id: request_id.to_owned(),
            operation: match self {
                Self::Said(Error::Unknown { operation, .. }) => Some(*operation),
                _ => None,
            },
            errors: self.faults(place),
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"jirafleet\""));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// What is ours to know stays in our log.
    fn detail(&self) -> String {
        match self {
            Self::Said(Error::Broken(_)) => {
                "something broke on our side; the request's id finds it in our log".to_owned()
            }
            Self::Said(error) => error.to_string(),
            Self::NoRoute => "there is nothing at this address: /openapi.json lists what there is".to_owned(),
            Self::WrongMethod => "this address takes other methods: /openapi.json lists them".to_owned(),
            Self::TooLarge => "a body has at most 1 MiB".to_owned(),
            Self::SlowBody => "a body must have come within 10 s: send it again".to_owned(),
            Self::TooMany(_) => "more was asked than is allowed: slow down, see the header `RateLimit`".to_owned(),
            Self::WrongType => "a command is JSON: send it as `Content-Type: application/json`".to_owned(),
            Self::Body(why) => format!("the body cannot be taken: {why}"),
            Self::Query(why) => format!("the query cannot be taken: {why}"),
        }
    }

    fn faults(&self, place: Place) -> Vec<Fault> {
        match self {
            Self::Said(Error::Invalid(faults) | Error::Unfit(faults)) => {
                faults.iter().map(|fault| place.fault(fault)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany(after) => Some(after.as_secs() + 1),
            Self::Said(Error::Throttled { after }) => Some(after.as_secs().max(1)),
            Self::Said(Error::Unavailable(_) | Error::Running) => Some(1),
            _ => None,
        }
    }
}

/// Where a request's fields are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In its address and query.
    Address,
    /// In its body.
    Body,
}

/// Fields of requests with a body that are in the address all the same.
const OF_ADDRESS: [&str; 2] = ["issue", "Idempotency-Key"];

impl Place {
    fn fault(self, fault: &Invalid) -> Fault {
        let detail = fault.why.clone();
        if self == Self::Address || OF_ADDRESS.contains(&fault.what.as_str()) {
            return Fault { parameter: Some(fault.what.clone()), pointer: None, detail };
        }
        let path = fault.what.split('.').filter(|part| !part.is_empty());
        let pointer = path.map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect();
        Fault { parameter: None, pointer: Some(pointer), detail }
    }
}

fn class(error: &Error) -> (StatusCode, &'static str, &'static str) {
    let (status, title) = match error {
        Error::Unproven => (StatusCode::UNAUTHORIZED, "A good key is needed"),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "The key is not good for this"),
        Error::Invalid(_) => (StatusCode::BAD_REQUEST, "The request cannot be taken"),
        Error::Unfit(_) => (StatusCode::UNPROCESSABLE_ENTITY, "The site does not take it"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "There is no such thing"),
        Error::Conflict(_) => (StatusCode::CONFLICT, "Things are otherwise"),
        Error::Stale => (StatusCode::PRECONDITION_FAILED, "It has changed meanwhile"),
        Error::Unconditional => (StatusCode::PRECONDITION_REQUIRED, "The version is missing"),
        Error::Running => (StatusCode::CONFLICT, "It is being done"),
        Error::Reused => (StatusCode::UNPROCESSABLE_ENTITY, "The key was used for something else"),
        Error::Refused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "Jira refused it"),
        Error::Unknown { .. } => (StatusCode::GATEWAY_TIMEOUT, "Nobody knows whether it happened"),
        Error::Late => (StatusCode::GATEWAY_TIMEOUT, "It is not done yet"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
        Error::Throttled { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Jira takes no more for now"),
        Error::Broken(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Something broke on our side"),
    };
    (status, error.code(), title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_points_to_its_place() {
        let fault = Invalid::new("labels.0", "must be short");
        assert_eq!(Place::Body.fault(&fault).pointer.as_deref(), Some("/labels/0"));
        assert_eq!(Place::Address.fault(&fault).parameter.as_deref(), Some("labels.0"));
        assert_eq!(Place::Body.fault(&Invalid::new("", "must be more")).pointer.as_deref(), Some(""));
        assert_eq!(Place::Body.fault(&Invalid::new("issue", "is none")).parameter.as_deref(), Some("issue"));
    }

    #[test]
    fn what_is_ours_to_know_is_told_to_nobody() {
        let problem = Problem::Said(Error::Broken("relation issues".to_owned()));
        assert!(!problem.detail().contains("issues"));
    }
}
