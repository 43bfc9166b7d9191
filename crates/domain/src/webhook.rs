//! What a webhook tells: which issues to look at again, and nothing else.
//!
//! Payloads are v2-shaped, partial and unordered, so their contents are never believed; only ids are taken from them.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{IssueId, SprintId};

/// What Jira says has happened, as far as we care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    /// Something about these issues changed: look again.
    IssuesTouched {
        /// One, or the two ends of a link.
        issues: Vec<IssueId>,
    },
    /// A sprint began, ended or was changed; its issues tell nothing of it.
    SprintTouched {
        /// Which.
        sprint: SprintId,
    },
    /// A project, a person or a version changed: read the directory again.
    DirectoryTouched,
    /// Nothing that the mirror holds. Jira's set of events is open, so this is no error.
    Ignored,
}

/// A body that is not a webhook of Jira's.
#[derive(Debug, thiserror::Error)]
pub enum WebhookUnreadable {
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object")]
    NotJson,
}

/// The members we know, unread: one of another type than we expect counts as absent and spoils no other.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "webhookEvent", borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    issue: Option<&'a RawValue>,
    #[serde(borrow, default)]
    comment: Option<&'a RawValue>,
    #[serde(borrow, default)]
    worklog: Option<&'a RawValue>,
    #[serde(rename = "issueLink", borrow, default)]
    link: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sprint: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default, deserialize_with = "lenient_id")]
    id: Option<i64>,
}

#[derive(Deserialize)]
struct Belongs {
    #[serde(rename = "issueId", default, deserialize_with = "lenient_id")]
    issue: Option<i64>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(rename = "sourceIssueId", default, deserialize_with = "lenient_id")]
    source: Option<i64>,
    #[serde(rename = "destinationIssueId", default, deserialize_with = "lenient_id")]
    destination: Option<i64>,
}

/// Jira writes ids as texts in issues and as numbers in links and worklogs; anything else is none.
fn lenient_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(match serde_json::Value::deserialize(from)? {
        serde_json::Value::Number(number) => number.as_i64(),
        serde_json::Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

impl WebhookEvent {
    /// Reads a webhook's body.
    pub fn parse(body: &[u8]) -> Result<Self, WebhookUnreadable> {
        // A struct is also read from an array, of which Jira sends none.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(WebhookUnreadable::NotJson);
        }
        let body: Body<'_> = serde_json::from_slice(body).map_err(|_| WebhookUnreadable::NotJson)?;
        let Some(event) = body.event.and_then(|event| serde_json::from_str::<String>(event.get()).ok()) else {
            return Ok(Self::Ignored);
        };
        if is_about_issues(&event) {
            let issues = body.issues();
            return Ok(if issues.is_empty() { Self::Ignored } else { Self::IssuesTouched { issues } });
        }
        if event.starts_with("sprint_") {
            let sprint = object::<Subject>(body.sprint).and_then(|sprint| sprint.id).filter(|id| *id > 0);
            return Ok(sprint.map_or(Self::Ignored, |id| Self::SprintTouched { sprint: SprintId(id) }));
        }
        Ok(if is_about_directory(&event) { Self::DirectoryTouched } else { Self::Ignored })
    }
}

/// A member that is an object of the shape we know.
fn object<T: DeserializeOwned>(member: Option<&RawValue>) -> Option<T> {
    let text = member.map(RawValue::get).filter(|text| text.starts_with('{'))?;
    serde_json::from_str(text).ok()
}

impl Body<'_> {
    fn issues(&self) -> Vec<IssueId> {
        let link = object::<Link>(self.link).into_iter().flat_map(|link| [link.source, link.destination]);
        let mut ids: Vec<IssueId> = [
            object::<Subject>(self.issue).and_then(|issue| issue.id),
            object::<Belongs>(self.comment).and_then(|comment| comment.issue),
            object::<Belongs>(self.worklog).and_then(|worklog| worklog.issue),
        ]
        .into_iter()
        .chain(link)
        .flatten()
        .filter(|id| *id > 0)
        .map(IssueId)
        .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

fn is_about_issues(event: &str) -> bool {
    ["jira:issue_", "comment_", "worklog_", "issuelink_", "attachment_", "issue_property_"]
        .iter()
        .any(|prefix| event.starts_with(prefix))
}

fn is_about_directory(event: &str) -> bool {
    ["project_", "user_", "jira:version_", "issuetype_"].iter().any(|prefix| event.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> WebhookEvent {
        WebhookEvent::parse(body.as_bytes()).expect("a JSON object")
    }

    fn touched(ids: &[i64]) -> WebhookEvent {
        WebhookEvent::IssuesTouched { issues: ids.iter().copied().map(IssueId).collect() }
    }

    #[test]
    fn issue_events_name_their_issues() {
        let issue = r#"{"webhookEvent":"jira:issue_updated","issue":{"id":"99291","key":"A-2"},"timestamp":1}"#;
        assert_eq!(parse(issue), touched(&[99291]));
        assert_eq!(parse(r#"{"webhookEvent":"comment_created","issue":{"id":7}}"#), touched(&[7]));
        assert_eq!(parse(r#"{"webhookEvent":"worklog_updated","worklog":{"issueId":"8"}}"#), touched(&[8]));
        let link = r#"{"webhookEvent":"issuelink_created","issueLink":{"sourceIssueId":5,"destinationIssueId":3}}"#;
        assert_eq!(parse(link), touched(&[3, 5]));
    }

    #[test]
    fn the_rest_is_directory_or_ignored() {
        assert_eq!(parse(r#"{"webhookEvent":"project_updated","project":{"id":1}}"#), WebhookEvent::DirectoryTouched);
        let sprint = r#"{"webhookEvent":"sprint_closed","sprint":{"id":38,"state":"closed"}}"#;
        assert_eq!(parse(sprint), WebhookEvent::SprintTouched { sprint: SprintId(38) });
        for body in [
            "{}",
            r#"{"webhookEvent":"sprint_closed"}"#,
            r#"{"webhookEvent":"board_created"}"#,
            r#"{"webhookEvent":"jira:issue_updated"}"#,
            r#"{"webhookEvent":"jira:issue_updated","issue":{"id":{"odd":1}}}"#,
            r#"{"webhookEvent":"jira:issue_updated","issue":{"id":"-4"}}"#,
            r#"{"webhookEvent":"jira:issue_updated","issue":"ABC-1"}"#,
            r#"{"webhookEvent":"jira:issue_updated","issue":["7"]}"#,
            r#"{"webhookEvent":"jira:issue_updated","issue":null,"comment":"x","worklog":3,"issueLink":[1]}"#,
            r#"{"webhookEvent":5,"issue":{"id":7}}"#,
            r#"{"webhookEvent":null}"#,
        ] {
            assert_eq!(parse(body), WebhookEvent::Ignored, "{body}");
        }
    }

    #[test]
    fn a_member_of_another_type_spoils_no_other() {
        let odd = r#"{"webhookEvent":"comment_created","comment":"x","worklog":[],"issue":{"id":"7","fields":"odd"}}"#;
        assert_eq!(parse(odd), touched(&[7]));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for body in ["", "hello", "[]", "{\"webhookEvent\":", "\"text\""] {
            assert!(WebhookEvent::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
