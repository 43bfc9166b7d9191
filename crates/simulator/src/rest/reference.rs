//! What an issue refers to: projects, people, fields; and who the caller is and what the site is.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::Uri;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Caller;
use super::answer::{self, Answer, Refusal};
use super::auth::Who;
use super::params::{Params, slice};
use crate::world::catalogue::{FIELDS, Field, Weight};
use crate::world::people::{Project, Shape, profile, project_json};
use crate::world::view::Lens;
use crate::world::{State as Site, World};

/// At most 100 a page, whatever was asked for; `expand=insight` adds the number of issues.
pub(super) async fn projects(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Answer {
    let params = Params::of(&uri);
    let (start, most) = params.page(50, 100)?;
    let site = world.read();
    let all = if caller == Caller::Account { site.projects.as_slice() } else { &[] };
    let lens = Lens::new(&site, world.config(), Shape::V3);
    let insight = params.names("expand", "insight").then(|| insights(&site));
    let shown = slice(all, start, most).iter().enumerate();
    let values: Vec<Value> =
        shown.map(|(n, project)| one_project(lens, project, insight.as_ref().map(|of| of.get(&(start + n))))).collect();
    let is_last = start.saturating_add(values.len()) >= all.len();
    let at = |start: usize| format!("{}/project/search?startAt={start}&maxResults={most}", lens.deck.base);
    let mut page = json!({
        "self": at(start), "startAt": start, "maxResults": most, "total": all.len(), "isLast": is_last,
        "values": values,
    });
    if let (false, Some(page)) = (is_last, page.as_object_mut()) {
        page.insert("nextPage".into(), json!(at(start.saturating_add(most))));
    }
    answer::ok(&page)
}

/// Number of visible issues and the last change, by place of the project.
type Insights = HashMap<usize, (usize, DateTime<Utc>)>;

fn insights(site: &Site) -> Insights {
    let mut of = Insights::new();
    for issue in site.issues.values().filter(|issue| !issue.hidden) {
        let (count, last) = of.entry(issue.project).or_insert((0, issue.updated));
        *count += 1;
        *last = issue.updated.max(*last);
    }
    of
}

fn one_project(lens: Lens<'_>, project: &Project, insight: Option<Option<&(usize, DateTime<Utc>)>>) -> Value {
    let mut value = project_json(&lens.deck.base, project);
    let Some(fields) = value.as_object_mut() else { return value };
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    set("expand", json!("description,lead,issueTypes,url,projectKeys,permissions,insight"));
    set("style", json!("classic"));
    set("isPrivate", json!(false));
    set("properties", json!({}));
    set("lead", json!(lens.person(&project.lead)));
    if let Some(insight) = insight {
        let (count, last) = insight.map_or((0, None), |(count, last)| (*count, Some(lens.time(*last))));
        set("insight", json!({"totalIssueCount": count, "lastIssueUpdateTime": last}));
    }
    value
}

/// A bare array; the client pages until it is empty.
pub(super) async fn users(State(world): State<Arc<World>>, Extension(caller): Extension<Caller>, uri: Uri) -> Answer {
    let (start, most) = Params::of(&uri).page(50, 1000)?;
    let site = world.read();
    let all = if caller == Caller::Account { site.people.as_slice() } else { &[] };
    let base = &site.cards.of(Shape::V3).base;
    let users: Vec<Value> = slice(all, start, most).iter().map(|person| profile(base, person)).collect();
    answer::ok(&users)
}

pub(super) async fn fields(Extension(caller): Extension<Caller>) -> Answer {
    let all = if caller == Caller::Account { FIELDS } else { &[] };
    answer::ok(&all.iter().map(one_field).collect::<Vec<_>>())
}

fn one_field(field: &Field) -> Value {
    let (kind, items) = field.of;
    let mut schema = json!({"type": kind});
    let mut clauses = vec![field.id.to_owned()];
    let number = field.id.strip_prefix("customfield_").and_then(|number| number.parse::<u32>().ok());
    if let Some(schema) = schema.as_object_mut() {
        if let Some(items) = items {
            schema.insert("items".into(), json!(items));
        }
        match (field.custom, number) {
            (Some(custom), Some(number)) => {
                schema.insert("custom".into(), json!(custom));
                schema.insert("customId".into(), json!(number));
                clauses = vec![format!("cf[{number}]"), field.name.to_owned()];
            }
            _ => drop(schema.insert("system".into(), json!(field.id))),
        }
    }
    json!({
        "id": field.id, "key": field.id, "name": field.name, "untranslatedName": field.name,
        "custom": field.custom.is_some(), "orderable": true, "navigable": field.weight == Weight::Navigable,
        "searchable": true, "clauseNames": clauses, "schema": schema,
    })
}

/// Never answered to nobody: this is how a client notices that its token is dead, or somebody else's.
pub(super) async fn myself(State(world): State<Arc<World>>, who: Option<Extension<Who>>) -> Answer {
    let Some(Extension(who)) = who else { return Err(Refusal::unauthenticated()) };
    let site = world.read();
    let me = site.people.iter().find(|person| person.account_id == who.account);
    answer::ok(&profile(&site.cards.of(Shape::V3).base, me.ok_or_else(Refusal::unauthenticated)?))
}

/// Answered to everybody.
pub(super) async fn server_info(State(world): State<Arc<World>>) -> Answer {
    let config = world.config();
    let site = world.read();
    answer::ok(&json!({
        "baseUrl": format!("https://{}.atlassian.net", config.name),
        "version": "1001.0.0-SNAPSHOT", "versionNumbers": [1001, 0, 0], "deploymentType": "Cloud",
        "buildNumber": 100_290, "serverTitle": "Jira", "defaultLocale": {"locale": "en_US"},
        "serverTime": Lens::new(&site, config, Shape::V3).time(world.now()),
        "serverTimeZone": config.account_time_zone.name(),
    }))
}
