//! `/search/jql` with its cursor, the approximate count, and the search endpoint that is gone.

mod cursor;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, Uri};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Caller;
use super::answer::{self, Answer, Refusal};
use super::issue;
use super::params::Params;
use crate::jql::{self, Query};
use crate::world::issue::Issue;
use crate::world::people::Shape;
use crate::world::view::fields::Selection;
use crate::world::view::{Extent, Extras, IssueView, Lens};
use crate::world::{State as Site, World};
use cursor::Cursor;

/// The body of a search; an unknown property is refused.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Ask {
    jql: Option<String>,
    next_page_token: Option<String>,
    max_results: Option<i64>,
    fields: Option<Vec<String>>,
    /// A comma list, not an array.
    expand: Option<String>,
    reconcile_issues: Option<Vec<u64>>,
    properties: Option<Vec<String>>,
    #[serde(rename = "fieldsByKeys")]
    _fields_by_keys: Option<bool>,
}

pub(super) async fn get(
    State(world): State<Arc<World>>,
    shape: Shape,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Answer {
    let params = Params::of(&uri);
    let reconcile = params.list("reconcileIssues").iter().filter_map(|id| id.parse().ok()).collect();
    let ask = Ask {
        jql: params.one("jql").map(str::to_owned),
        next_page_token: params.one("nextPageToken").map(str::to_owned),
        max_results: params.number("maxResults")?,
        fields: Some(params.list("fields")),
        expand: Some(params.list("expand").join(",")),
        reconcile_issues: Some(reconcile),
        properties: Some(params.list("properties")),
        ..Ask::default()
    };
    run((&world, shape, caller), &ask, &params)
}

pub(super) async fn post(
    State(world): State<Arc<World>>,
    shape: Shape,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Answer {
    // The body has no `failFast`: nothing ever fails for a single field.
    run((&world, shape, caller), &answer::body(&bytes)?, &Params::default())
}

/// How many issues search sees; stale like the index.
pub(super) async fn count(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Count {
        jql: String,
    }
    let Count { jql } = answer::body(&bytes)?;
    let query = match jql::parse(&jql) {
        Err(complaint) if caller == Caller::Anonymous && jql::is_about_names(&complaint) => None,
        parsed => Some(parsed.map_err(Refusal::bad)?),
    };
    let Some(query) = query.filter(|_| caller == Caller::Account) else {
        return answer::ok(&json!({"count": 0}));
    };
    let site = world.read_index();
    let filter = query.resolve(&site, world.config().account_time_zone, world.now()).map_err(Refusal::bad)?;
    let count = site.searchable().filter(|issue| filter.accepts(issue)).count();
    answer::ok(&json!({"count": count}))
}

pub(super) async fn gone() -> Refusal {
    let words = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full \
                 migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046";
    Refusal::Said(StatusCode::GONE, words.into())
}

fn run((world, shape, caller): (&World, Shape, Caller), ask: &Ask, params: &Params) -> Answer {
    let most = ask.max_results.unwrap_or(50);
    if !(1..=5000).contains(&most) {
        return Err(Refusal::bad("The max results parameter has to be between 1 and 5,000."));
    }
    let text = ask.jql.as_deref().unwrap_or_default();
    let query = match jql::parse(text) {
        // Nobody is not told what is wrong with a query, as long as it can be read.
        Err(complaint) if caller == Caller::Anonymous && jql::is_about_names(&complaint) => return nothing(),
        parsed => parsed.map_err(Refusal::bad)?,
    };
    let now = world.now();
    let from = ask.next_page_token.as_deref().map(|token| Cursor::read(token, text, now)).transpose()?;
    if caller == Caller::Anonymous {
        return nothing();
    }
    let properties = ask.properties.as_deref().unwrap_or_default();
    if properties.len() > 5 {
        return Err(Refusal::bad("The number of properties must not exceed 5."));
    }
    let reconcile = ask.reconcile_issues.as_deref().unwrap_or_default();
    if reconcile.len() > 50 {
        return Err(Refusal::bad("The reconcileIssues parameter can have at most 50 issue ids."));
    }
    if !reconcile.is_empty() {
        world.write().index.reconcile(reconcile);
    }
    let fields = Selection::parse(ask.fields.as_deref().unwrap_or_default(), "id");
    let most = usize::try_from(most).unwrap_or(1);
    let most = if fields.any() { most.min(world.config().page_cap.max(1)) } else { most };
    let site = world.read_index();
    let page = find(&site, world, &query, (from.as_ref(), most, now))?;
    let page = page.cut(world.config().short_pages);
    let token = page.more.then(|| page.issues.last().map(|last| Cursor::after(last, text, now).write())).flatten();
    let expand = ask.expand.as_deref().unwrap_or_default();
    let extras = Extras::new(&[expand.to_owned()], properties.to_vec());
    render(world, &site, &page.issues, &Rendering { fields, extras, token, params, shape })
}

fn nothing() -> Answer {
    answer::ok(&json!({"issues": [], "isLast": true}))
}

/// One page of matches, and whether there are more.
struct Page<'a> {
    issues: Vec<&'a Issue>,
    more: bool,
}

impl Page<'_> {
    /// Cuts roughly every how many-th page in the middle short: how full a page is means nothing.
    fn cut(mut self, every: u64) -> Self {
        let first = self.issues.first().map_or(0, |issue| issue.id);
        if self.more && every > 0 && first.is_multiple_of(every) {
            self.issues.truncate(self.issues.len().div_ceil(2));
        }
        self
    }
}

