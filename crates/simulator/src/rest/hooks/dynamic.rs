//! Webhooks that apps register for themselves: five each, for thirty days, with a filter.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rest::answer::{self, Answer, Refusal};
use crate::rest::auth::Who;
use crate::rest::params::{Params, slice};
use crate::webhooks::filter::Filter;
use crate::webhooks::lock;
use crate::webhooks::registry::{Dynamic, Failed, Hook, Kind, LIFE};
use crate::world::World;

/// What an app may register for one person.
const MOST: usize = 5;
/// Every name that begins with one of these can be registered for.
const EVENTS: [&str; 5] = ["jira:issue_", "comment_", "issue_property_", "sprint_", "jira:version_"];

/// The app, and whom it acts for; people's own credentials are refused before anything is looked at.
fn app(who: Option<Extension<Who>>) -> Result<(String, Who), Refusal> {
    let Some(Extension(who)) = who else { return Err(Refusal::unauthenticated()) };
    let words = "Access to this resource must be authenticated as an app.";
    let app = who.app.clone().ok_or_else(|| Refusal::Said(StatusCode::FORBIDDEN, words.into()))?;
    Ok((app, who))
}

#[derive(Deserialize)]
struct Registration {
    url: String,
    webhooks: Vec<Wish>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    events: Vec<String>,
    jql_filter: String,
    field_ids_filter: Option<Vec<String>>,
}

/// Each wish is granted or refused by itself; the status says nothing.
pub(super) async fn create(State(world): State<Arc<World>>, who: Option<Extension<Who>>, bytes: Bytes) -> Answer {
    let (app, who) = app(who)?;
    let Registration { url, webhooks } = answer::body(&bytes)?;
    let now = world.now();
    let mut registry = lock(&world.outbox.registry);
    let held = registry.of_app(&app, &who.account, now);
    if let Some(other) = held.iter().find(|hook| hook.url != url) {
        let words = "Only a single URL per app is allowed to be registered via REST API. Currently used URL is";
        return Err(Refusal::bad(format!("{words} {}", other.url)));
    }
    let alive = held.iter().filter(|hook| hook.dynamic().is_some_and(|it| now < it.expires)).count();
    let (mut room, mut results) = (MOST.saturating_sub(alive), Vec::new());
    for wish in webhooks {
        let granted = wish.check().and_then(|filter| {
            room = room.checked_sub(1).ok_or("The app has registered as many webhooks as it may.")?;
            Ok(filter)
        });
        results.push(match granted {
            Ok(filter) => {
                let (app, user) = (app.clone(), who.account.clone());
                let kind = Dynamic { app, user, fields: wish.field_ids_filter, expires: now + LIFE };
                let hook = Hook::new(&url, &wish.jql_filter, filter, Kind::Dynamic(kind));
                json!({"createdWebhookId": registry.add(Hook { events: Some(wish.events), ..hook })})
            }
            Err(words) => json!({"errors": [words]}),
        });
    }
    answer::ok(&json!({"webhookRegistrationResult": results}))
}

impl Wish {
    fn check(&self) -> Result<Filter, String> {
        if let Some(other) = self.events.iter().find(|event| !EVENTS.iter().any(|known| event.starts_with(known))) {
            return Err(format!("The event {other} is unsupported"));
        }
        if self.events.is_empty() || self.jql_filter.trim().is_empty() {
            return Err("A webhook needs events and a filter".into());
        }
        Filter::parse(&self.jql_filter)
    }
}

pub(super) async fn list(State(world): State<Arc<World>>, who: Option<Extension<Who>>, uri: Uri) -> Answer {
    let (app, who) = app(who)?;
    let (start, most) = Params::of(&uri).page(100, 100)?;
    let all = lock(&world.outbox.registry).of_app(&app, &who.account, world.now());
    let values: Vec<Value> = slice(&all, start, most).iter().filter_map(show).collect();
    let is_last = start.saturating_add(values.len()) >= all.len();
    answer::ok(&json!({
        "startAt": start, "maxResults": most, "total": all.len(), "isLast": is_last, "values": values,
    }))
}

fn show(hook: &Hook) -> Option<Value> {
    let own = hook.dynamic()?;
    let mut value = json!({
        "id": hook.id, "url": hook.url, "events": hook.events, "jqlFilter": hook.jql,
        "expirationDate": date(own.expires),
    });
    if let (Some(fields), Some(value)) = (&own.fields, value.as_object_mut()) {
        value.insert("fieldIdsFilter".into(), json!(fields));
    }
    Some(value)
}

fn date(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ids {
    webhook_ids: Vec<u64>,
}

/// Ids that are not the app's are passed over.
pub(super) async fn remove(State(world): State<Arc<World>>, who: Option<Extension<Who>>, bytes: Bytes) -> Answer {
    let (app, who) = app(who)?;
    let Ids { webhook_ids } = answer::body(&bytes)?;
    let mut registry = lock(&world.outbox.registry);
    let own = registry.of_app(&app, &who.account, world.now());
    for hook in own.iter().filter(|hook| webhook_ids.contains(&hook.id)) {
        registry.remove(hook.id);
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Another thirty days from now, for ended ones, too.
pub(super) async fn refresh(State(world): State<Arc<World>>, who: Option<Extension<Who>>, bytes: Bytes) -> Answer {
    let (app, who) = app(who)?;
    let Ids { webhook_ids } = answer::body(&bytes)?;
    let now = world.now();
    let mut registry = lock(&world.outbox.registry);
    let own = registry.of_app(&app, &who.account, now);
    for hook in own.iter().filter(|hook| webhook_ids.contains(&hook.id)) {
        if let Some(Kind::Dynamic(it)) = registry.get_mut(hook.id).map(|hook| &mut hook.kind) {
            it.expires = now + LIFE;
        }
    }
    answer::ok(&json!({"expirationDate": date(now + LIFE)}))
}

/// What could not be delivered in the last three days, oldest first.
pub(super) async fn failed(State(world): State<Arc<World>>, who: Option<Extension<Who>>, uri: Uri) -> Answer {
    let (app, _) = app(who)?;
    let (params, now) = (Params::of(&uri), world.now());
    let after = params.number("after")?.and_then(DateTime::from_timestamp_millis).unwrap_or(now - TimeDelta::hours(72));
    let (_, most) = params.page(100, 100)?;
    let all = lock(&world.outbox.registry).failed(&app, after, now);
    let page = slice(&all, 0, most);
    let mut answer = json!({"values": page.iter().map(show_failed).collect::<Vec<_>>(), "maxResults": most});
    if let (Some(last), Some(fields)) = (page.last(), answer.as_object_mut()) {
        let (origin, at) = (world.config().origin(), last.at.timestamp_millis());
        let next = format!("{origin}/rest/api/3/webhook/failed?after={at}&maxResults={most}");
        fields.insert("next".into(), json!(next));
    }
    answer::ok(&answer)
}

fn show_failed(failed: &Failed) -> Value {
    let body = failed.body.as_deref().map(String::from_utf8_lossy);
    json!({"id": failed.identifier, "body": body, "url": failed.url, "failureTime": failed.at.timestamp_millis()})
}
