//! The pieces inside an issue: comments, worklogs, changelog entries, people.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::Lens;
use super::fields::duration;
use crate::world::issue::{Change, Comment, History, Issue, Worklog};
use crate::world::people::Shape;

/// Someone as a nested object; an account the site does not know is a former user.
pub(crate) enum PersonView<'a> {
    Known(&'a RawValue),
    Gone(&'a str),
}

impl<'a> Lens<'a> {
    pub(crate) fn person(self, account: &'a str) -> PersonView<'a> {
        self.deck.person(account).map_or(PersonView::Gone(account), PersonView::Known)
    }

    fn display_name(self, account: &str) -> Option<&'a str> {
        let mut people = self.state.people.iter();
        people.find(|person| &*person.account_id == account).map(|person| person.name.as_str())
    }
}

impl Serialize for PersonView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(card) => card.serialize(to),
            Self::Gone(account) => {
                let mut map = to.serialize_map(Some(4))?;
                map.serialize_entry("accountId", account)?;
                map.serialize_entry("accountType", "unknown")?;
                map.serialize_entry("displayName", "Former user")?;
                map.serialize_entry("active", &false)?;
                map.end()
            }
        }
    }
}

/// The embedded comment page: the newest `most`, with the true total.
pub(crate) struct CommentsView<'a> {
    pub(crate) lens: Lens<'a>,
    pub(crate) issue: &'a Issue,
    pub(crate) most: usize,
}

impl Serialize for CommentsView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { lens, issue, most } = *self;
        let seen = issue.seen_comments();
        let shown = newest(&seen, most);
        let mut map = to.serialize_map(Some(5))?;
        map.serialize_entry("self", &format_args!("{}/issue/{}/comment", lens.deck.base, issue.id))?;
        map.serialize_entry("startAt", &0)?;
        map.serialize_entry("maxResults", &shown.len())?;
        map.serialize_entry("total", &seen.len())?;
        map.serialize_entry("comments", &comments(lens, issue, shown))?;
        map.end()
    }
}

/// Comments of an issue, as a list of views.
pub(crate) fn comments<'a>(lens: Lens<'a>, issue: &Issue, shown: &[&'a Comment]) -> Vec<CommentView<'a>> {
    shown.iter().map(|comment| CommentView { lens, issue: issue.id, comment }).collect()
}

/// One comment; its body is ADF in v3 and a wiki string in v2.
pub(crate) struct CommentView<'a> {
    pub(crate) lens: Lens<'a>,
    pub(crate) issue: u64,
    pub(crate) comment: &'a Comment,
}

impl Serialize for CommentView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { lens, issue, comment } = *self;
        let mut map = to.serialize_map(Some(8))?;
        map.serialize_entry("self", &format_args!("{}/issue/{issue}/comment/{}", lens.deck.base, comment.id))?;
        map.serialize_entry("id", &comment.id.to_string())?;
        map.serialize_entry("author", &lens.person(&comment.author))?;
        match lens.shape {
            Shape::V3 => map.serialize_entry("body", &comment.body.adf())?,
            Shape::V2 | Shape::Webhook => map.serialize_entry("body", &comment.body.wiki())?,
        }
        map.serialize_entry("updateAuthor", &lens.person(&comment.update_author))?;
        map.serialize_entry("created", &lens.time(comment.created))?;
        map.serialize_entry("updated", &lens.time(comment.updated))?;
        if let Some(visibility) = &comment.visibility {
            map.serialize_entry("visibility", visibility)?;
        }
        map.serialize_entry("jsdPublic", &true)?;
        map.end()
    }
}

/// The embedded worklog page: the newest `most`, with the true total.
pub(crate) struct WorklogsView<'a> {
    pub(crate) lens: Lens<'a>,
    pub(crate) issue: &'a Issue,
    pub(crate) most: usize,
}

impl Serialize for WorklogsView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { lens, issue, most } = *self;
        let total = issue.worklogs.len();
        let shown = newest(&issue.worklogs, most).iter();
        let shown: Vec<_> = shown.map(|worklog| WorklogView { lens, issue: issue.id, worklog }).collect();
        let mut map = to.serialize_map(Some(4))?;
        map.serialize_entry("startAt", &0)?;
        map.serialize_entry("maxResults", &most.min(total.max(20)))?;
        map.serialize_entry("total", &total)?;
        map.serialize_entry("worklogs", &shown)?;
        map.end()
    }
}

/// One worklog; its comment is ADF in v3 and a wiki string in v2.
pub(crate) struct WorklogView<'a> {
    pub(crate) lens: Lens<'a>,
    pub(crate) issue: u64,
    pub(crate) worklog: &'a Worklog,
}

