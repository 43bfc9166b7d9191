//! The marks of operations: what is made carries the id of the operation that made it, so that one whose answer never came
//! can be found.

use domain::{CommentId, History, Invalid, IssueId, ProjectId};
use serde_json::{Value, json, value::RawValue};

use crate::{Client, Error, jql::Jql, meta::present, paging::Listing, reference::read, wire};

/// The property that carries it.
pub(super) const PROPERTY: &str = "jirafleet.operation";

/// The id of an operation, fit for a label: letters, digits and hyphens, 64 at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    /// Takes an operation's id.
    pub fn new(operation: &str) -> Result<Self, Invalid> {
        let fits = (1..=64).contains(&operation.len())
            && operation.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        fits.then(|| Self(operation.to_owned()))
            .ok_or_else(|| Invalid::new("an operation's id", "must be 1 to 64 letters, digits or hyphens"))
    }

    /// As a label that anybody can search for.
    pub fn label(&self) -> String {
        format!("op-{}", self.0)
    }

    /// As what the changelog keeps beside an entry.
    pub(super) fn beside_history(&self) -> Value {
        json!({ "type": PROPERTY, "extraData": { "op": self.0 } })
    }

    /// Whether this entry of a changelog tells of the operation.
    pub fn is_beside(&self, entry: &History) -> bool {
        mark_beside(entry).is_some_and(|op| op == self.0)
    }

    /// Whether this entry of a changelog tells of any operation of ours.
    pub fn any_beside(entry: &History) -> bool {
        mark_beside(entry).is_some()
    }

    /// As a property that nobody sees.
    pub(super) fn property(&self) -> Value {
        json!({ "key": PROPERTY, "value": { "op": self.0 } })
    }
}

fn mark_beside(entry: &History) -> Option<String> {
    let more: Value = entry.more.as_ref()?.read().ok()?;
    let beside = &more["historyMetadata"];
    (beside["type"] == PROPERTY).then(|| beside["extraData"]["op"].as_str().map(str::to_owned)).flatten()
}

impl Client {
    /// The issues of a project that carry this mark as a label: none, one, or more when a write was repeated. The search
    /// index may not know a fresh one yet: nothing found means nothing before some minutes have passed.
    pub async fn find_issues(&self, project: ProjectId, mark: &Mark) -> Result<Vec<IssueId>, Error> {
        self.search_ids(&Jql::project(project).labelled(mark).unordered()).await
    }

    /// The comments of an issue that carry this mark; `None` where the account may not see the issue.
    pub async fn find_comments(&self, issue: IssueId, mark: &Mark) -> Result<Option<Vec<CommentId>>, Error> {
        let Some(ids) = self.comment_ids(issue).await? else { return Ok(None) };
        let is_marked = |(key, value): &(String, domain::RawJson)| {
            let value: Option<Value> = value.read().ok();
            key == PROPERTY && value.is_some_and(|value| value["op"] == mark.0)
        };
        let comments = self.comments(&ids).await?.into_iter();
        let marked = comments.filter(|comment| comment.properties.iter().any(is_marked));
        Ok(Some(marked.map(|comment| comment.comment.id).collect()))
    }

    /// All comments of an issue, the newest first.
    pub(super) async fn comment_ids(&self, issue: IssueId) -> Result<Option<Vec<CommentId>>, Error> {
        let listing = Listing {
            route: "/issue/{id}/comment",
            path: &format!("/rest/api/3/issue/{issue}/comment"),
            parameters: &[("orderBy", "-created")],
            size: 100,
            lists: &["comments"],
        };
        let id = |raw: &RawValue| {
            let comment: wire::Reference = read(raw, "a comment")?;
            comment.id.map(CommentId).ok_or_else(|| Error::malformed("a comment without an id"))
        };
        present(self.all(&listing, id).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_fits_a_label() {
        assert_eq!(Mark::new("01J-x").expect("a mark").label(), "op-01J-x");
        for wrong in ["", "a b", "a\"b", "ä", &"a".repeat(65)] {
            assert!(Mark::new(wrong).is_err(), "{wrong}");
        }
    }
}
