//! The routes of Jira Cloud's REST API v3 that a mirror reads and writes, behind one front door: who asks, what is
//! scripted to go wrong, and the headers every real answer carries.

mod agile;
mod answer;
mod auth;
mod bulk;
mod comments;
mod garbage;
mod gateway;
mod hooks;
mod issue;
mod limits;
mod links;
mod oauth;
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
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::SERVER;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};

use crate::faults::{Fault, Route};
use crate::limits::{Left, cost};
use crate::world::World;
use auth::{Credentials, Via};
use gateway::{Gate, Played};

const LOGIN_REASON: HeaderName = HeaderName::from_static("x-seraph-loginreason");

/// As whom a request is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// Somebody who is signed in.
    Account,
    /// Nobody: sees nothing, and is told so with status 200.
    Anonymous,
}

/// The site with everything in front of it.
pub(crate) fn router(world: Arc<World>) -> Router {
    let site = site(world.clone());
    Router::new().fallback(gateway::pass).with_state(Gate { world, site })
}

fn site(world: Arc<World>) -> Router {
    Router::new()
        .merge(oauth::routes())
        .merge(hooks::routes())
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

/// Counts the request, decides who asks and whether too often, plays the scripted fault, and dresses the answer.
async fn front_door(State(world): State<Arc<World>>, mut request: Request, next: Next) -> Response {
    let template = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = cost::normal(template.as_deref().unwrap_or_default());
    let fault = world.door.enter(template.as_deref().map_or(Route::Unknown, Route::of));
    let played = Played { route: template, garbage: fault.as_ref().is_some_and(Fault::is_garbage) };
    let via = request.extensions().get().copied().unwrap_or(Via::Site);
    let outside = oauth::is_outside(&route);
    let credentials = if outside { Credentials::None } else { auth::check(&world, &request, via, &route) };
    let (who, bad) = match credentials {
        Credentials::Good(who) => (Some(who), false),
        Credentials::None => (None, false),
        Credentials::Bad => (None, true),
        Credentials::Refused(denial) => return mark(dress(&world, denial.into_response(), None), played),
    };
    request.extensions_mut().insert(if who.is_some() { Caller::Account } else { Caller::Anonymous });
    if let Some(who) = &who {
        request.extensions_mut().insert(who.clone());
    }
    let mut account = who.as_ref().map(|who| who.account.clone());
    if via == Via::Gateway && world.config().gateway_hides_account {
        account = None;
    }
    if let Some(Fault::AsAccount(other)) = &fault {
        account = Some(other.clone());
    }
    let admitted = if outside { Ok(Left::default()) } else { limits::admit(&world, &request, &route, who.as_ref()) };
    let left = match admitted {
        Ok(left) => left,
        Err(refused) => return mark(dress(&world, limits::refuse(&world, &refused), account.as_deref()), played),
    };
    let method = request.method().clone();
    let mut response = match fault {
        Some(fault) => garbage::play(&world, fault, request, next).await,
        None => next.run(request).await,
    };
    if !played.garbage {
        response = limits::account(&world, response, (&method, &route), (who.as_ref(), left)).await;
    }
    if bad {
        response.headers_mut().insert(LOGIN_REASON, HeaderValue::from_static("AUTHENTICATED_FAILED"));
    }
    mark(dress(&world, response, account.as_deref()), played)
}

fn mark(mut response: Response, played: Played) -> Response {
    response.extensions_mut().insert(played);
    response
}

/// The headers of every real answer, `Date` by the site's clock; the account only when somebody is signed in.
fn dress(world: &World, mut response: Response, account: Option<&str>) -> Response {
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
    set("date", &world.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Some(account) = account {
        // The real header is URL-encoded: the colon of newer account ids is not sent plainly.
        set("x-aaccountid", &account.replace(':', "%3A"));
    }
    headers.insert(SERVER, HeaderValue::from_static("AtlassianEdge"));
    response
}
