//! Projects, people and the small objects that repeat inside every issue, written out once per API version.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::catalogue::{IssueType, Priority, Status};
use super::issue::AccountId;

/// A project of the site.
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) lead: AccountId,
    /// The number its next issue gets.
    pub(crate) next_number: u64,
    /// Keys it had before; they keep resolving.
    pub(crate) former_keys: Vec<String>,
    pub(crate) life: Life,
    /// When it was archived or thrown away.
    pub(crate) ended: Option<DateTime<Utc>>,
    /// The service account lost the permission to browse it.
    pub(crate) denied: bool,
}

/// Where a project is in its life; only live ones have readable issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Live,
    Archived,
    Trashed,
}

impl Project {
    /// Whether the service account can read its issues.
    pub(crate) fn is_readable(&self) -> bool {
        self.life == Life::Live && !self.denied
    }
}

/// An account.
pub(crate) struct Person {
    pub(crate) account_id: AccountId,
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    /// `atlassian` or `app`; `unknown` once the person is forgotten.
    pub(crate) kind: &'static str,
    pub(crate) active: bool,
    pub(crate) zone: Option<Tz>,
}

/// Whom something is written for: v3 has ADF documents, v2 wiki strings, webhooks these and some links of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    V2,
    V3,
    Webhook,
}

impl Shape {
    /// `https://<site>.atlassian.net/rest/api/<n>`, for a site at this origin.
    pub(crate) fn base(self, origin: &str) -> String {
        let version = if self == Self::V3 { 3 } else { 2 };
        format!("{origin}/rest/api/{version}")
    }
}

/// The repeated objects as finished JSON: copying text is cheaper than building trees.
pub(crate) struct Cards {
    v2: Deck,
    v3: Deck,
}

/// The cards of one API version.
pub(crate) struct Deck {
    pub(crate) base: String,
    people: HashMap<AccountId, Box<RawValue>>,
    statuses: Vec<Box<RawValue>>,
    priorities: Vec<Box<RawValue>>,
    types: Vec<Box<RawValue>>,
    projects: Vec<Box<RawValue>>,
}

impl Cards {
    pub(crate) fn new(origin: &str, people: &[Person], projects: &[Project]) -> Self {
        let deck = |shape: Shape| Deck::new(&shape.base(origin), people, projects);
        Self { v2: deck(Shape::V2), v3: deck(Shape::V3) }
    }

    pub(crate) fn of(&self, shape: Shape) -> &Deck {
        if shape == Shape::V3 { &self.v3 } else { &self.v2 }
    }
}

impl Deck {
    fn new(base: &str, people: &[Person], projects: &[Project]) -> Self {
        Self {
            base: base.to_owned(),
            people: people.iter().map(|person| (person.account_id.clone(), raw(&in_issue(base, person)))).collect(),
            statuses: Status::ALL.map(|status| raw(&status_json(base, status))).into(),
            priorities: Priority::ALL.map(|priority| raw(&priority_json(base, priority))).into(),
            types: IssueType::ALL.map(|kind| raw(&type_json(base, kind))).into(),
            projects: projects.iter().map(|project| raw(&project_json(base, project))).collect(),
        }
    }

    /// `None` for an account that is not of this site.
    pub(crate) fn person(&self, account: &str) -> Option<&RawValue> {
        self.people.get(account).map(AsRef::as_ref)
    }

    pub(crate) fn status(&self, status: Status) -> Option<&RawValue> {
        self.statuses.get(status as usize).map(AsRef::as_ref)
    }

    pub(crate) fn priority(&self, priority: Priority) -> Option<&RawValue> {
        self.priorities.get(priority as usize).map(AsRef::as_ref)
    }

    pub(crate) fn issue_type(&self, kind: IssueType) -> Option<&RawValue> {
        self.types.get(kind as usize).map(AsRef::as_ref)
    }

    pub(crate) fn project(&self, place: usize) -> Option<&RawValue> {
        self.projects.get(place).map(AsRef::as_ref)
    }
}

/// A user as `/users/search` and `/myself` show one: with mail address (where known) and locale.
pub(crate) fn profile(base: &str, person: &Person) -> Value {
    let mut user = in_issue(base, person);
    if let (Some(fields), Some(email)) = (user.as_object_mut(), &person.email) {
        fields.insert("emailAddress".into(), json!(email));
        fields.insert("locale".into(), json!("en_US"));
    }
    user
}

pub(crate) fn in_issue(base: &str, person: &Person) -> Value {
    let mut user = json!({
        "self": format!("{base}/user?accountId={}", person.account_id),
        "accountId": &*person.account_id,
        "accountType": person.kind,
        "displayName": person.name,
        "active": person.active,
        "avatarUrls": {"48x48": format!("https://avatars.example.com/{}/48", person.account_id),
                       "16x16": format!("https://avatars.example.com/{}/16", person.account_id)},
    });
    if let (Some(fields), Some(zone)) = (user.as_object_mut(), person.zone) {
        fields.insert("timeZone".into(), json!(zone.name()));
    }
    user
}

pub(crate) fn status_json(base: &str, status: Status) -> Value {
    let (id, key, color, name) = status.category();
    json!({
        "self": format!("{base}/status/{}", status.id()), "id": status.id(), "name": status.name(), "description": "",
        "iconUrl": "https://icons.example.com/status.png",
        "statusCategory": {"self": format!("{base}/statuscategory/{id}"), "id": id, "key": key,
                           "colorName": color, "name": name},
    })
}

pub(crate) fn priority_json(base: &str, priority: Priority) -> Value {
    json!({
        "self": format!("{base}/priority/{}", priority.id()), "id": priority.id(), "name": priority.name(),
        "iconUrl": "https://icons.example.com/priority.svg",
    })
}

pub(crate) fn type_json(base: &str, kind: IssueType) -> Value {
    json!({
        "self": format!("{base}/issuetype/{}", kind.id()), "id": kind.id(), "name": kind.name(), "description": "",
        "iconUrl": "https://icons.example.com/type.svg", "avatarId": 10315,
        "subtask": kind == IssueType::Subtask, "hierarchyLevel": kind.level(),
    })
}

/// A project as it stands inside an issue, and at the core of `/project/search`.
pub(crate) fn project_json(base: &str, project: &Project) -> Value {
    json!({
        "self": format!("{base}/project/{}", project.id), "id": project.id, "key": project.key, "name": project.name,
        "projectTypeKey": "software", "simplified": false,
        "avatarUrls": {"48x48": format!("https://avatars.example.com/project/{}", project.id)},
    })
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a JSON tree of strings and numbers can always be written out")
}
