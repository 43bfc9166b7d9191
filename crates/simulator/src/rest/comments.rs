//! Comments: listed, found by id, written, changed and removed.

use std::collections::HashSet;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Caller;
use super::answer::{self, Answer, Asking, Author, Refusal, Site};
use super::issue::{Property, by_key, find, find_to_change};
use super::params::{Params, slice};
use crate::world::edits::EditError;
use crate::world::issue::Comment;
use crate::world::people::Shape;
use crate::world::text::Text;
use crate::world::view::Lens;
use crate::world::view::parts::{CommentView, comments as views};
use crate::world::{World, adf};

/// The most comments a page holds.
const PAGE: usize = 100;

pub(super) async fn list(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Comments<T> {
        start_at: usize,
        max_results: usize,
        total: usize,
        comments: T,
    }
    let (issue, params) = (find(&world, caller, &id)?, Params::of(&uri));
    let (start_at, max_results) = params.page(PAGE, PAGE)?;
    let mut sorted = issue.seen_comments();
    match params.one("orderBy") {
        None | Some("created" | "+created") => {}
        Some("-created") => sorted.reverse(),
        Some(_) => return Err(Refusal::bad("Comments can only be ordered by created.")),
    }
    let site = world.read();
    let lens = Lens::new(&site, world.config(), shape);
    let shown = slice(&sorted, start_at, max_results);
    let total = sorted.len();
    if params.names("expand", "renderedBody") {
        let comments: Vec<Value> =
            shown.iter().map(|comment| in_full(lens, issue.id, comment, &["renderedBody".into()])).collect();
        return answer::ok(&Comments { start_at, max_results, total, comments });
    }
    answer::ok(&Comments { start_at, max_results, total, comments: views(lens, &issue, shown) })
}

/// A comment with what was asked for besides.
fn in_full(lens: Lens<'_>, issue: u64, comment: &Comment, expand: &[String]) -> Value {
    let mut value = serde_json::to_value(CommentView { lens, issue, comment }).unwrap_or_default();
    let Some(parts) = value.as_object_mut() else { return value };
    let asked = |word: &str| expand.iter().any(|it| it == word);
    if asked("renderedBody") {
        parts.insert("renderedBody".into(), json!(format!("<p>{}</p>", comment.body.wiki())));
    }
    if asked("properties") {
        let all = comment.properties.iter().map(|(key, value)| json!({"key": key, "value": value}));
        parts.insert("properties".into(), all.collect());
    }
    value
}

pub(super) async fn get(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Path((id, comment)): Path<(String, String)>,
    uri: Uri,
) -> Answer {
    show((&world, shape, caller), (&id, number(&comment)?), (&Params::of(&uri), StatusCode::OK))
}

fn show(
    (world, shape, caller): (&World, Shape, Caller),
    (id, comment): (&str, u64),
    (params, status): (&Params, StatusCode),
) -> Answer {
    let issue = find(world, caller, id)?;
    let site = world.read();
    let seen = issue.seen_comments();
    let comment = seen.iter().find(|it| it.id == comment).ok_or(EditError::NoSuchComment(comment))?;
    let lens = Lens::new(&site, world.config(), shape);
    let value = in_full(lens, issue.id, comment, &params.list("expand"));
    if status == StatusCode::CREATED { answer::created(&value) } else { answer::ok(&value) }
}

/// Comments by their ids, wherever they are; those the caller cannot see are missing.
pub(super) async fn by_ids(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    uri: Uri,
    bytes: Bytes,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ask {
        ids: HashSet<u64>,
    }
    let (Ask { ids }, params) = (answer::body(&bytes)?, Params::of(&uri));
    if ids.is_empty() || ids.len() > 1000 {
        return Err(Refusal::bad("The number of comment ids must be between 1 and 1000."));
    }
    let site = world.read();
    let lens = Lens::new(&site, world.config(), shape);
    let seen = site.issues.values().filter(|issue| caller == Caller::Account && site.sees(issue));
    let found = seen.flat_map(|issue| issue.seen_comments().into_iter().map(|comment| (issue.id, comment)));
    let expand = params.list("expand");
    let asked = found.filter(|(_, comment)| ids.contains(&comment.id));
    let values: Vec<Value> = asked.map(|(issue, comment)| in_full(lens, issue, comment, &expand)).collect();
    answer::ok(&json!({
        "self": format!("{}/comment/list", lens.deck.base), "maxResults": 1_048_576, "startAt": 0,
        "total": values.len(), "isLast": true, "values": values,
    }))
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    body: Value,
    visibility: Option<Value>,
    #[serde(default)]
    properties: Vec<Property>,
}

