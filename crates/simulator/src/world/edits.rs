//! What a script can do to the site. Each call changes the store at once, the search index later, and sends the
//! webhook Jira would send.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rand::prelude::*;

use super::catalogue::IssueType;
use super::issue::{AccountId, Change, Comment, History, Issue};
use super::text::Text;
use super::{State, World};
use crate::webhooks::payload::{self, Event};

/// Why a script's wish could not be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// No issue has this id or key.
    #[error("the simulated site has no issue {0}: use a key from World::issue_keys")]
    NoSuchIssue(String),
    /// No project has this id or key.
    #[error("the simulated site has no project {0}: use a key from World::project_keys")]
    NoSuchProject(String),
    /// The issue has no such comment.
    #[error("the issue has no comment {0}: use the id World::comment returned")]
    NoSuchComment(u64),
}

impl World {
    /// Changes an issue and answers its id. `updated`, history and resolution follow; no change sends nothing.
    /// The site is locked while `change` runs: it must not ask the world anything.
    pub fn edit(&self, id_or_key: &str, change: impl FnOnce(&mut Issue)) -> Result<u64, EditError> {
        let mut state = self.write();
        let before = state.existing(id_or_key)?;
        let mut after = Issue::clone(&before);
        change(&mut after);
        let author = state.editor(after.id);
        let now = state.after(&before, self.now());
        let id = state.next.history;
        if after.record(&before, id, &author, now) {
            state.next.history += 1;
            state.adopt(&before, &after);
            let issue = state.keep(self, after);
            self.tell(&state, &Event::updated(&issue, payload::kind_of_edit(&before, &issue)));
        }
        Ok(before.id)
    }

    /// Adds a comment and answers its id. Jira sends `comment_created` for it and no `jira:issue_updated`.
    pub fn comment(&self, id_or_key: &str, text: impl Into<Text>) -> Result<u64, EditError> {
        let mut state = self.write();
        let mut issue = state.existing(id_or_key)?;
        let now = state.after(&issue, self.now());
        let id = state.next.comment;
        state.next.comment += 1;
        let author = state.editor(id);
        let after = Arc::make_mut(&mut issue);
        after.comments.push(Comment { id, author, body: text.into(), created: now, updated: now });
        after.updated = now;
        let issue = state.keep(self, Arc::unwrap_or_clone(issue));
        self.tell(&state, &Event::comment("comment_created", &issue, issue.comments.last()));
        Ok(id)
    }

    /// Replaces the text of a comment.
    pub fn edit_comment(&self, id_or_key: &str, comment: u64, text: impl Into<Text>) -> Result<(), EditError> {
        let mut state = self.write();
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        let now = state.after(&after, self.now());
        let place = after.comments.iter().position(|it| it.id == comment);
        let place = place.ok_or(EditError::NoSuchComment(comment))?;
        after.comments[place].body = text.into();
        after.comments[place].updated = now;
        after.updated = now;
        let issue = state.keep(self, after);
        self.tell(&state, &Event::comment("comment_updated", &issue, issue.comments.get(place)));
        Ok(())
    }

    /// Removes a comment.
    pub fn delete_comment(&self, id_or_key: &str, comment: u64) -> Result<(), EditError> {
        let mut state = self.write();
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        let place = after.comments.iter().position(|it| it.id == comment);
        let gone = after.comments.remove(place.ok_or(EditError::NoSuchComment(comment))?);
        after.updated = state.after(&after, self.now());
        let issue = state.keep(self, after);
        self.tell(&state, &Event::comment("comment_deleted", &issue, Some(&gone)));
        Ok(())
    }

    /// Creates a task and answers its key.
    pub fn create(&self, project: &str, summary: &str) -> Result<String, EditError> {
        let mut state = self.write();
        let place = state.project(project).ok_or_else(|| EditError::NoSuchProject(project.to_owned()))?;
        let id = state.next.issue;
        state.next.issue += 1;
        let key = state.new_key(place);
        let author = state.editor(id);
        // Created strictly later than every other issue: ids ascend in the order of creation.
        let last = state.issues.last_key_value().map(|(_, issue)| issue.created);
        let now = last.map_or(self.now(), |last| self.now().max(last + TimeDelta::milliseconds(1)));
        let mut issue = Issue::new(id, key.clone(), author, now);
        issue.summary = summary.to_owned();
        issue.project = place;
        let issue = state.keep(self, issue);
        self.tell(&state, &Event::created(&issue));
        Ok(key)
    }

    /// Deletes an issue and its sub-tasks: gone from every read at once, search included. Their links go with them, which
    /// Jira tells by events of their own.
    pub fn delete(&self, id_or_key: &str) -> Result<(), EditError> {
        let mut state = self.write();
        let issue = state.existing(id_or_key)?;
        for child in issue.subtasks.clone() {
            if let Some(child) = state.issues.get(&child).cloned() {
                self.remove(&mut state, &child);
            }
        }
        self.remove(&mut state, &issue);
        Ok(())
    }

    fn remove(&self, state: &mut State, issue: &Issue) {
        state.remove(issue);
        self.tell(state, &Event::deleted(issue));
        for comment in &issue.comments {
            self.tell(state, &Event::comment("comment_deleted", issue, Some(comment)).fallout());
        }
        for link in &issue.links {
            self.tell(state, &Event::unlinked(issue, link).fallout());
        }
    }

