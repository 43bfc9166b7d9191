//! Webhook bodies, which are v2-shaped: wiki strings instead of documents, `/rest/api/2/` links (facts 6.4).

use chrono::{DateTime, Utc};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use super::Delivery;
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
    name: &'static str,
    /// `issue_event_type_name`, on created and updated.
    kind: Option<&'static str>,
    issue: &'a Issue,
    comment: Option<&'a Comment>,
    link: Option<&'a Link>,
}

impl<'a> Event<'a> {
    pub(crate) fn created(issue: &'a Issue) -> Self {
        Self { name: "jira:issue_created", kind: Some("issue_created"), issue, comment: None, link: None }
    }

    /// Carries the newest entry of the issue's changelog.
    pub(crate) fn updated(issue: &'a Issue, kind: &'static str) -> Self {
        Self { name: "jira:issue_updated", kind: Some(kind), issue, comment: None, link: None }
    }

    pub(crate) fn deleted(issue: &'a Issue) -> Self {
        Self { name: "jira:issue_deleted", kind: None, issue, comment: None, link: None }
    }

    pub(crate) fn comment(name: &'static str, issue: &'a Issue, comment: Option<&'a Comment>) -> Self {
        Self { name, kind: None, issue, comment, link: None }
    }

    /// Names the two ends by number and holds no issue (facts 6.4).
    pub(crate) fn unlinked(issue: &'a Issue, link: &'a Link) -> Self {
        Self { name: "issuelink_deleted", kind: None, issue, comment: None, link: Some(link) }
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

/// The webhook for an event, as the site stands now.
pub(crate) fn delivery(state: &State, config: &Config, event: &Event<'_>, at: DateTime<Utc>) -> Delivery {
    let lens = Lens::new(state, config, Shape::V2);
    let body = serde_json::to_vec(&Body { lens, event, at, cap: config.embedded_comment_cap });
    Delivery {
        identifier: format!("{:032x}", rand::random::<u128>()),
        event: event.name,
        body: body.expect("records of strings and numbers can always be written out").into(),
    }
}

struct Body<'a> {
    lens: Lens<'a>,
    event: &'a Event<'a>,
    at: DateTime<Utc>,
    cap: usize,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.at.timestamp_millis())?;
        map.serialize_entry("webhookEvent", self.event.name)?;
        match (self.event.comment, self.event.link) {
            (Some(comment), _) => self.about_comment(comment, &mut map)?,
            (None, Some(link)) => self.about_link(link, &mut map)?,
            (None, None) => self.about_issue(&mut map)?,
        }
        map.end()
    }
}

impl Body<'_> {
    /// A comment event holds six fields of the issue and no user; merging it as a whole issue would erase the rest.
    fn about_comment<M: SerializeMap>(&self, comment: &Comment, map: &mut M) -> Result<(), M::Error> {
        let fields = ["summary", "issuetype", "project", "assignee", "priority", "status"].map(String::from);
        map.serialize_entry("eventType", "primaryAction")?;
        map.serialize_entry("comment", &CommentView { lens: self.lens, issue: self.event.issue.id, comment })?;
        self.issue(&Selection::parse(&fields, "*all"), map)
    }

    fn about_link<M: SerializeMap>(&self, link: &Link, map: &mut M) -> Result<(), M::Error> {
        let (source, destination) = match link.side {
            Side::Outward => (self.event.issue.id, link.other),
            Side::Inward => (link.other, self.event.issue.id),
        };
        let ends =
            json!({"id": link.id, "sourceIssueId": source, "destinationIssueId": destination, "systemLink": false});
        map.serialize_entry("issueLink", &ends)
    }

    fn about_issue<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let issue = self.event.issue;
        let newest = issue.histories.last();
        let by = newest.filter(|_| self.event.name == "jira:issue_updated").map_or(&issue.reporter, |it| &it.author);
        map.serialize_entry("user", &self.lens.person(self.lens.state.actor().unwrap_or(by)))?;
        self.issue(&Selection::all(), map)?;
        let Some(kind) = self.event.kind else { return Ok(()) };
        map.serialize_entry("issue_event_type_name", kind)?;
        match newest {
            Some(history) => self.changelog(history.id, &history.items, map),
            None => self.changelog(issue.id, &first_values(issue), map),
        }
    }

    fn issue<M: SerializeMap>(&self, fields: &Selection, map: &mut M) -> Result<(), M::Error> {
        let extent = Extent { fields, comments: self.cap, histories: None };
        map.serialize_entry("issue", &IssueView { lens: self.lens, issue: self.event.issue, extent: &extent })
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