impl Written {
    /// The text, or why it is none.
    fn text(&self, caller: Caller, shape: Shape, most: usize) -> Result<Text, Refusal> {
        text(&self.body, shape, most).map_err(|words| {
            let forbidden = "You do not have the permission to comment on this issue.".to_owned();
            let messages = if caller == Caller::Anonymous { vec![forbidden] } else { Vec::new() };
            Refusal::Fields(messages, [("comment".to_owned(), words)].into())
        })
    }
}

/// Reads the body of a comment: a document in version 3, a string in version 2.
pub(super) fn text(body: &Value, shape: Shape, most: usize) -> Result<Text, String> {
    let text = match (shape, body) {
        (Shape::V3, body) if adf::is_document(body) => Text::Document(body.clone().into()),
        (Shape::V2, Value::String(words)) if !words.trim().is_empty() => Text::Written(words.clone()),
        _ => return Err("Comment body is not valid!".into()),
    };
    match text.wiki().chars().count() {
        count if count > most => Err(too_long(most)),
        _ => Ok(text),
    }
}

pub(super) fn too_long(most: usize) -> String {
    let (thousands, rest) = (most / 1000, most % 1000);
    let most = if thousands > 0 { format!("{thousands},{rest:03}") } else { rest.to_string() };
    format!("The entered text is too long. It exceeds the allowed limit of {most} characters.")
}

pub(super) async fn add(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    author: Result<Author, Refusal>,
    Path(id): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer {
    let written: Written = answer::body(&bytes)?;
    let text = written.text(caller, shape, world.config().issue_limits.text)?;
    let Author(by) = author?;
    let issue = find_to_change(&world, caller, &id)?.id.to_string();
    let properties = by_key(written.properties);
    let comment = world.comment_as(by, &issue, |comment| {
        comment.write(text, written.visibility, properties);
    })?;
    show((&world, shape, caller), (&issue, comment), (&Params::of(&uri), StatusCode::CREATED))
}

pub(super) async fn edit(
    State(world): Site,
    shape: Shape,
    Extension(caller): Asking,
    Author(by): Author,
    Path((id, comment)): Path<(String, String)>,
    uri: Uri,
    bytes: Bytes,
) -> Answer {
    let written: Written = answer::body(&bytes)?;
    let text = written.text(caller, shape, world.config().issue_limits.text)?;
    let comment = number(&comment)?;
    let issue = seen_comment(&world, caller, &id, comment)?;
    let properties = by_key(written.properties);
    world.edit_comment_as(by, &issue, comment, |comment| {
        comment.write(text, written.visibility, properties);
    })?;
    show((&world, shape, caller), (&issue, comment), (&Params::of(&uri), StatusCode::OK))
}

pub(super) async fn delete(
    State(world): Site,
    Extension(caller): Asking,
    Author(by): Author,
    Path((id, comment)): Path<(String, String)>,
) -> Answer {
    let comment = number(&comment)?;
    let issue = seen_comment(&world, caller, &id, comment)?;
    world.delete_comment_as(by, &issue, comment)?;
    answer::empty(StatusCode::NO_CONTENT)
}

/// The id of the issue, if the caller sees this comment of it.
fn seen_comment(world: &World, caller: Caller, id: &str, comment: u64) -> Result<String, Refusal> {
    let issue = find_to_change(world, caller, id)?;
    let seen = issue.seen_comments().iter().any(|it| it.id == comment);
    if seen { Ok(issue.id.to_string()) } else { Err(EditError::NoSuchComment(comment).into()) }
}

fn number(id: &str) -> Result<u64, Refusal> {
    id.parse().map_err(|_| Refusal::not_found(format!("Can not find a comment for the id: {id}.")))
}
