//! The routes of Jira Cloud's REST API v3 that a mirror reads and writes, behind one front door: who asks, what is
//! scripted to go wrong, and the headers every real answer carries.

mod agile;
mod answer;
mod bulk;
mod comments;
mod issue;
mod links;
mod page;
mod params;
mod people;
mod projects;
mod reference;
mod screens;
mod search;
mod worklogs;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, SERVER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::stream;

use crate::faults::{Fault, Route, Token};
use crate::world::World;
use answer::Refusal;

const LOGIN_REASON: HeaderName = HeaderName::from_static("x-seraph-loginreason");

/// As whom a request is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// The service account.
    Account,
    /// Nobody: sees nothing, and is told so with status 200.
    Anonymous,
}

pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/rest/api/3/search/jql", get(search::get).post(search::post))
        .route("/rest/api/3/search/approximate-count", post(search::count))
        .route("/rest/api/3/issue/bulkfetch", post(bulk::issues))
        .route("/rest/api/3/changelog/bulkfetch", post(bulk::changelogs))
        .route("/rest/api/3/issue/{id}", get(issue::get).put(write::edit).delete(write::delete))
        .route("/rest/api/3/issue/{id}/changelog", get(issue::changelog))
        .route("/rest/api/3/issue/{id}/comment", get(comments::list).post(comments::add))
        .route("/rest/api/3/project/search", get(projects::search))
        .route("/rest/api/3/users/search", get(people::search))
        .route("/rest/api/3/field", get(reference::fields))
        .route("/rest/api/3/myself", get(people::myself))
        .route("/rest/api/3/serverInfo", get(reference::server_info))
        .route("/rest/api/3/search", get(search::gone).post(search::gone))
        .route("/rest/api/3/comment/list", post(comments::by_ids))
        .route("/rest/api/3/issue", post(write::create))
        .route("/rest/api/3/issue/bulk", post(write::bulk))
        .route("/rest/api/3/issue/archive", put(write::archive))
        .route("/rest/api/3/issue/unarchive", put(write::restore))
        .route("/rest/api/3/issue/{id}/assignee", put(write::assign))
        .route("/rest/api/3/issue/{id}/transitions", get(screens::transitions).post(write::transition))
        .route(
            "/rest/api/3/issue/{id}/comment/{comment}",
            get(comments::get).put(comments::edit).delete(comments::delete),
        )
        .route("/rest/api/3/issue/{id}/worklog", get(worklogs::list).post(worklogs::add))
        .route(
            "/rest/api/3/issue/{id}/worklog/{worklog}",
            get(worklogs::get).put(worklogs::edit).delete(worklogs::delete),
        )
        .route("/rest/api/3/worklog/updated", get(worklogs::updated))
        .route("/rest/api/3/worklog/deleted", get(worklogs::deleted))
        .route("/rest/api/3/worklog/list", post(worklogs::by_ids))
        .route(
            "/rest/api/3/issue/{id}/remotelink",
            get(links::remote).post(links::set_remote).delete(links::delete_remote),
        )
        .route("/rest/api/3/issue/{id}/remotelink/{link}", get(links::one_remote).delete(links::delete_one_remote))
        .route("/rest/api/3/issueLink", post(links::add))
        .route("/rest/api/3/issueLink/{link}", get(links::get).delete(links::delete))
        .route("/rest/api/3/issueLinkType", get(reference::link_types))
        .route("/rest/api/3/project/{id}", get(projects::get))
        .route("/rest/api/3/project/{id}/statuses", get(projects::statuses))
        .route("/rest/api/3/user", get(people::get))
        .route("/rest/api/3/user/bulk", get(people::bulk))
        .route("/rest/api/3/mypermissions", get(people::permissions))
        .route("/rest/api/3/status", get(reference::statuses))
        .route("/rest/api/3/statuses/search", get(reference::search_statuses))
        .route("/rest/api/3/issuetype", get(reference::issue_types))
        .route("/rest/api/3/priority", get(reference::priorities))
        .route("/rest/api/3/priority/search", get(reference::search_priorities))
        .route("/rest/api/3/issue/createmeta/{project}/issuetypes", get(screens::issue_types))
        .route("/rest/api/3/issue/createmeta/{project}/issuetypes/{kind}", get(screens::fields))
        .route("/rest/api/3/jql/match", post(search::matches))
        .route("/rest/agile/1.0/board", get(agile::boards))
        .route("/rest/agile/1.0/board/{board}/sprint", get(agile::sprints))
        .route("/rest/agile/1.0/sprint/{sprint}", get(agile::sprint))
        .fallback(answer::no_endpoint)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(from_fn_with_state(world.clone(), front_door))
        .with_state(world)
}

