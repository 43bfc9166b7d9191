//! Who asks: reads the credentials of a request, at the site or at the gateway, and says as whom it is answered.

use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::answer::{self, Refusal};
use crate::access::{Found, Standing};
use crate::world::World;
use crate::world::issue::AccountId;

/// Which way a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// `https://<site>.atlassian.net`
    Site,
    /// `https://api.atlassian.com/ex/jira/<cloud id>`
    Gateway,
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) account: AccountId,
    /// The app that acts for the account.
    pub(super) app: Option<String>,
}

/// What a request's credentials are worth.
pub(super) enum Credentials {
    Good(Who),
    None,
    /// Wrong or expired: answered as nobody, with a header that says so.
    Bad,
    Refused(Denial),
}

/// Why a request gets no answer at all.
pub(super) enum Denial {
    /// The site's own 401, as JSON.
    Unauthenticated,
    /// The same as plain text: a token with scopes, or an app's, where neither is taken.
    WrongHost,
    LockedOut,
    /// The gateway's 401.
    Unauthorized(&'static str),
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let words = "Client must be authenticated to access this resource.";
        match self {
            Self::Unauthenticated => Refusal::unauthenticated().into_response(),
            Self::WrongHost => (StatusCode::UNAUTHORIZED, words).into_response(),
            Self::LockedOut => Refusal::LockedOut.into_response(),
            Self::Unauthorized(message) => unauthorized(message),
        }
    }
}

/// The gateway's and the authorisation server's word for no.
pub(super) fn unauthorized(message: &str) -> Response {
    answer::with_status(StatusCode::UNAUTHORIZED, &json!({"code": 401, "message": message}))
}

/// Reads and weighs the credentials; `route` is the template with `*` for what varies.
pub(super) fn check(world: &World, request: &Request, via: Via, route: &str) -> Credentials {
    match world.door.access.standing() {
        Standing::Refused => return Credentials::Refused(Denial::Unauthenticated),
        Standing::LockedOut => return Credentials::Refused(Denial::LockedOut),
        Standing::Valid | Standing::Expired => {}
    }
    let needed = needed_scope(request.method(), route);
    if let Some(token) = shown(request.headers(), "Bearer ") {
        return bearer(world, via, token, needed);
    }
    if !request.headers().contains_key(AUTHORIZATION) {
        return Credentials::None;
    }
    let pair = shown(request.headers(), "Basic ").and_then(|shown| BASE64_STANDARD.decode(shown).ok());
    let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
    match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((email, token)) => basic(world, via, (email, token), needed),
        None => bad(via),
    }
}

/// What follows the scheme in the header.
pub(super) fn shown<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix(scheme)
}

fn basic(world: &World, via: Via, (email, token): (&str, &str), needed: &str) -> Credentials {
    let login = match world.door.access.log_in(email, token, world.now()) {
        Found::Login(login) => login,
        Found::Expired | Found::Wrong => return bad(via),
        Found::LockedOut => return Credentials::Refused(Denial::LockedOut),
    };
    if let Some(scopes) = &login.scopes {
        if via == Via::Site {
            return Credentials::Refused(Denial::WrongHost);
        }
        if !allows(scopes, needed) {
            return Credentials::Refused(Denial::Unauthorized("Unauthorized; scope does not match"));
        }
    }
    let account = login.account.unwrap_or_else(|| world.service_account());
    Credentials::Good(Who { account, app: None })
}

fn bearer(world: &World, via: Via, token: &str, needed: &str) -> Credentials {
    if via == Via::Site {
        return Credentials::Refused(Denial::WrongHost);
    }
    let now = world.now();
    match world.door.access.apps(|apps| apps.grant(token, now).cloned()) {
        Some(grant) if allows(&grant.scopes, needed) => {
            Credentials::Good(Who { account: grant.account, app: Some(grant.client_id) })
        }
        Some(_) => Credentials::Refused(Denial::Unauthorized("Unauthorized; scope does not match")),
        None => Credentials::Refused(Denial::Unauthorized("Unauthorized")),
    }
}

/// The site answers bad credentials as nobody; the gateway does not let them in.
fn bad(via: Via) -> Credentials {
    match via {
        Via::Site => Credentials::Bad,
        Via::Gateway => Credentials::Refused(Denial::Unauthorized("Unauthorized")),
    }
}

fn allows(scopes: &[String], needed: &str) -> bool {
    needed.is_empty() || scopes.iter().any(|scope| scope == needed)
}

/// The classic scope a request needs; empty where none is asked for.
fn needed_scope(method: &Method, route: &str) -> &'static str {
    const READS: [&str; 7] = [
        "search/jql",
        "search/approximate-count",
        "issue/bulkfetch",
        "changelog/bulkfetch",
        "comment/list",
        "worklog/list",
        "jql/match",
    ];
    if let Some(path) = route.strip_prefix("/rest/agile/1.0/") {
        return if path.starts_with("sprint") { "read:sprint:jira-software" } else { "read:board-scope:jira-software" };
    }
    if route.starts_with("/rest/webhooks/1.0/") {
        return "manage:jira-configuration";
    }
    let Some(path) = route.strip_prefix("/rest/api/3/") else { return "" };
    match path.split('/').next().unwrap_or_default() {
        "webhook" => "manage:jira-webhook",
        "myself" | "user" | "users" => "read:jira-user",
        "serverInfo" => "",
        _ if method == Method::GET || READS.contains(&path) => "read:jira-work",
        _ => "write:jira-work",
    }
}
