//! What an issue lists: comments, worklogs, and the entries of its changelog.

use std::borrow::Cow;

use domain::{Change, Comment, CommentId, History, HistoryId, RawJson, Worklog, WorklogId};
use serde_json::value::RawValue;

use super::{People, missing, nothing, read};
use crate::{Error, lenient, lenient::Members, wire};

pub(crate) fn comment(wire: &wire::Comment<'_>, people: &mut People) -> Result<Comment, Error> {
    let id = wire.id.ok_or_else(|| Error::malformed("a comment without an id"))?;
    let created_at = wire.created.ok_or_else(|| missing(id, "time of a comment"))?;
    Ok(Comment {
        id: CommentId(id),
        author: people.meet(wire.author),
        update_author: people.meet(wire.update_author),
        body: wire.body.map_or_else(nothing, |body| RawJson::from(body.to_owned())),
        visibility: wire.visibility.map(|raw| RawJson::from(raw.to_owned())),
        jsd_public: wire.jsd_public,
        reply_to: wire.parent_id.map(CommentId),
        created_at,
        updated_at: wire.updated.unwrap_or(created_at),
    })
}

pub(crate) fn worklog(wire: &wire::Worklog<'_>, people: &mut People) -> Result<Worklog, Error> {
    let kept = |raw: Option<&RawValue>| raw.map(|raw| RawJson::from(raw.to_owned()));
    Ok(Worklog {
        id: WorklogId(wire.id.ok_or_else(|| Error::malformed("a worklog without an id"))?),
        author: people.meet(wire.author),
        update_author: people.meet(wire.update_author),
        started_at: wire.started,
        seconds: wire.time_spent_seconds.unwrap_or(0),
        comment: kept(wire.comment),
        visibility: kept(wire.visibility),
        created_at: wire.created,
        updated_at: wire.updated,
    })
}

/// One entry of a changelog.
pub(crate) fn history(wire: wire::History<'_>, people: &mut People) -> Result<History, Error> {
    let (mut id, mut created_at, mut author, mut items, mut rest) = (None, None, None, Vec::new(), Vec::new());
    for (name, value) in wire.0 {
        match name.as_ref() {
            "id" => id = lenient::numbered(value),
            "created" => created_at = lenient::timed(value),
            "author" => author = Some(value),
            "items" => items = read::<Option<Vec<Members<'_>>>>(value.get(), "a changelog entry")?.unwrap_or_default(),
            _ => rest.push((name, value)),
        }
    }
    let id = id.ok_or_else(|| Error::malformed("a changelog entry without an id"))?;
    Ok(History {
        id: HistoryId(id),
        author: people.meet(author),
        created_at: created_at.ok_or_else(|| missing(id, "time of a changelog entry"))?,
        changes: items.into_iter().map(change).collect::<Result<_, _>>()?,
        more: leftovers(rest)?,
    })
}

fn change(item: Members<'_>) -> Result<Change, Error> {
    let mut change = Change {
        field: String::new(),
        field_id: None,
        field_type: None,
        from: None,
        from_text: None,
        to: None,
        to_text: None,
        more: None,
    };
    let mut rest = Vec::new();
    for (name, value) in item.0 {
        match name.as_ref() {
            "field" => change.field = lenient::spelled(value).unwrap_or_default(),
            "fieldId" => change.field_id = lenient::spelled(value),
            "fieldtype" => change.field_type = lenient::spelled(value),
            "from" => change.from = lenient::spelled(value),
            "fromString" => change.from_text = lenient::spelled(value),
            "to" => change.to = lenient::spelled(value),
            "toString" => change.to_text = lenient::spelled(value),
            _ => rest.push((name, value)),
        }
    }
    change.more = leftovers(rest)?;
    Ok(change)
}

/// Members that have no place of their own.
fn leftovers(rest: Vec<(Cow<'_, str>, &RawValue)>) -> Result<Option<RawJson>, Error> {
    if rest.is_empty() {
        return Ok(None);
    }
    RawJson::of(&Members(rest)).map(Some).map_err(|error| Error::unreadable("our own text", &error))
}
