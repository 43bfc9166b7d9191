//! Webhook bodies, which are v2-shaped: wiki strings instead of documents, `/rest/api/2/` links (facts 6.4).

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::agenda::Flow;
use crate::config::Config;
use crate::world::State;
use crate::world::catalogue::Status;
use crate::world::issue::{Change, Comment, Issue, Link, Side};
use crate::world::people::Shape;
use crate::world::view::fields::Selection;
use crate::world::view::parts::{CommentView, ItemsView};
use crate::world::view::{Extent, IssueView, Lens};

/// What happened, as one webhook tells it.
pub(crate) struct Event<'a> {
    name: &'a str,
    /// `issue_event_type_name`, on created and updated.
    kind: Option<&'static str>,
    about: Subject<'a>,
    flow: Flow,
}

enum Subject<'a> {
    Issue(&'a Issue),
    Comment(&'a Issue, Option<&'a Comment>),
    /// The two ends by number, and no issue.
    Link(&'a Issue, &'a Link),
    Thing(Thing<'a>),
}

/// Something beside issues and comments.
pub(crate) struct Thing<'a> {
    /// What follows `timestamp` and `webhookEvent`.
    pub(crate) entries: Vec<(&'static str, Value)>,
    /// The issue that webhooks' filters look at.
    pub(crate) issue: Option<&'a Issue>,
    /// What addresses may name.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl<'a> Event<'a> {
    pub(crate) fn created(issue: &'a Issue) -> Self {
        Self::of("jira:issue_created", Some("issue_created"), Subject::Issue(issue))
    }

    /// Carries the newest entry of the issue's changelog.
    pub(crate) fn updated(issue: &'a Issue, kind: &'static str) -> Self {
        Self::of("jira:issue_updated", Some(kind), Subject::Issue(issue))
    }

    pub(crate) fn deleted(issue: &'a Issue) -> Self {
        Self::of("jira:issue_deleted", None, Subject::Issue(issue))
    }

    pub(crate) fn comment(name: &'static str, issue: &'a Issue, comment: Option<&'a Comment>) -> Self {
        Self::of(name, None, Subject::Comment(issue, comment))
    }

    pub(crate) fn unlinked(issue: &'a Issue, link: &'a Link) -> Self {
        Self::of("issuelink_deleted", None, Subject::Link(issue, link))
    }

    pub(crate) fn thing(name: &'a str, thing: Thing<'a>) -> Self {
        Self::of(name, None, Subject::Thing(thing))
    }

    fn of(name: &'a str, kind: Option<&'static str>, about: Subject<'a>) -> Self {
        Self { name, kind, about, flow: Flow::Primary }
    }

    /// The same as fallout of something else, such as the end of an issue's comments with the issue.
    pub(crate) fn fallout(self) -> Self {
        Self { flow: Flow::Secondary, ..self }
    }

    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// What a bulk operation did is less urgent than what a person did.
    pub(super) fn flow(&self, site: &State) -> Flow {
        if self.issue().is_some_and(|issue| site.index.is_in_bulk(issue.id)) { Flow::Secondary } else { self.flow }
    }

    fn issue(&self) -> Option<&'a Issue> {
        match &self.about {
            Subject::Issue(issue) | Subject::Comment(issue, _) | Subject::Link(issue, _) => Some(issue),
            Subject::Thing(thing) => thing.issue,
        }
    }

    /// The issue a webhook's filter is asked about; links and everything beside issues are told whatever the filter.
    pub(super) fn filtered_issue(&self) -> Option<&'a Issue> {
        self.issue().filter(|_| !matches!(self.about, Subject::Link(..)))
    }

    /// Whether an update changed one of these fields; other events pass.
    pub(super) fn changes(&self, fields: &[String]) -> bool {
        let Subject::Issue(issue) = self.about else { return true };
        if self.name != "jira:issue_updated" {
            return true;
        }
        let items = issue.histories.last().map(|history| history.items.as_slice()).unwrap_or_default();
        items.iter().any(|item| fields.iter().any(|field| item.field_id == Some(field)))
    }

    /// What `{issue.key}` and the like stand for in an address.
    pub(super) fn variables(&self, site: &State) -> Vec<(&'static str, String)> {
        let mut all = match &self.about {
            Subject::Thing(thing) => thing.variables.clone(),
            _ => Vec::new(),
        };
        if let Some(issue) = self.issue() {
            all.extend([("issue.id", issue.id.to_string()), ("issue.key", issue.key.clone())]);
            if let Some(project) = site.projects.get(issue.project) {
                all.extend([("project.id", project.id.clone()), ("project.key", project.key.clone())]);
            }
        }
        all
    }
}

/// The `issue_event_type_name` of an edit.
pub(crate) fn kind_of_edit(before: &Issue, after: &Issue) -> &'static str {
    if before.status != after.status {
        "issue_generic"
    } else if before.assignee != after.assignee {
        "issue_assigned"
    } else {
        "issue_updated"
    }
}

