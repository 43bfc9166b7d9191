//! The pieces inside an issue: comments, changelog entries, links, sub-tasks, sprints, people.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::Lens;
use crate::world::issue::{Change, Comment, History, Issue, Link, Side};
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
        let shown = newest(&issue.comments, most);
        let mut map = to.serialize_map(Some(5))?;
        map.serialize_entry("self", &format_args!("{}/issue/{}/comment", lens.deck.base, issue.id))?;
        map.serialize_entry("startAt", &0)?;
        map.serialize_entry("maxResults", &shown.len())?;
        map.serialize_entry("total", &issue.comments.len())?;
        map.serialize_entry("comments", &comments(lens, issue, shown))?;
        map.end()
    }
}

/// Comments of an issue, as a list of views.
pub(crate) fn comments<'a>(lens: Lens<'a>, issue: &Issue, shown: &'a [Comment]) -> Vec<CommentView<'a>> {
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
            Shape::V2 => map.serialize_entry("body", &comment.body.wiki())?,
        }
        map.serialize_entry("updateAuthor", &lens.person(&comment.author))?;
        map.serialize_entry("created", &lens.time(comment.created))?;
        map.serialize_entry("updated", &lens.time(comment.updated))?;
        map.serialize_entry("jsdPublic", &true)?;
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
        let mut map = to.serialize_map(Some(4))?;
        map.serialize_entry("id", &history.id.to_string())?;
        map.serialize_entry("author", &lens.person(&history.author))?;
        match clock {
            Clock::Text => map.serialize_entry("created", &lens.time(history.created))?,
            Clock::Millis => map.serialize_entry("created", &history.created.timestamp_millis())?,
        }
        map.serialize_entry("items", &ItemsView { lens, items: &history.items })?;
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
        let is_person = change.field == "assignee";
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
        if is_person {
            map.serialize_entry("tmpFromAccountId", &change.from)?;
            map.serialize_entry("tmpToAccountId", &change.to)?;
        }
        map.end()
    }
}

/// Another issue as a parent, sub-task or link shows it.
pub(crate) struct Mini<'a> {
    lens: Lens<'a>,
    issue: &'a Issue,
}

impl<'a> Mini<'a> {
    /// `None` when the caller cannot see that issue.
    pub(crate) fn of(lens: Lens<'a>, id: u64) -> Option<Self> {
        let issue = lens.state.issues.get(&id).filter(|issue| !issue.hidden)?;
        Some(Self { lens, issue })
    }
}

impl Serialize for Mini<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            summary: &'a str,
            status: Option<&'a RawValue>,
            priority: Option<&'a RawValue>,
            issuetype: Option<&'a RawValue>,
        }
        let (deck, issue) = (self.lens.deck, self.issue);
        let mut map = to.serialize_map(Some(4))?;
        map.serialize_entry("id", &issue.id.to_string())?;
        map.serialize_entry("key", &issue.key)?;
        map.serialize_entry("self", &format_args!("{}/issue/{}", deck.base, issue.id))?;
        let fields = Fields {
            summary: &issue.summary,
            status: deck.status(issue.status),
            priority: deck.priority(issue.priority),
            issuetype: deck.issue_type(issue.issue_type),
        };
        map.serialize_entry("fields", &fields)?;
        map.end()
    }
}

/// One end of a link with the issue at the other end.
pub(crate) struct LinkView<'a> {
    link: &'a Link,
    other: Mini<'a>,
}

impl<'a> LinkView<'a> {
    pub(crate) fn of(lens: Lens<'a>, link: &'a Link) -> Option<Self> {
        Some(Self { link, other: Mini::of(lens, link.other)? })
    }
}

impl Serialize for LinkView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Kind<'a> {
            #[serde(rename = "self")]
            link: String,
            id: &'a str,
            name: &'a str,
            inward: &'a str,
            outward: &'a str,
        }
        let base = &self.other.lens.deck.base;
        let (id, name, inward, outward) = self.link.kind.words();
        let mut map = to.serialize_map(Some(4))?;
        map.serialize_entry("id", &self.link.id.to_string())?;
        map.serialize_entry("self", &format_args!("{base}/issueLink/{}", self.link.id))?;
        let kind = Kind { link: format!("{base}/issueLinkType/{id}"), id, name, inward, outward };
        map.serialize_entry("type", &kind)?;
        let side = if self.link.side == Side::Inward { "inwardIssue" } else { "outwardIssue" };
        map.serialize_entry(side, &self.other)?;
        map.end()
    }
}

/// A sprint as the sprint field shows it; future ones have no dates.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sprint {
    id: u32,
    name: String,
    state: &'static str,
    board_id: u32,
    goal: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_date: Option<&'static str>,
}

impl Sprint {
    /// The last digit says how far a sprint is: 1 and 2 closed, 3 active, 4 future; the rest is the board.
    pub(crate) fn of(id: u32) -> Self {
        let (state, start_date, end_date, complete_date) = match id % 10 {
            1 | 2 => (
                "closed",
                Some("2025-06-02T08:00:00.000Z"),
                Some("2025-06-16T08:00:00.000Z"),
                Some("2025-06-16T09:12:44.882Z"),
            ),
            3 => ("active", Some("2025-12-01T08:00:00.000Z"), Some("2025-12-15T08:00:00.000Z"), None),
            _ => ("future", None, None, None),
        };
        let name = format!("Sprint {id}");
        Self { id, name, state, board_id: id / 10 + 1, goal: "", start_date, end_date, complete_date }
    }
}

/// The last `most` of a list that is oldest first.
fn newest<T>(all: &[T], most: usize) -> &[T] {
    all.get(all.len().saturating_sub(most)..).unwrap_or_default()
}