/// Counts the request, plays the scripted fault, decides who asks, and dresses the answer.
async fn front_door(State(world): State<Arc<World>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let (token, fault) = world.door.enter(path.map_or(Route::Unknown, Route::of));
    let credentials = credentials(&world, request.headers(), token);
    if let Credentials::Refused(refusal) = credentials {
        return dress(refusal.into_response(), None);
    }
    let caller = if credentials == Credentials::Good { Caller::Account } else { Caller::Anonymous };
    request.extensions_mut().insert(caller);
    let mut response = match fault {
        Some(Fault::RateLimited(wait)) => rate_limited(wait.map(|wait| wait.as_secs())),
        Some(Fault::Status(status, wait)) => broken(status, wait.map(|wait| wait.as_secs())),
        Some(Fault::Cut) => cut(),
        Some(Fault::Slow(wait)) => {
            tokio::time::sleep(wait).await;
            next.run(request).await
        }
        None => next.run(request).await,
    };
    if credentials == Credentials::Bad {
        response.headers_mut().insert(LOGIN_REASON, HeaderValue::from_static("AUTHENTICATED_FAILED"));
    }
    let account = (caller == Caller::Account).then(|| world.service_account());
    dress(response, account.as_deref())
}

#[derive(PartialEq, Eq)]
enum Credentials {
    Good,
    None,
    /// Wrong or expired: answered as nobody, with a header that says so.
    Bad,
    Refused(Refusal),
}

fn credentials(world: &World, headers: &HeaderMap, token: Token) -> Credentials {
    match token {
        Token::Refused => return Credentials::Refused(Refusal::unauthenticated()),
        Token::LockedOut => return Credentials::Refused(Refusal::LockedOut),
        Token::Valid | Token::Expired => {}
    }
    let Some(shown) = headers.get(AUTHORIZATION) else { return Credentials::None };
    let config = world.config();
    let taken = world.door.replaced_token();
    let taken = taken.as_deref().unwrap_or(&config.token);
    let pair = BASE64_STANDARD.encode(format!("{}:{taken}", config.email));
    let right = shown.as_bytes().strip_prefix(b"Basic ").is_some_and(|shown| shown == pair.as_bytes());
    if right && token == Token::Valid { Credentials::Good } else { Credentials::Bad }
}

/// The headers of every real answer; the account only when somebody is signed in.
fn dress(mut response: Response, account: Option<&str>) -> Response {
    let trace = format!("{:032x}", rand::random::<u128>());
    let request = format!("{:08x}-{:04x}", rand::random::<u32>(), rand::random::<u16>());
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("atl-traceid", &trace);
    set("atl-request-id", &request);
    set("x-arequestid", &request);
    set("timing-allow-origin", "*");
    if let Some(account) = account {
        // The real header is URL-encoded: the colon of newer account ids is not sent plainly.
        set("x-aaccountid", &account.replace(':', "%3A"));
    }
    headers.insert(SERVER, HeaderValue::from_static("AtlassianEdge"));
    response
}

fn rate_limited(wait: Option<u64>) -> Response {
    let mut response = broken(429, wait);
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from_static("100"));
    headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
    headers.insert("ratelimit-reason", HeaderValue::from_static("jira-burst-based"));
    response
}

fn broken(status: u16, wait: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Refusal::broken(status).into_response();
    if let Some(seconds) = wait {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Starts to answer and breaks off: the connection ends without the end of the body.
fn cut() -> Response {
    let pieces = [Ok(Bytes::from_static(b"{\"issues\":[")), Err(std::io::Error::other("cut on purpose"))];
    Response::new(Body::from_stream(stream::iter(pieces)))
}
