//! What every edit needs: finding the issue, its moment, its author, and keeping the result.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rand::prelude::*;

use super::EditError;
use crate::world::catalogue::IssueType;
use crate::world::issue::{AccountId, Issue};
use crate::world::{By, State, World};

impl State {
    pub(super) fn existing(&self, id_or_key: &str) -> Result<Arc<Issue>, EditError> {
        let found = self.resolve(id_or_key).and_then(|id| self.issues.get(&id)).cloned();
        found.ok_or_else(|| EditError::NoSuchIssue(id_or_key.to_owned()))
    }

    /// Who edits: the caller, or somebody other than the service account, chosen by a number so that reruns agree.
    pub(super) fn editor(&self, number: u64) -> AccountId {
        if let By::Account(account) = &self.acting {
            return account.clone();
        }
        let others = u64::try_from(self.people.len().saturating_sub(1)).unwrap_or(0).max(1);
        let place = usize::try_from(1 + number % others).unwrap_or(0);
        self.people.get(place).map_or_else(|| self.service_account(), |person| person.account_id.clone())
    }

    /// Who is named as the author of a webhook, when a request caused it.
    pub(crate) fn actor(&self) -> Option<&str> {
        match &self.acting {
            By::Account(account) => Some(account),
            By::Someone => None,
        }
    }

    /// The moment of an edit: now, but always later than the one before.
    pub(super) fn after(&self, issue: &Issue, now: DateTime<Utc>) -> DateTime<Utc> {
        now.max(issue.updated + TimeDelta::milliseconds(1))
    }

    /// Stores a changed or new issue, and lets searches see it after a lag.
    pub(super) fn keep(&mut self, world: &World, mut issue: Issue) -> Arc<Issue> {
        issue.revision += 1;
        let issue = Arc::new(issue);
        self.keys.insert(issue.key.clone(), issue.id);
        self.issues.insert(issue.id, issue.clone());
        let lag = self.dice.random_range(self.index.lag(issue.id));
        self.index.note(world.now() + lag, &issue);
        issue
    }

    pub(super) fn new_key(&mut self, place: usize) -> String {
        let project = &mut self.projects[place];
        let number = project.next_number;
        project.next_number += 1;
        format!("{}-{number}", project.key)
    }

    /// Keeps the sub-task lists of parents right when an edit changed the parent of a sub-task.
    pub(super) fn adopt(&mut self, world: &World, before: &Issue, after: &Issue) {
        if before.parent == after.parent || after.issue_type != IssueType::Subtask {
            return;
        }
        if let Some(old) = before.parent {
            self.revise(world, old, |old| old.subtasks.retain(|id| *id != after.id));
        }
        if let Some(new) = after.parent {
            self.revise(world, new, |new| new.subtasks.push(after.id));
        }
    }

    /// Changes an issue because of another one: `updated` stays, searches see it after a lag all the same.
    pub(super) fn revise(&mut self, world: &World, id: u64, change: impl FnOnce(&mut Issue)) {
        if let Some(issue) = self.issues.get(&id) {
            let mut issue = Issue::clone(issue);
            change(&mut issue);
            self.keep(world, issue);
        }
    }

    /// Takes an issue out of the site, and out of the issues that point to it.
    pub(super) fn remove(&mut self, world: &World, issue: &Issue) {
        self.issues.remove(&issue.id);
        self.index.forget(issue.id);
        self.keys.retain(|_, id| *id != issue.id);
        let now = world.now();
        self.deleted_worklogs.extend(issue.worklogs.iter().map(|worklog| (now, worklog.id)));
        for link in &issue.links {
            self.revise(world, link.other, |other| other.links.retain(|it| it.id != link.id));
        }
        if let Some(parent) = issue.parent.filter(|_| issue.issue_type == IssueType::Subtask) {
            self.revise(world, parent, |parent| parent.subtasks.retain(|id| *id != issue.id));
        }
        // Children of an epic lose their parent; sub-tasks were deleted before.
        let children = self.issues.values().filter(|other| other.parent == Some(issue.id));
        let children: Vec<u64> = children.map(|other| other.id).collect();
        for child in children {
            self.revise(world, child, |child| child.parent = None);
        }
    }
}
