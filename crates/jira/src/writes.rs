//! Changes that are made in Jira: created, edited, moved on, commented, linked, assigned, removed.
//!
//! Jira makes no write happen just once, so each is sent again only when it surely did not happen; otherwise the answer is
//! [`Error::Unknown`], and the operation's [`Mark`] finds out. Texts that Jira would refuse for their length are not sent.

mod comment;
mod create;
mod marks;
mod property;
mod text;
mod transition;

use domain::{AccountId, CommentId, IssueId, RawJson};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Client, Error, budget::Verb, request::Request};

pub use comment::NewComment;
pub use create::{NewIssue, Visible};
pub use marks::Mark;
pub use transition::{Landed, NewTransition};

/// How it is found out whether an issue was changed.
const READ_AGAIN: &str = "to find out, look for the operation's mark in the issue's changelog";

/// Fields of an issue with their new values, by their ids.
pub type FieldValues = [(String, RawJson)];

/// Whose an issue is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignee {
    /// This account's.
    Account(AccountId),
    /// Whoever the project names.
    Default,
    /// Nobody's.
    Nobody,
}

impl Client {
    /// Sets fields of an issue to these values, all or none of them. The changelog keeps the operation's mark beside what
    /// was changed; where nothing was, there is no entry.
    pub async fn edit(&self, issue: IssueId, fields: &FieldValues, mark: Option<&Mark>) -> Result<(), Error> {
        text::check(fields)?;
        let set = fields.iter().map(|(name, value)| (name.as_str(), [Set { set: value }]));
        let body = Edit { update: set.collect(), history_metadata: mark.map(Mark::beside_history) };
        let url = self.at(&format!("/rest/api/3/issue/{issue}"));
        let request = Request::once(Verb::Put, url, "/issue/{id}", READ_AGAIN).on(issue).saying(&body)?;
        self.send(request).await.map(|_| ())
    }

    /// Gives an issue to somebody.
    pub async fn assign(&self, issue: IssueId, assignee: &Assignee) -> Result<(), Error> {
        let account = match assignee {
            Assignee::Account(account) => Value::from(account.0.as_str()),
            Assignee::Default => Value::from("-1"),
            Assignee::Nobody => Value::Null,
        };
        let url = self.at(&format!("/rest/api/3/issue/{issue}/assignee"));
        let request = Request::once(Verb::Put, url, "/issue/{id}/assignee", READ_AGAIN).on(issue);
        self.send(request.saying(&json!({ "accountId": account }))?).await.map(|_| ())
    }

    /// Links two issues: `inward` is what is blocked by `outward`, for a link that blocks. A link that is there already stays
    /// one link.
    pub async fn link(&self, kind: i64, inward: IssueId, outward: IssueId) -> Result<(), Error> {
        let end = |id: IssueId| json!({ "id": id.to_string() });
        let body = json!({
            "type": { "id": kind.to_string() },
            "inwardIssue": end(inward),
            "outwardIssue": end(outward),
        });
        let settle = "to find out, read the links of either issue";
        let request = Request::once(Verb::Post, self.at("/rest/api/3/issueLink"), "/issueLink", settle);
        self.send(request.on(outward).saying(&body)?).await.map(|_| ())
    }

    /// Removes a link. One that is gone is removed.
    pub async fn delete_link(&self, link: i64) -> Result<(), Error> {
        let request = Request::get(self.at(&format!("/rest/api/3/issueLink/{link}")), "/issueLink/{id}");
        gone(self.send(request.deleting()).await.map(|_| ()))
    }

    /// Removes a comment. One that is gone is removed; so it seems with one that the account may not see.
    pub async fn delete_comment(&self, issue: IssueId, comment: CommentId) -> Result<(), Error> {
        let url = self.at(&format!("/rest/api/3/issue/{issue}/comment/{comment}"));
        gone(self.send(Request::get(url, "/issue/{id}/comment/{id}").deleting()).await.map(|_| ()))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edit<'a> {
    update: std::collections::BTreeMap<&'a str, [Set<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_metadata: Option<Value>,
}

#[derive(Serialize)]
struct Set<'a> {
    set: &'a RawJson,
}

/// What is removed already need not be removed.
fn gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.is_absence() => Ok(()),
        result => result,
    }
}