fn find<'a>(
    site: &'a Site,
    world: &World,
    query: &Query,
    (from, most, now): (Option<&Cursor>, usize, DateTime<Utc>),
) -> Result<Page<'a>, Refusal> {
    let filter = query.resolve(site, world.config().account_time_zone, now).map_err(Refusal::bad)?;
    let order = query.order();
    let mut issues: Vec<&Issue> = match order.along_ids() {
        // Ids ascend with creation: walk from where the last page ended, and stop when the page is full.
        Some(direction) => {
            let matching = site.searchable_from(from.map(|cursor| cursor.id), direction);
            matching.filter(|issue| filter.accepts(issue)).take(most + 1).collect()
        }
        None => {
            let behind = |issue: &&Issue| from.is_none_or(|cursor| order.compare(issue, &cursor.place()).is_gt());
            site.searchable().filter(|issue| filter.accepts(issue)).filter(behind).collect()
        }
    };
    let more = issues.len() > most;
    if order.along_ids().is_none() {
        if more {
            issues.select_nth_unstable_by(most, |a, b| order.compare(a, &(*b).into()));
        }
        issues.truncate(most);
        issues.sort_unstable_by(|a, b| order.compare(a, &(*b).into()));
    }
    issues.truncate(most);
    Ok(Page { issues, more })
}

struct Rendering<'a> {
    fields: Selection,
    extras: Extras,
    token: Option<String>,
    params: &'a Params,
    shape: Shape,
}

fn render(world: &World, site: &Site, issues: &[&Issue], how: &Rendering<'_>) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Found<'a> {
        issues: Vec<IssueView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        names: Option<Map<String, Value>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        schema: Option<Map<String, Value>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<&'a str>,
        is_last: bool,
    }
    if how.fields.any() && world.door.is_poisoned(issues.iter().map(|issue| issue.id)) {
        return Err(Refusal::broken(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let config = world.config();
    let of_each = how.extras.of_each();
    let lens = Lens::new(site, config, how.shape).with(&of_each);
    issue::fail_fast(lens, how.params, &how.fields, issues.iter().copied())?;
    let histories = how.extras.has("changelog").then_some(config.embedded_history_cap);
    let extent = Extent { fields: &how.fields, comments: config.embedded_comment_cap, histories };
    answer::ok(&Found {
        issues: issues.iter().map(|issue| IssueView { lens, issue, extent: &extent }).collect(),
        names: how.extras.has("names").then(|| how.fields.names()),
        schema: how.extras.has("schema").then(|| how.fields.schemas()),
        next_page_token: how.token.as_deref(),
        is_last: how.token.is_none(),
    })
}

/// Which of some issues some queries find, asked of the store; a query that makes no sense has its own error.
pub(super) async fn matches(
    State(world): State<Arc<World>>,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Ask {
        issue_ids: Vec<u64>,
        jqls: Vec<String>,
    }
    let ask: Ask = answer::body(&bytes)?;
    let site = world.read();
    let known = |id: &u64| site.issues.get(id).filter(|issue| caller == Caller::Account && site.sees(issue));
    let one = |text: &String| {
        let query = match jql::parse(text) {
            Ok(query) => query,
            Err(complaint) => return json!({"matchedIssues": [], "errors": [complaint]}),
        };
        // A name nobody knows is no error here: it matches nothing.
        let filter = query.resolve(&site, world.config().account_time_zone, world.now()).ok();
        let found = ask
            .issue_ids
            .iter()
            .filter(|id| known(id).zip(filter.as_ref()).is_some_and(|(it, filter)| filter.accepts(it)));
        json!({"matchedIssues": found.collect::<Vec<_>>(), "errors": []})
    };
    answer::ok(&json!({"matches": ask.jqls.iter().map(one).collect::<Vec<_>>()}))
}