impl Serialize for WorklogView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { lens, issue, worklog } = *self;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("self", &format_args!("{}/issue/{issue}/worklog/{}", lens.deck.base, worklog.id))?;
        map.serialize_entry("author", &lens.person(&worklog.author))?;
        map.serialize_entry("updateAuthor", &lens.person(&worklog.update_author))?;
        match (&worklog.comment, lens.shape) {
            (Some(text), Shape::V3) => map.serialize_entry("comment", &text.adf())?,
            (Some(text), Shape::V2 | Shape::Webhook) => map.serialize_entry("comment", &text.wiki())?,
            (None, _) => {}
        }
        map.serialize_entry("created", &lens.time(worklog.created))?;
        map.serialize_entry("updated", &lens.time(worklog.updated))?;
        map.serialize_entry("started", &lens.time(worklog.started))?;
        map.serialize_entry("timeSpent", &duration(worklog.seconds))?;
        map.serialize_entry("timeSpentSeconds", &worklog.seconds)?;
        map.serialize_entry("id", &worklog.id.to_string())?;
        map.serialize_entry("issueId", &issue.to_string())?;
        map.end()
    }
}

/// The embedded changelog: newest first, at most `most`, with the true total.
pub(crate) struct ChangelogView<'a> {
    pub(crate) lens: Lens<'a>,
    pub(crate) issue: &'a Issue,
    pub(crate) most: usize,
}

impl Serialize for ChangelogView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { lens, issue, most } = *self;
        let shown = newest(&issue.histories, most);
        let views: Vec<_> =
            shown.iter().rev().map(|history| HistoryView { lens, history, clock: Clock::Text }).collect();
        let mut map = to.serialize_map(Some(4))?;
        map.serialize_entry("startAt", &0)?;
        map.serialize_entry("maxResults", &shown.len())?;
        map.serialize_entry("total", &issue.histories.len())?;
        map.serialize_entry("histories", &views)?;
        map.end()
    }
}

/// How a changelog entry says when: as text, or as epoch milliseconds in the bulk answer (facts 2.2).
#[derive(Clone, Copy)]
pub(crate) enum Clock {
    Text,
    Millis,
}

/// One changelog entry.
pub(crate) struct HistoryView<'a> {
    pub(crate) lens: Lens<'a>,
    pub(crate) history: &'a History,
    pub(crate) clock: Clock,
}

impl Serialize for HistoryView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { lens, history, clock } = *self;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", &history.id.to_string())?;
        map.serialize_entry("author", &lens.person(&history.author))?;
        match clock {
            Clock::Text => map.serialize_entry("created", &lens.time(history.created))?,
            Clock::Millis => map.serialize_entry("created", &history.created.timestamp_millis())?,
        }
        map.serialize_entry("items", &ItemsView { lens, items: &history.items })?;
        if let Some(metadata) = &history.metadata {
            map.serialize_entry("historyMetadata", metadata)?;
        }
        map.end()
    }
}

/// The changed fields of one entry.
pub(crate) struct ItemsView<'a> {
    pub(crate) lens: Lens<'a>,
    pub(crate) items: &'a [Change],
}

impl Serialize for ItemsView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.items.len()))?;
        for change in self.items {
            list.serialize_element(&ItemView { lens: self.lens, change })?;
        }
        list.end()
    }
}

struct ItemView<'a> {
    lens: Lens<'a>,
    change: &'a Change,
}

impl Serialize for ItemView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { lens, change } = self;
        let custom = change.field_id.is_some_and(|id| id.starts_with("customfield_"));
        let is_person = matches!(change.field, "assignee" | "reporter");
        let name = |id: &Option<std::borrow::Cow<'static, str>>| id.as_deref().and_then(|id| lens.display_name(id));
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("field", change.field)?;
        map.serialize_entry("fieldtype", if custom { "custom" } else { "jira" })?;
        if let Some(id) = change.field_id {
            map.serialize_entry("fieldId", id)?;
        }
        map.serialize_entry("from", &change.from)?;
        let from = if is_person { name(&change.from) } else { change.from_text.as_deref() };
        map.serialize_entry("fromString", &from)?;
        map.serialize_entry("to", &change.to)?;
        let to = if is_person { name(&change.to) } else { change.to_text.as_deref() };
        map.serialize_entry("toString", &to)?;
        // Only webhooks name the accounts a second time.
        if is_person && lens.shape == Shape::Webhook {
            map.serialize_entry("tmpFromAccountId", &change.from)?;
            map.serialize_entry("tmpToAccountId", &change.to)?;
        }
        map.end()
    }
}

/// The last `most` of a list that is oldest first.
fn newest<T>(all: &[T], most: usize) -> &[T] {
    all.get(all.len().saturating_sub(most)..).unwrap_or_default()
}
