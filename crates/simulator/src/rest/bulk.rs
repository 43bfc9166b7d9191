//! Many issues at once: `issue/bulkfetch` and `changelog/bulkfetch`. Both read the store, not the index.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Caller;
use super::answer::{self, Answer, Refusal};
use crate::world::World;
use crate::world::issue::{History, Issue};
use crate::world::people::Shape;
use crate::world::view::fields::Selection;
use crate::world::view::parts::{Clock, HistoryView};
use crate::world::view::{Extent, Extras, IssueView, Lens};

/// Fields whose value is a list of objects: they rule out the thousand-issue form.
const MANY_VALUED: [&str; 5] = ["comment", "worklog", "attachment", "issuelinks", "subtasks"];
/// Expansions that rule it out as well.
const HEAVY: [&str; 6] =
    ["changelog", "editmeta", "operations", "renderedFields", "transitions", "versionedRepresentations"];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Ask {
    issue_ids_or_keys: Vec<String>,
    fields: Vec<String>,
    expand: Vec<String>,
    properties: Vec<String>,
    #[serde(rename = "fieldsByKeys")]
    _fields_by_keys: bool,
}

impl Ask {
    /// 100 issues; 1000 when the answer is known to be light (facts 2.1).
    fn limit(&self) -> usize {
        let explicit = |name: &String| !name.starts_with('*') && !name.starts_with('-');
        let light = (1..=100).contains(&self.fields.len())
            && self.fields.iter().all(explicit)
            && !self.fields.iter().any(|name| MANY_VALUED.contains(&name.as_str()))
            && !self.expand.iter().any(|name| HEAVY.contains(&name.as_str()));
        if light { 1000 } else { 100 }
    }
}

