//! Registering webhooks: an administrator's here, apps' own below.

mod dynamic;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Caller;
use super::answer::{self, Answer, Refusal};
use crate::webhooks::filter::Filter;
use crate::webhooks::lock;
use crate::webhooks::registry::{Admin, Hook, Kind};
use crate::world::World;

/// What a site allows an administrator.
const MOST: usize = 100;
/// Where an administrator's filter stands.
const SECTION: &str = "issue-related-events-section";

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/rest/webhooks/1.0/webhook", get(list).post(create))
        .route("/rest/webhooks/1.0/webhook/{id}", get(one).put(change).delete(remove))
        .route("/rest/api/3/webhook", get(dynamic::list).post(dynamic::create).delete(dynamic::remove))
        .route("/rest/api/3/webhook/refresh", put(dynamic::refresh))
        .route("/rest/api/3/webhook/failed", get(dynamic::failed))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ask {
    name: String,
    #[serde(default)]
    description: String,
    url: String,
    events: Vec<String>,
    #[serde(default)]
    filters: BTreeMap<String, String>,
    #[serde(default)]
    exclude_body: bool,
    secret: Option<String>,
    enabled: Option<bool>,
}

impl Ask {
    fn hook(self, world: &World) -> Result<Hook, Refusal> {
        let jql = self.filters.get(SECTION).map(String::as_str).unwrap_or_default();
        if self.name.is_empty() || !self.url.contains("://") || self.events.is_empty() {
            return Err(Refusal::bad("A webhook needs a name, an absolute URL and at least one event."));
        }
        let kind = Kind::Admin(Admin {
            name: self.name,
            description: self.description,
            // Nothing can be signed with an empty secret.
            secret: self.secret.filter(|secret| !secret.is_empty()),
            exclude_body: self.exclude_body,
            enabled: self.enabled.unwrap_or(true),
            updated: world.now(),
        });
        let filter = Filter::parse(jql).map_err(Refusal::bad)?;
        Ok(Hook { events: Some(self.events), ..Hook::new(&self.url, jql, filter, kind) })
    }
}

/// The secret is never told again.
fn show(world: &World, hook: &Hook, admin: &Admin) -> Value {
    let origin = world.config().origin();
    json!({
        "name": admin.name, "description": admin.description, "url": hook.url, "excludeBody": admin.exclude_body,
        "events": hook.events, "filters": {SECTION: hook.jql}, "enabled": admin.enabled,
        "self": format!("{origin}/rest/webhooks/1.0/webhook/{}", hook.id),
        "lastUpdated": admin.updated.timestamp_millis(), "isSigned": admin.secret.is_some(),
    })
}

fn admitted(caller: Caller) -> Result<(), Refusal> {
    if caller == Caller::Account { Ok(()) } else { Err(Refusal::unauthenticated()) }
}

fn unknown() -> Refusal {
    Refusal::Said(StatusCode::NOT_FOUND, "No webhook has this id.".into())
}

async fn list(State(world): State<Arc<World>>, Extension(caller): Extension<Caller>) -> Answer {
    admitted(caller)?;
    let registry = lock(&world.outbox.registry);
    // A webhook that a script set lists no events, and is nobody's but the script's.
    let listed = registry.hooks().filter(|hook| hook.events.is_some());
    let all: Vec<Value> = listed.filter_map(|hook| Some(show(&world, hook, hook.admin()?))).collect();
    answer::ok(&all)
}

async fn one(State(world): State<Arc<World>>, Extension(caller): Extension<Caller>, Path(id): Path<u64>) -> Answer {
    admitted(caller)?;
    shown(&world, id, StatusCode::OK)
}

fn shown(world: &World, id: u64, status: StatusCode) -> Answer {
    let registry = lock(&world.outbox.registry);
    let hook = registry.get(id).ok_or_else(unknown)?;
    let admin = hook.admin().ok_or_else(unknown)?;
    Ok(answer::with_status(status, &show(world, hook, admin)))
}

async fn create(State(world): State<Arc<World>>, Extension(caller): Extension<Caller>, bytes: Bytes) -> Answer {
    admitted(caller)?;
    let hook = answer::body::<Ask>(&bytes)?.hook(&world)?;
    let id = {
        let mut registry = lock(&world.outbox.registry);
        if registry.hooks().filter(|hook| hook.admin().is_some()).count() >= MOST {
            return Err(Refusal::bad("A site can have at most 100 webhooks."));
        }
        registry.add(hook)
    };
    shown(&world, id, StatusCode::CREATED)
}

/// What is left out of the change keeps its default, but for the secret, which stays.
async fn change(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<u64>,
    bytes: Bytes,
) -> Answer {
    admitted(caller)?;
    let mut new = answer::body::<Ask>(&bytes)?.hook(&world)?;
    {
        let mut registry = lock(&world.outbox.registry);
        let old = registry.get_mut(id).ok_or_else(unknown)?;
        let (Some(before), Kind::Admin(after)) = (old.admin().cloned(), &mut new.kind) else { return Err(unknown()) };
        after.secret = after.secret.take().or(before.secret);
        *old = Hook { id, ..new };
    }
    shown(&world, id, StatusCode::OK)
}

async fn remove(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<u64>,
) -> Result<Response, Refusal> {
    admitted(caller)?;
    let mut registry = lock(&world.outbox.registry);
    let known = registry.get(id).is_some_and(|hook| hook.admin().is_some());
    if known && registry.remove(id) { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(unknown()) }
}