    /// Moves an issue to another project and answers its new key. The id stays, the old key keeps resolving.
    pub fn move_issue(&self, id_or_key: &str, project: &str) -> Result<String, EditError> {
        let mut state = self.write();
        let before = state.existing(id_or_key)?;
        let place = state.project(project).ok_or_else(|| EditError::NoSuchProject(project.to_owned()))?;
        let key = state.new_key(place);
        let now = state.after(&before, self.now());
        let (id, author) = (state.next.history, state.editor(before.id));
        state.next.history += 1;
        let mut after = Issue::clone(&before);
        let items = state.move_items(&before, place, &key);
        after.histories.push(History { id, author, created: now, items });
        (after.project, after.updated, after.key) = (place, now, key.clone());
        let issue = state.keep(self, after);
        self.tell(&state, &Event::updated(&issue, "issue_moved"));
        Ok(key)
    }

    /// Takes an issue out of the service account's sight, as a security level does: no event, `updated` stays.
    pub fn hide(&self, id_or_key: &str) -> Result<(), EditError> {
        self.set_sight(id_or_key, Sight::Hidden)
    }

    /// Brings a hidden issue back into sight.
    pub fn unhide(&self, id_or_key: &str) -> Result<(), EditError> {
        self.set_sight(id_or_key, Sight::Visible)
    }

    fn set_sight(&self, id_or_key: &str, sight: Sight) -> Result<(), EditError> {
        let mut state = self.write();
        let mut issue = state.existing(id_or_key)?;
        Arc::make_mut(&mut issue).hidden = sight == Sight::Hidden;
        state.issues.insert(issue.id, issue);
        Ok(())
    }

    /// Hands the event to the webhook sender, in the order of the edits because the store is still locked.
    fn tell(&self, state: &State, event: &Event<'_>) {
        self.outbox.publish(self, state, event);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Visible,
    Hidden,
}

impl State {
    fn existing(&self, id_or_key: &str) -> Result<Arc<Issue>, EditError> {
        let found = self.resolve(id_or_key).and_then(|id| self.issues.get(&id)).cloned();
        found.ok_or_else(|| EditError::NoSuchIssue(id_or_key.to_owned()))
    }

    /// Somebody other than the service account, chosen by a number so that reruns agree.
    fn editor(&self, number: u64) -> AccountId {
        let others = u64::try_from(self.people.len().saturating_sub(1)).unwrap_or(0).max(1);
        let place = usize::try_from(1 + number % others).unwrap_or(0);
        self.people.get(place).map_or_else(|| self.service_account(), |person| person.account_id.clone())
    }

    /// The moment of an edit: now, but always later than the one before.
    fn after(&self, issue: &Issue, now: DateTime<Utc>) -> DateTime<Utc> {
        now.max(issue.updated + TimeDelta::milliseconds(1))
    }

    /// Stores a changed or new issue, and lets searches see it after a lag.
    fn keep(&mut self, world: &World, mut issue: Issue) -> Arc<Issue> {
        issue.revision += 1;
        let issue = Arc::new(issue);
        self.keys.insert(issue.key.clone(), issue.id);
        self.issues.insert(issue.id, issue.clone());
        let lag = self.dice.random_range(self.index.lag(issue.id));
        self.index.note(world.now() + lag, &issue);
        issue
    }

    fn new_key(&mut self, place: usize) -> String {
        let project = &mut self.projects[place];
        let number = project.next_number;
        project.next_number += 1;
        format!("{}-{number}", project.key)
    }

    /// Keeps the sub-task lists of parents right when an edit changed the parent of a sub-task.
    fn adopt(&mut self, before: &Issue, after: &Issue) {
        if before.parent == after.parent || after.issue_type != IssueType::Subtask {
            return;
        }
        if let Some(old) = before.parent.and_then(|id| self.issues.get_mut(&id)) {
            Arc::make_mut(old).subtasks.retain(|id| *id != after.id);
        }
        if let Some(new) = after.parent.and_then(|id| self.issues.get_mut(&id)) {
            Arc::make_mut(new).subtasks.push(after.id);
        }
    }

    fn remove(&mut self, issue: &Issue) {
        self.issues.remove(&issue.id);
        self.index.forget(issue.id);
        self.keys.retain(|_, id| *id != issue.id);
        for link in &issue.links {
            if let Some(other) = self.issues.get_mut(&link.other) {
                Arc::make_mut(other).links.retain(|it| it.id != link.id);
            }
        }
        if let Some(parent) = issue.parent.and_then(|id| self.issues.get_mut(&id)) {
            Arc::make_mut(parent).subtasks.retain(|id| *id != issue.id);
        }
        // Children of an epic lose their parent; sub-tasks were deleted before.
        for other in self.issues.values_mut().filter(|other| other.parent == Some(issue.id)) {
            Arc::make_mut(other).parent = None;
        }
    }

    fn move_items(&self, before: &Issue, place: usize, key: &str) -> Vec<Change> {
        let project = |place: usize| self.projects.get(place).map(|it| (it.id.clone().into(), it.name.clone().into()));
        let (from, from_text) = project(before.project).unzip();
        let (to, to_text) = project(place).unzip();
        let (old, new) = (Some(before.key.clone().into()), Some(key.to_owned().into()));
        vec![
            Change { field: "project", field_id: Some("project"), from, from_text, to, to_text },
            Change { field: "Key", field_id: None, from: None, from_text: old, to: None, to_text: new },
        ]
    }
}
