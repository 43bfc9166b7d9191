//! Other issues inside an issue: its parent, its sub-tasks, and the far ends of its links.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::Lens;
use crate::world::issue::{Issue, Link, Side};

/// Another issue as a parent, sub-task or link shows it.
pub(crate) struct Mini<'a> {
    lens: Lens<'a>,
    issue: &'a Issue,
}

impl<'a> Mini<'a> {
    /// `None` when the caller cannot see that issue.
    pub(crate) fn of(lens: Lens<'a>, id: u64) -> Option<Self> {
        let issue = lens.state.issues.get(&id).filter(|issue| lens.state.sees(issue))?;
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
