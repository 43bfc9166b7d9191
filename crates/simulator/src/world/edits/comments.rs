//! Comments: written, changed, removed, and hidden from the service account.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::EditError;
use crate::webhooks::payload::Event;
use crate::world::issue::{Comment, Issue};
use crate::world::text::Text;
use crate::world::{By, World};

impl World {
    /// Adds a comment and answers its id. Jira sends `comment_created` for it and no `jira:issue_updated`.
    pub fn comment(&self, id_or_key: &str, text: impl Into<Text>) -> Result<u64, EditError> {
        let text = text.into();
        self.comment_as(By::Someone, id_or_key, |comment| comment.body = text)
    }

    pub(crate) fn comment_as(
        &self,
        by: By,
        id_or_key: &str,
        fill: impl FnOnce(&mut Comment),
    ) -> Result<u64, EditError> {
        let mut state = self.write_as(by);
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        if after.comments.len() >= self.config.issue_limits.comments {
            return Err(EditError::Full("comments"));
        }
        let now = state.after(&after, self.now());
        let id = state.next.comment;
        state.next.comment += 1;
        let mut comment = Comment::new(id, state.editor(id), Text::Written(String::new()), now);
        fill(&mut comment);
        after.comments.push(comment);
        after.updated = now;
        let issue = state.keep(self, after);
        self.tell(&state, &Event::comment("comment_created", &issue, issue.comments.last()));
        Ok(id)
    }

    /// Replaces the text of a comment.
    pub fn edit_comment(&self, id_or_key: &str, comment: u64, text: impl Into<Text>) -> Result<(), EditError> {
        let text = text.into();
        self.edit_comment_as(By::Someone, id_or_key, comment, |comment| comment.body = text)
    }

    pub(crate) fn edit_comment_as(
        &self,
        by: By,
        id_or_key: &str,
        comment: u64,
        change: impl FnOnce(&mut Comment),
    ) -> Result<(), EditError> {
        let mut state = self.write_as(by);
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        let now = state.after(&after, self.now());
        let place = after.comments.iter().position(|it| it.id == comment);
        let place = place.ok_or(EditError::NoSuchComment(comment))?;
        change(&mut after.comments[place]);
        after.comments[place].updated = now;
        after.comments[place].update_author = state.editor(comment);
        after.updated = now;
        let issue = state.keep(self, after);
        self.tell(&state, &Event::comment("comment_updated", &issue, issue.comments.get(place)));
        Ok(())
    }

    /// Removes a comment.
    pub fn delete_comment(&self, id_or_key: &str, comment: u64) -> Result<(), EditError> {
        self.delete_comment_as(By::Someone, id_or_key, comment)
    }

    pub(crate) fn delete_comment_as(&self, by: By, id_or_key: &str, comment: u64) -> Result<(), EditError> {
        let mut state = self.write_as(by);
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        let place = after.comments.iter().position(|it| it.id == comment);
        let gone = after.comments.remove(place.ok_or(EditError::NoSuchComment(comment))?);
        after.updated = state.after(&after, self.now());
        let issue = state.keep(self, after);
        self.tell(&state, &Event::comment("comment_deleted", &issue, Some(&gone)));
        Ok(())
    }

    /// Restricts a comment to a role the service account is not in: it no longer sees it, and totals shrink.
    pub fn hide_comment(&self, id_or_key: &str, comment: u64) -> Result<(), EditError> {
        self.alter(id_or_key, |issue| {
            for it in issue.comments.iter_mut().filter(|it| it.id == comment) {
                it.hidden = true;
            }
        })
    }
}

impl Comment {
    /// What a request sets on a comment; properties it does not name stay.
    pub(crate) fn write(&mut self, body: Text, visibility: Option<Value>, properties: BTreeMap<String, Value>) {
        self.body = body;
        self.visibility = visibility.map(Arc::new).or_else(|| self.visibility.take());
        self.properties.extend(properties);
    }
}