pub(super) async fn issues(
    State(world): State<Arc<World>>,
    shape: Shape,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Fetched<'a> {
        issues: Vec<IssueView<'a>>,
        issue_errors: Vec<Value>,
    }
    let ask: Ask = answer::body(&bytes)?;
    let limit = ask.limit();
    if ask.issue_ids_or_keys.is_empty() || ask.issue_ids_or_keys.len() > limit {
        let words = format!("The number of issue ids or keys must be between 1 and {limit}.");
        return Err(Refusal::bad(words));
    }
    if ask.properties.len() > 5 {
        return Err(Refusal::bad("The number of properties must not exceed 5."));
    }
    let mut issues = visible(&world, caller, &ask.issue_ids_or_keys);
    let issue_errors = failures(&world, &mut issues);
    let site = world.read();
    if world.door.is_poisoned(issues.iter().map(|issue| issue.id)) {
        return Err(Refusal::broken(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let config = world.config();
    let extras = Extras::new(&ask.expand, ask.properties);
    let lens = Lens::new(&site, config, shape).with(&extras);
    let fields = Selection::parse(&ask.fields, "*navigable");
    let histories = extras.has("changelog").then_some(config.embedded_history_cap);
    let extent = Extent { fields: &fields, comments: config.embedded_comment_cap, histories };
    let views = issues.iter().map(|issue| IssueView { lens, issue, extent: &extent });
    answer::ok(&Fetched { issues: views.collect(), issue_errors })
}

/// Issues that could not be loaded this once: they are not missing, and asking again is right.
fn failures(world: &World, issues: &mut Vec<Arc<Issue>>) -> Vec<Value> {
    let mut errors = Vec::new();
    if world.read().troubles.any_fetch_error() {
        let troubles = &mut world.write().troubles;
        issues.retain(|issue| match troubles.fetch_error(issue.id) {
            Some(words) => {
                errors.push(json!({"id": issue.id.to_string(), "errorMessage": words}));
                false
            }
            None => true,
        });
    }
    errors
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AskChanges {
    issue_ids_or_keys: Vec<String>,
    #[serde(default)]
    field_ids: Vec<String>,
    max_results: Option<u64>,
    next_page_token: Option<String>,
}

/// A place in the answer: date, issue, entry.
type At = (i64, u64, u64);

pub(super) async fn changelogs(
    State(world): State<Arc<World>>,
    shape: Shape,
    Extension(caller): Extension<Caller>,
    bytes: Bytes,
) -> Answer {
    let ask: AskChanges = answer::body(&bytes)?;
    match ask.issue_ids_or_keys.len() {
        0 => return Err(Refusal::bad("At least one issue id or key is needed.")),
        1..=1000 => {}
        _ => {
            let words = "You may only load changelogs for a maximum of 1,000 issues by ID or key at a time.";
            return Err(Refusal::bad(words));
        }
    }
    if ask.field_ids.len() > 10 {
        return Err(Refusal::bad("You may only filter by a maximum of 10 field IDs at a time."));
    }
    let most = usize::try_from(ask.max_results.unwrap_or(1000)).unwrap_or(usize::MAX).clamp(1, 10_000);
    let from = ask.next_page_token.as_deref().map(read_token).transpose()?;
    let issues = visible(&world, caller, &ask.issue_ids_or_keys);
    let mut entries: Vec<(At, &History)> =
        issues.iter().flat_map(|issue| entries(issue, &ask.field_ids)).filter(|(at, _)| Some(*at) > from).collect();
    entries.sort_unstable_by_key(|(at, _)| *at);
    let token = (entries.len() > most).then(|| entries.get(most - 1).map(|(at, _)| write_token(*at))).flatten();
    entries.truncate(most);
    render_changes((&world, shape), &entries, token)
}

fn entries<'a>(issue: &'a Issue, fields: &'a [String]) -> impl Iterator<Item = (At, &'a History)> {
    let asked = move |history: &&History| {
        let named = |id: Option<&str>| id.is_some_and(|id| fields.iter().any(|field| field == id));
        fields.is_empty() || history.items.iter().any(|item| named(item.field_id))
    };
    let place = |history: &'a History| ((history.created.timestamp_millis(), issue.id, history.id), history);
    issue.histories.iter().filter(asked).map(place)
}

/// Entries stay in the order of their dates; an issue's entries of this page stand together under its id.
fn render_changes((world, shape): (&World, Shape), entries: &[(At, &History)], token: Option<String>) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct OfIssue<'a> {
        issue_id: String,
        change_histories: Vec<HistoryView<'a>>,
    }
    let site = world.read();
    let lens = Lens::new(&site, world.config(), shape);
    let mut grouped: Vec<(u64, OfIssue<'_>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for ((_, id, _), history) in entries {
        let place = *places.entry(*id).or_insert_with(|| {
            grouped.push((*id, OfIssue { issue_id: id.to_string(), change_histories: Vec::new() }));
            grouped.len() - 1
        });
        grouped[place].1.change_histories.push(HistoryView { lens, history, clock: Clock::Millis });
    }
    let logs: Vec<OfIssue<'_>> = grouped.into_iter().map(|(_, log)| log).collect();
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Changes<'a> {
        issue_change_logs: Vec<OfIssue<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<String>,
    }
    answer::ok(&Changes { issue_change_logs: logs, next_page_token: token })
}

/// The issues the caller sees, each once, by ascending id; the others are simply missing.
fn visible(world: &World, caller: Caller, asked: &[String]) -> Vec<Arc<Issue>> {
    if caller == Caller::Anonymous {
        return Vec::new();
    }
    let site = world.read();
    let ids: BTreeSet<u64> = asked.iter().filter_map(|it| site.visible(it)).map(|issue| issue.id).collect();
    ids.iter().filter_map(|id| site.issues.get(id)).cloned().collect()
}

fn write_token((date, issue, entry): At) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json!([date, issue, entry]).to_string())
}

fn read_token(token: &str) -> Result<At, Refusal> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let at = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    at.ok_or_else(|| Refusal::bad("The provided next page token is invalid or expired."))
}
