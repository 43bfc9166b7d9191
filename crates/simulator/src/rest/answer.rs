//! Answers and refusals in Jira's own shapes and words.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, FromRequestParts, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Caller;
use super::auth::Who;
use crate::world::edits::EditError;
use crate::world::{By, World};

/// The site a route answers for.
pub(super) type Site = State<Arc<World>>;

/// As whom it answers.
pub(super) type Asking = Extension<Caller>;

/// In whose name a write happens: never nobody's.
pub(super) struct Author(pub(super) By);

impl<S: Send + Sync> FromRequestParts<S> for Author {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let who = parts.extensions.get::<Who>().ok_or_else(Refusal::unauthenticated)?;
        Ok(Self(By::Account(who.account.clone())))
    }
}

/// What a route gives: finished JSON, or a refusal.
pub(super) type Answer = Result<Response, Refusal>;

/// Why a request is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Jira's usual body: `{"errorMessages":[..],"errors":{}}`.
    Said(StatusCode, String),
    /// What is wrong with which field: `{"errorMessages":[..],"errors":{"summary":".."}}`.
    Fields(Vec<String>, BTreeMap<String, String>),
    /// A body that fits the route's schema badly: the same without `errors`.
    Payload(&'static str),
    /// A problem document: unknown path, wrong method, a number that is none.
    Problem { status: StatusCode, detail: String, path: String },
    /// Locked out by a CAPTCHA.
    LockedOut,
}

impl Refusal {
    pub(super) fn bad(words: impl Into<String>) -> Self {
        Self::Said(StatusCode::BAD_REQUEST, words.into())
    }

    /// The same for an issue that does not exist and one that may not be seen.
    pub(super) fn no_issue() -> Self {
        let words = "Issue does not exist or you do not have permission to see it.";
        Self::Said(StatusCode::NOT_FOUND, words.into())
    }

    /// One field is wrong.
    pub(super) fn field(name: &str, words: impl Into<String>) -> Self {
        Self::Fields(Vec::new(), BTreeMap::from([(name.to_owned(), words.into())]))
    }

    pub(super) fn not_found(words: impl Into<String>) -> Self {
        Self::Said(StatusCode::NOT_FOUND, words.into())
    }

    /// The body of this refusal as `issue/bulk` embeds it: messages and errors.
    pub(super) fn into_parts(self) -> (Vec<String>, BTreeMap<String, String>) {
        match self {
            Self::Said(_, words) => (vec![words], BTreeMap::new()),
            Self::Fields(messages, errors) => (messages, errors),
            Self::Payload(words) => (vec![words.to_owned()], BTreeMap::new()),
            Self::Problem { detail, .. } => (vec![detail], BTreeMap::new()),
            Self::LockedOut => (Vec::new(), BTreeMap::new()),
        }
    }

    pub(super) fn unauthenticated() -> Self {
        Self::Said(StatusCode::UNAUTHORIZED, "Client must be authenticated to access this resource.".into())
    }

    pub(super) fn broken(status: StatusCode) -> Self {
        let words = status.canonical_reason().unwrap_or("Internal server error");
        Self::Said(status, words.into())
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NoSuchIssue(_) => Self::no_issue(),
            EditError::NoSuchProject(key) => Self::not_found(format!("No project could be found with key '{key}'.")),
            EditError::NoSuchComment(id) => Self::not_found(format!("Can not find a comment for the id: {id}.")),
            EditError::NoSuchWorklog(id) => Self::not_found(format!("Cannot find worklog with id: '{id}'.")),
            EditError::NoSuchLink(id) => Self::not_found(format!("No issue link with id '{id}' exists.")),
            EditError::NoSuchAccount(id) => Self::not_found(format!("The user '{id}' does not exist.")),
            EditError::Full(what) => {
                let words = format!("The issue has reached the limit on the number of {what}.");
                Self::Said(StatusCode::PAYLOAD_TOO_LARGE, words)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Said(status, words) => json_body(status, &json!({"errorMessages": [words], "errors": {}})),
            Self::Fields(messages, errors) => {
                json_body(StatusCode::BAD_REQUEST, &json!({"errorMessages": messages, "errors": errors}))
            }
            Self::Payload(words) => json_body(StatusCode::BAD_REQUEST, &json!({"errorMessages": [words]})),
            Self::Problem { status, detail, path } => problem(status, &detail, &path),
            Self::LockedOut => {
                let mut response = (StatusCode::FORBIDDEN, "Basic Authentication Failure").into_response();
                let reason = HeaderValue::from_static("AUTHENTICATION_DENIED");
                response.headers_mut().insert("x-seraph-loginreason", reason);
                response
            }
        }
    }
}

/// Status 200 and this value.
pub(super) fn ok(value: &impl Serialize) -> Answer {
    Ok(json_body(StatusCode::OK, value))
}

/// Status 201 and this value.
pub(super) fn created(value: &impl Serialize) -> Answer {
    Ok(json_body(StatusCode::CREATED, value))
}

/// This status and no body.
pub(super) fn empty(status: StatusCode) -> Answer {
    Ok(status.into_response())
}

/// Refuses nobody: writes are never anonymous.
pub(super) fn signed_in(caller: Caller) -> Result<(), Refusal> {
    if caller == Caller::Account { Ok(()) } else { Err(Refusal::unauthenticated()) }
}

/// Another status and this value.
pub(super) fn with_status(status: StatusCode, value: &(impl Serialize + ?Sized)) -> Response {
    json_body(status, value)
}

/// A request body of a closed schema; syntax and schema are refused in different words, as recorded.
pub(super) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|_| Refusal::Payload("There was an error parsing JSON. Check that your request body is valid."))?;
    serde_json::from_value(value)
        .map_err(|_| Refusal::Payload("Invalid request payload. Refer to the REST API documentation and try again."))
}

pub(super) async fn no_endpoint(request: Request) -> Refusal {
    let path = request.uri().path().to_owned();
    let detail = format!("No endpoint {} {path}.", request.method());
    Refusal::Problem { status: StatusCode::NOT_FOUND, detail, path }
}

pub(super) async fn wrong_method(request: Request) -> Refusal {
    let path = request.uri().path().to_owned();
    let detail = format!("Method '{}' is not supported.", request.method());
    Refusal::Problem { status: StatusCode::METHOD_NOT_ALLOWED, detail, path }
}

fn json_body(status: StatusCode, value: &(impl Serialize + ?Sized)) -> Response {
    let bytes = serde_json::to_vec(value).expect("answers consist of strings, numbers, lists and string-keyed maps");
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json;charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn problem(status: StatusCode, detail: &str, path: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body =
        json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail, "instance": path});
    let mut response = json_body(status, &body);
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
