//! The record of an issue: what a script may change is public, what Jira itself keeps is not.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::catalogue::{IssueType, LinkType, POINTS_FIELD, Priority, SPRINT_FIELD, Status};
use super::text::Text;

/// An account id, as Jira shows it: opaque text.
pub type AccountId = Arc<str>;

/// One issue as the store has it. Edits change the public fields; times, history and key follow by themselves.
#[derive(Clone, Debug)]
pub struct Issue {
    /// The title.
    pub summary: String,
    /// The description, or none.
    pub description: Option<Text>,
    /// Where it is in the workflow; `Done` sets the resolution.
    pub status: Status,
    /// How urgent it is.
    pub priority: Priority,
    /// What sort of issue it is.
    pub issue_type: IssueType,
    /// Who works on it: one of `World::accounts`, or nobody.
    pub assignee: Option<AccountId>,
    /// Free labels, without spaces.
    pub labels: Vec<String>,
    /// The day it is due.
    pub due: Option<NaiveDate>,
    /// Story point estimate (a custom number field).
    pub story_points: Option<f64>,
    /// Sprints it is or was in (a custom field), oldest first.
    pub sprints: Vec<u32>,
    /// The issue it belongs to: an epic, or the parent of a sub-task.
    pub parent: Option<u64>,
    pub(crate) id: u64,
    /// Place of its project in the site's list.
    pub(crate) project: usize,
    pub(crate) key: String,
    pub(crate) reporter: AccountId,
    pub(crate) created: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
    pub(crate) category_changed: DateTime<Utc>,
    pub(crate) resolved: Option<DateTime<Utc>>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) histories: Vec<History>,
    pub(crate) links: Vec<Link>,
    pub(crate) subtasks: Vec<u64>,
    pub(crate) hidden: bool,
    /// Counts every change, so that a late index entry never replaces a newer one.
    pub(crate) revision: u64,
}

/// A comment; the body is rich text.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) author: AccountId,
    pub(crate) body: Text,
    pub(crate) created: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
}

/// One entry of the changelog.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) id: u64,
    pub(crate) author: AccountId,
    pub(crate) created: DateTime<Utc>,
    pub(crate) items: Vec<Change>,
}

type Words = Cow<'static, str>;

/// One changed field: `from`/`to` are ids where the field has ids, the `_text` pair is what people read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) field: &'static str,
    /// Absent for moves, links and parents, as on the real thing.
    pub(crate) field_id: Option<&'static str>,
    pub(crate) from: Option<Words>,
    pub(crate) from_text: Option<Words>,
    pub(crate) to: Option<Words>,
    pub(crate) to_text: Option<Words>,
}

/// One end of a link; the other issue has the other end under the same id.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) kind: LinkType,
    pub(crate) other: u64,
    pub(crate) side: Side,
}

/// Which end of a link the *other* issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Inward,
    Outward,
}

impl Issue {
    /// A new issue: a task to do, of medium priority, without anything else.
    pub(crate) fn new(id: u64, key: String, reporter: AccountId, created: DateTime<Utc>) -> Self {
        Self {
            summary: String::new(),
            description: None,
            status: Status::ToDo,
            priority: Priority::Medium,
            issue_type: IssueType::Task,
            assignee: None,
            labels: Vec::new(),
            due: None,
            story_points: None,
            sprints: Vec::new(),
            parent: None,
            id,
            project: 0,
            key,
            reporter,
            created,
            updated: created,
            category_changed: created,
            resolved: None,
            comments: Vec::new(),
            histories: Vec::new(),
            links: Vec::new(),
            subtasks: Vec::new(),
            hidden: false,
            revision: 0,
        }
    }

    /// The numeric id, which never changes.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The present key, such as `ACME-7`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The number behind the dash of the key.
    pub(crate) fn number(&self) -> u64 {
        self.key.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
    }

    /// Writes down that the public fields differ from `before`: history, times and resolution.
    /// Nothing happens when they do not; then the answer is false.
    pub(crate) fn record(&mut self, before: &Self, id: u64, author: &AccountId, now: DateTime<Utc>) -> bool {
        let items = changes(before, self);
        if items.is_empty() {
            return false;
        }
        if before.status.category().0 != self.status.category().0 {
            self.category_changed = now;
            self.resolved = (self.status == Status::Done).then_some(now);
        }
        self.updated = now;
        self.histories.push(History { id, author: author.clone(), created: now, items });
        true
    }
}

