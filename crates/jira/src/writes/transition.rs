//! Moving an issue to another status, perhaps with a comment.

use std::collections::BTreeMap;

use domain::{CommentId, IssueId, RawJson, plain_text};
use serde::Serialize;
use serde_json::Value;

use super::{FieldValues, Mark, NewComment, comment::Wire, text};
use crate::{Client, Error, budget::Verb, request::Request};

/// How many of the newest comments are looked through for the one that was sent along.
const NEWEST: usize = 20;

/// A transition to be made.
#[derive(Clone, Debug)]
pub struct NewTransition {
    /// The transition, as it is listed for the issue now.
    pub id: String,
    /// Fields of its screen.
    pub fields: Vec<(String, RawJson)>,
    /// A comment to go along.
    pub comment: Option<NewComment>,
    /// The operation that makes it: the changelog keeps it beside the move.
    pub mark: Option<Mark>,
}

/// What became of the comment that went along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landed {
    /// There was none.
    NoComment,
    /// It came with the transition.
    Along(CommentId),
    /// The transition's screen has no place for comments, and Jira dropped it without a word: it was made by itself.
    Apart(CommentId),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    transition: Id<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<&'a str, &'a RawJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<Update<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_metadata: Option<Value>,
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct Update<'a> {
    comment: [Add<'a>; 1],
}

#[derive(Serialize)]
struct Add<'a> {
    add: Wire<'a>,
}

impl Client {
    /// Moves an issue on. A comment that Jira dropped is made by itself. When it is that which fails, the issue has moved all
    /// the same: the error is about the comment.
    pub async fn transition(&self, issue: IssueId, new: &NewTransition) -> Result<Landed, Error> {
        let fields: &FieldValues = &new.fields;
        text::check(fields)?;
        let update = match &new.comment {
            Some(comment) => Some(Update { comment: [Add { add: comment.wire()? }] }),
            None => None,
        };
        let before = match &new.comment {
            Some(_) => self.newest(issue).await?,
            None => Vec::new(),
        };
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let settle = "to find out, look for the operation's mark in the issue's changelog and comments";
        let url = self.at(&format!("/rest/api/3/issue/{issue}/transitions"));
        let request = Request::once(Verb::Post, url, "/issue/{id}/transitions", settle).on(issue);
        let history_metadata = new.mark.as_ref().map(Mark::beside_history);
        let body = Body { transition: Id { id: &new.id }, fields, update, history_metadata };
        self.send(request.saying(&body)?).await?;
        let Some(comment) = &new.comment else { return Ok(Landed::NoComment) };
        match self.landed(issue, comment, &before).await? {
            Some(id) => Ok(Landed::Along(id)),
            None => self.comment(issue, comment).await.map(|comment| Landed::Apart(comment.id)),
        }
    }

    /// The comment among the newest ones, if it is there: one that was not there before, of our account, with these words.
    async fn landed(
        &self,
        issue: IssueId,
        sent: &NewComment,
        before: &[CommentId],
    ) -> Result<Option<CommentId>, Error> {
        let mut fresh = self.newest(issue).await?;
        fresh.retain(|id| !before.contains(id));
        let ours = self.known_account();
        let words = plain_text(&sent.body);
        let comments = self.comments(&fresh).await?.into_iter().map(|comment| comment.comment);
        let mut landed =
            comments.filter(|comment| comment.author.as_ref() == ours && plain_text(&comment.body) == words);
        Ok(landed.next().map(|comment| comment.id))
    }

    async fn newest(&self, issue: IssueId) -> Result<Vec<CommentId>, Error> {
        let mut ids = self.comment_ids(issue).await?.unwrap_or_default();
        ids.truncate(NEWEST);
        Ok(ids)
    }
}
