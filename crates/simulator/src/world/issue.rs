//! The record of an issue: what a script may change is public, what Jira itself keeps is not.

pub(crate) mod changes;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use serde_json::Value;

use super::catalogue::{IssueType, LinkType, Priority, Status};
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
    /// Where it happens, as rich text.
    pub environment: Option<Text>,
    /// Place in the list of severities (a custom select field), from 0.
    pub severity: Option<usize>,
    /// Versions it is to be fixed in, by id.
    pub fix_versions: Vec<u64>,
    /// Versions it was seen in, by id.
    pub affects_versions: Vec<u64>,
    /// Components of its project, by id.
    pub components: Vec<u64>,
    /// The issue it belongs to: an epic, or the parent of a sub-task.
    pub parent: Option<u64>,
    pub(crate) id: u64,
    /// Place of its project in the site's list.
    pub(crate) project: usize,
    pub(crate) key: String,
    /// Who made it; never changes.
    pub(crate) creator: AccountId,
    /// In whose name it stands.
    pub(crate) reporter: AccountId,
    pub(crate) created: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
    pub(crate) category_changed: DateTime<Utc>,
    pub(crate) resolved: Option<DateTime<Utc>>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) histories: Vec<History>,
    pub(crate) links: Vec<Link>,
    pub(crate) subtasks: Vec<u64>,
    pub(crate) worklogs: Vec<Worklog>,
    pub(crate) remote_links: Vec<RemoteLink>,
    /// Entity properties: not part of the changelog, no change of `updated`.
    pub(crate) properties: BTreeMap<String, Value>,
    /// What the next entry of the changelog is told with.
    pub(crate) metadata: Option<Arc<Value>>,
    /// Has a security level the service account is not in.
    pub(crate) hidden: bool,
    /// Read-only and out of every search; direct reads still show it.
    pub(crate) archived: bool,
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
    /// Who changed it last.
    pub(crate) update_author: AccountId,
    /// `{"type":"role","value":"..","identifier":".."}`, as it was written.
    pub(crate) visibility: Option<Arc<Value>>,
    /// Shown to a group or role the service account is not in.
    pub(crate) hidden: bool,
    pub(crate) properties: BTreeMap<String, Value>,
}

impl Comment {
    /// A comment that everybody sees.
    pub(crate) fn new(id: u64, author: AccountId, body: Text, at: DateTime<Utc>) -> Self {
        let (visibility, properties) = (None, BTreeMap::new());
        let update_author = author.clone();
        Self { id, author, body, created: at, updated: at, update_author, visibility, hidden: false, properties }
    }
}

/// Time somebody spent on an issue.
#[derive(Clone, Debug)]
pub(crate) struct Worklog {
    pub(crate) id: u64,
    pub(crate) author: AccountId,
    pub(crate) update_author: AccountId,
    pub(crate) comment: Option<Text>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) updated: DateTime<Utc>,
    pub(crate) started: DateTime<Utc>,
    pub(crate) seconds: u64,
}

/// A link to something outside Jira; the global id, where there is one, is unique within the issue.
#[derive(Clone, Debug)]
pub(crate) struct RemoteLink {
    pub(crate) id: u64,
    pub(crate) global_id: Option<String>,
    pub(crate) relationship: Option<String>,
    pub(crate) application: Arc<Value>,
    /// `{"url":"..","title":"..",..}`, as it was written.
    pub(crate) object: Arc<Value>,
}

/// One entry of the changelog.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) id: u64,
    pub(crate) author: AccountId,
    pub(crate) created: DateTime<Utc>,
    pub(crate) items: Vec<Change>,
    /// What whoever changed it said of the change.
    pub(crate) metadata: Option<Arc<Value>>,
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
            environment: None,
            severity: None,
            fix_versions: Vec::new(),
            affects_versions: Vec::new(),
            components: Vec::new(),
            parent: None,
            id,
            project: 0,
            key,
            creator: reporter.clone(),
            reporter,
            created,
            updated: created,
            category_changed: created,
            resolved: None,
            comments: Vec::new(),
            histories: Vec::new(),
            links: Vec::new(),
            subtasks: Vec::new(),
            worklogs: Vec::new(),
            remote_links: Vec::new(),
            properties: BTreeMap::new(),
            metadata: None,
            hidden: false,
            archived: false,
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

    /// Comments the service account sees, oldest first.
    pub(crate) fn seen_comments(&self) -> Vec<&Comment> {
        self.comments.iter().filter(|comment| !comment.hidden).collect()
    }

    /// The number behind the dash of the key.
    pub(crate) fn number(&self) -> u64 {
        self.key.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
    }

    /// Writes down that the public fields differ from `before`: history, times and resolution.
    /// Nothing happens when they do not; then the answer is false.
    pub(crate) fn record(&mut self, before: &Self, id: u64, author: &AccountId, now: DateTime<Utc>) -> bool {
        let metadata = self.metadata.take();
        let items = changes::between(before, self);
        if items.is_empty() {
            return false;
        }
        if before.status.category().0 != self.status.category().0 {
            self.category_changed = now;
            self.resolved = (self.status == Status::Done).then_some(now);
        }
        self.updated = now;
        self.histories.push(History { id, author: author.clone(), created: now, items, metadata });
        true
    }
}