/// The changelog items that lead from one state to the other.
pub(crate) fn changes(old: &Issue, new: &Issue) -> Vec<Change> {
    let mut items = Vec::new();
    if old.summary != new.summary {
        items.push(plain("summary", "summary", Some(old.summary.clone()), Some(new.summary.clone())));
    }
    if old.description != new.description {
        let wiki = |text: &Option<Text>| text.as_ref().map(Text::wiki);
        items.push(plain("description", "description", wiki(&old.description), wiki(&new.description)));
    }
    if old.status != new.status {
        items.push(named("status", (old.status.id(), old.status.name()), (new.status.id(), new.status.name())));
        items.extend(resolution(old.status, new.status));
    }
    if old.priority != new.priority {
        let (from, to) = (old.priority, new.priority);
        items.push(named("priority", (from.id(), from.name()), (to.id(), to.name())));
    }
    if old.issue_type != new.issue_type {
        let (from, to) = (old.issue_type, new.issue_type);
        items.push(named("issuetype", (from.id(), from.name()), (to.id(), to.name())));
    }
    if old.assignee != new.assignee {
        let words = |who: &Option<AccountId>| who.as_deref().map(|id| Words::from(id.to_owned()));
        let (from, to) = (words(&old.assignee), words(&new.assignee));
        // Whoever renders the entry puts the names in: they live with the people, not here.
        items.push(Change { field: "assignee", field_id: Some("assignee"), from, from_text: None, to, to_text: None });
    }
    if old.labels != new.labels {
        items.push(plain("labels", "labels", Some(old.labels.join(" ")), Some(new.labels.join(" "))));
    }
    items.extend(dates_and_custom_fields(old, new));
    items
}

fn dates_and_custom_fields(old: &Issue, new: &Issue) -> Vec<Change> {
    let mut items = Vec::new();
    if old.due != new.due {
        let day = |due: Option<NaiveDate>| due.map(|day| day.to_string());
        items.push(plain("duedate", "duedate", day(old.due), day(new.due)));
    }
    if old.story_points != new.story_points {
        let points = |value: Option<f64>| value.map(|points| points.to_string());
        items.push(plain("Story point estimate", POINTS_FIELD, points(old.story_points), points(new.story_points)));
    }
    if old.sprints != new.sprints {
        let (from, to) = (listed(&old.sprints, ""), listed(&new.sprints, ""));
        let (from_text, to_text) = (listed(&old.sprints, "Sprint "), listed(&new.sprints, "Sprint "));
        items.push(Change { field: "Sprint", field_id: Some(SPRINT_FIELD), from, from_text, to, to_text });
    }
    if old.parent != new.parent {
        let id = |parent: Option<u64>| parent.map(|id| Words::from(id.to_string()));
        let (from, to) = (id(old.parent), id(new.parent));
        items.push(Change {
            field: "IssueParentAssociation",
            field_id: None,
            from,
            from_text: None,
            to,
            to_text: None,
        });
    }
    items
}

fn plain(field: &'static str, id: &'static str, from: Option<String>, to: Option<String>) -> Change {
    let (from_text, to_text) = (from.map(Words::from), to.map(Words::from));
    Change { field, field_id: Some(id), from: None, from_text, to: None, to_text }
}

fn named(field: &'static str, from: (&'static str, &'static str), to: (&'static str, &'static str)) -> Change {
    Change {
        field,
        field_id: Some(field),
        from: Some(from.0.into()),
        from_text: Some(from.1.into()),
        to: Some(to.0.into()),
        to_text: Some(to.1.into()),
    }
}

fn resolution(from: Status, to: Status) -> Option<Change> {
    let done = || (Some(Words::from("10000")), Some(Words::from("Done")));
    let ((from, from_text), (to, to_text)) = match (from == Status::Done, to == Status::Done) {
        (false, true) => ((None, None), done()),
        (true, false) => (done(), (None, None)),
        _ => return None,
    };
    Some(Change { field: "resolution", field_id: Some("resolution"), from, from_text, to, to_text })
}

fn listed(sprints: &[u32], before: &str) -> Option<Words> {
    let words: Vec<String> = sprints.iter().map(|id| format!("{before}{id}")).collect();
    Some(words.join(", ").into())
}