/// The body of an event at a moment, as the site stands now; for an app, with the ids of the webhooks it matched.
pub(super) fn body(state: &State, config: &Config, event: &Event<'_>, (at, ids): (DateTime<Utc>, &[u64])) -> Bytes {
    let lens = Lens::new(state, config, Shape::Webhook);
    let body = serde_json::to_vec(&Body { lens, event, at, ids, cap: config.embedded_comment_cap });
    body.expect("records of strings and numbers can always be written out").into()
}

struct Body<'a> {
    lens: Lens<'a>,
    event: &'a Event<'a>,
    at: DateTime<Utc>,
    ids: &'a [u64],
    cap: usize,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.at.timestamp_millis())?;
        map.serialize_entry("webhookEvent", self.event.name)?;
        match &self.event.about {
            Subject::Issue(issue) => self.about_issue(issue, &mut map)?,
            Subject::Comment(issue, comment) => self.about_comment(issue, *comment, &mut map)?,
            Subject::Link(issue, link) => map.serialize_entry("issueLink", &ends(issue, link))?,
            Subject::Thing(thing) => {
                for (name, value) in &thing.entries {
                    map.serialize_entry(name, value)?;
                }
            }
        }
        if !self.ids.is_empty() {
            map.serialize_entry("matchedWebhookIds", self.ids)?;
        }
        map.end()
    }
}

/// A link by the numbers of its ends.
fn ends(issue: &Issue, link: &Link) -> Value {
    let (source, destination) = match link.side {
        Side::Outward => (issue.id, link.other),
        Side::Inward => (link.other, issue.id),
    };
    let (id, name, inward, outward) = link.kind.words();
    let kind = json!({
        "id": id.parse::<u64>().unwrap_or(0), "name": name, "outwardName": outward, "inwardName": inward,
        "isSubTaskLinkType": false, "isSystemLinkType": false,
    });
    json!({
        "id": link.id, "sourceIssueId": source, "destinationIssueId": destination, "issueLinkType": kind,
        "systemLink": false,
    })
}

impl Body<'_> {
    /// A comment event holds six fields of the issue and no user; merging it as a whole issue would erase the rest.
    fn about_comment<M: SerializeMap>(
        &self,
        issue: &Issue,
        comment: Option<&Comment>,
        map: &mut M,
    ) -> Result<(), M::Error> {
        let fields = ["summary", "issuetype", "project", "assignee", "priority", "status"].map(String::from);
        map.serialize_entry("eventType", "primaryAction")?;
        if let Some(comment) = comment {
            map.serialize_entry("comment", &CommentView { lens: self.lens, issue: issue.id, comment })?;
        }
        self.issue(issue, &Selection::parse(&fields, "*all"), map)
    }

    fn about_issue<M: SerializeMap>(&self, issue: &Issue, map: &mut M) -> Result<(), M::Error> {
        let newest = issue.histories.last();
        let by = newest.filter(|_| self.event.name == "jira:issue_updated").map_or(&issue.reporter, |it| &it.author);
        map.serialize_entry("user", &self.lens.person(self.lens.state.actor().unwrap_or(by)))?;
        self.issue(issue, &Selection::all(), map)?;
        if self.lens.state.index.is_in_bulk(issue.id) {
            map.serialize_entry("bulkOperationMetaData", &json!({"sendMail": false}))?;
        }
        let Some(kind) = self.event.kind else { return Ok(()) };
        map.serialize_entry("issue_event_type_name", kind)?;
        match newest {
            Some(history) => self.changelog(history.id, &history.items, map),
            None => self.changelog(issue.id, &first_values(issue), map),
        }
    }

    fn issue<M: SerializeMap>(&self, issue: &Issue, fields: &Selection, map: &mut M) -> Result<(), M::Error> {
        let extent = Extent { fields, comments: self.cap, histories: None };
        map.serialize_entry("issue", &IssueView { lens: self.lens, issue, extent: &extent })
    }

    fn changelog<M: SerializeMap>(&self, id: u64, items: &[Change], map: &mut M) -> Result<(), M::Error> {
        let items = serde_json::to_value(ItemsView { lens: self.lens, items }).unwrap_or_default();
        map.serialize_entry("changelog", &json!({"id": id.to_string(), "items": items}))
    }
}

/// A new issue's webhook lists its first values as changes from nothing.
fn first_values(issue: &Issue) -> Vec<Change> {
    let from_nothing = |field: &'static str, to: Option<String>, to_text: String| Change {
        field,
        field_id: Some(field),
        from: None,
        from_text: None,
        to: to.map(Into::into),
        to_text: Some(to_text.into()),
    };
    vec![
        from_nothing("summary", None, issue.summary.clone()),
        from_nothing("status", Some(Status::ToDo.id().into()), Status::ToDo.name().into()),
        from_nothing("reporter", Some(issue.reporter.to_string()), issue.reporter.to_string()),
    ]
}
