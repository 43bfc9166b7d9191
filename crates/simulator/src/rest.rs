//! The routes of Jira Cloud's REST API, versions 2 and 3, that a mirror reads and writes, behind one front door: who
//! asks, what is scripted to go wrong, and the headers every real answer carries.

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
mod properties;
mod reference;
mod screens;
mod search;
mod version;
mod worklogs;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::SERVER;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};

use crate::faults::{Fault, Route};
use crate::limits::{Left, cost};
use crate::world::World;
use crate::world::people::Shape;
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
    let others = Router::new()
        .merge(oauth::routes())
        .merge(hooks::routes())
        .route("/rest/agile/1.0/board", get(agile::boards))
        .route("/rest/agile/1.0/board/{board}/sprint", get(agile::sprints))
        .route("/rest/agile/1.0/sprint/{sprint}", get(agile::sprint));
    let both =
        [Shape::V2, Shape::V3].into_iter().flat_map(|shape| api().map(|(path, methods)| (shape.path(path), methods)));
    both.fold(others, |routes, (path, methods)| routes.route(&path, methods))
        .fallback(answer::no_endpoint)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(from_fn_with_state(world.clone(), front_door))
        .with_state(world)
}

/// What both versions of the API have; they differ in how rich text is written, and in their links.
fn api() -> [(&'static str, MethodRouter<Arc<World>>); 46] {
    [
        ("/search/jql", get(search::get).post(search::post)),
        ("/search/approximate-count", post(search::count)),
        ("/issue/bulkfetch", post(bulk::issues)),
        ("/changelog/bulkfetch", post(bulk::changelogs)),
        ("/issue/{id}", get(issue::get).put(write::edit).delete(write::delete)),
        ("/issue/{id}/changelog", get(issue::changelog)),
        ("/issue/{id}/comment", get(comments::list).post(comments::add)),
        ("/project/search", get(projects::search)),
        ("/users/search", get(people::search)),
        ("/field", get(reference::fields)),
        ("/myself", get(people::myself)),
        ("/serverInfo", get(reference::server_info)),
        ("/search", get(search::gone).post(search::gone)),
        ("/comment/list", post(comments::by_ids)),
        ("/issue", post(write::create)),
        ("/issue/bulk", post(write::bulk)),
        ("/issue/archive", put(write::archive)),
        ("/issue/unarchive", put(write::restore)),
        ("/issue/{id}/assignee", put(write::assign)),
        ("/issue/{id}/transitions", get(screens::transitions).post(write::transition)),
        ("/issue/{id}/comment/{comment}", get(comments::get).put(comments::edit).delete(comments::delete)),
        ("/issue/{id}/worklog", get(worklogs::list).post(worklogs::add)),
        ("/issue/{id}/worklog/{worklog}", get(worklogs::get).put(worklogs::edit).delete(worklogs::delete)),
        ("/worklog/updated", get(worklogs::updated)),
        ("/worklog/deleted", get(worklogs::deleted)),
        ("/worklog/list", post(worklogs::by_ids)),
        ("/issue/{id}/properties/{key}", get(properties::get).put(properties::set).delete(properties::delete)),
        ("/issue/{id}/remotelink", get(links::remote).post(links::set_remote).delete(links::delete_remote)),
        ("/issue/{id}/remotelink/{link}", get(links::one_remote).delete(links::delete_one_remote)),
        ("/issueLink", post(links::add)),
        ("/issueLink/{link}", get(links::get).delete(links::delete)),
        ("/issueLinkType", get(reference::link_types)),
        ("/project", get(projects::list)),
        ("/project/{id}", get(projects::get)),
        ("/project/{id}/statuses", get(projects::statuses)),
        ("/user", get(people::get)),
        ("/user/bulk", get(people::bulk)),
        ("/mypermissions", get(people::permissions)),
        ("/status", get(reference::statuses)),
        ("/statuses/search", get(reference::search_statuses)),
        ("/issuetype", get(reference::issue_types)),
        ("/priority", get(reference::priorities)),
        ("/priority/search", get(reference::search_priorities)),
        ("/issue/createmeta/{project}/issuetypes", get(screens::issue_types)),
        ("/issue/createmeta/{project}/issuetypes/{kind}", get(screens::fields)),
        ("/jql/match", post(search::matches)),
    ]
}

/// Counts the request, decides who asks and whether too often, plays the scripted fault, and dresses the answer.
async fn front_door(State(world): State<Arc<World>>, mut request: Request, next: Next) -> Response {
    let template = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let common = template.as_deref().map(version::common);
    let route = cost::normal(common.as_deref().unwrap_or_default());
    let fault = world.door.enter(common.as_deref().map_or(Route::Unknown, Route::of));
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
