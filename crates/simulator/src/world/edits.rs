//! What a script can do to the site, and what requests do to it: one door for both. Each call changes the store at
//! once, the search index later, and sends the webhook Jira would send.

mod comments;
mod links;
mod moves;
mod store;
mod worklogs;

pub(crate) use links::{Freshness, RemoteDraft};
pub(crate) use worklogs::Time;

use std::sync::Arc;

use chrono::TimeDelta;

use super::issue::Issue;
use super::{By, State, World};
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
    /// The issue has no such worklog.
    #[error("the issue has no worklog {0}: use the id World::log_work returned")]
    NoSuchWorklog(u64),
    /// No issue has such a link.
    #[error("the simulated site has no link {0}: use the id World::link returned")]
    NoSuchLink(u64),
    /// Nobody has this account id.
    #[error("the simulated site has no account {0}: use one of World::accounts")]
    NoSuchAccount(String),
    /// The issue has as many of these as it may have.
    #[error("the issue has reached its limit of {0}: raise Config::issue_limits")]
    Full(&'static str),
}

impl World {
    /// Changes an issue and answers its id. `updated`, history and resolution follow; no change sends nothing.
    /// The site is locked while `change` runs: it must not ask the world anything.
    pub fn edit(&self, id_or_key: &str, change: impl FnOnce(&mut Issue)) -> Result<u64, EditError> {
        self.edit_as(By::Someone, id_or_key, change)
    }

    pub(crate) fn edit_as(&self, by: By, id_or_key: &str, change: impl FnOnce(&mut Issue)) -> Result<u64, EditError> {
        let mut state = self.write_as(by);
        let before = state.existing(id_or_key)?;
        let mut after = Issue::clone(&before);
        change(&mut after);
        let author = state.editor(after.id);
        let now = state.after(&before, self.now());
        let id = state.next.history;
        if after.record(&before, id, &author, now) {
            state.next.history += 1;
            state.adopt(self, &before, &after);
            let issue = state.keep(self, after);
            self.tell(&state, &Event::updated(&issue, payload::kind_of_edit(&before, &issue)));
        } else if after.properties != before.properties {
            // Properties are kept beside the issue: neither `updated` nor the changelog knows of them.
            state.keep(self, after);
        }
        Ok(before.id)
    }

    /// Creates a task and answers its key.
    pub fn create(&self, project: &str, summary: &str) -> Result<String, EditError> {
        let place = self.read().project(project).ok_or_else(|| EditError::NoSuchProject(project.to_owned()))?;
        let issue = self.create_as(By::Someone, place, |issue| issue.summary = summary.to_owned());
        Ok(issue.key.clone())
    }

    /// Creates an issue in the project at this place, as `fill` has it.
    pub(crate) fn create_as(&self, by: By, place: usize, fill: impl FnOnce(&mut Issue)) -> Arc<Issue> {
        let mut state = self.write_as(by);
        let id = state.next.issue;
        state.next.issue += 1;
        let key = state.new_key(place);
        let author = state.editor(id);
        // Created strictly later than every other issue: ids ascend in the order of creation.
        let last = state.issues.last_key_value().map(|(_, issue)| issue.created);
        let now = last.map_or(self.now(), |last| self.now().max(last + TimeDelta::milliseconds(1)));
        let mut issue = Issue::new(id, key, author, now);
        issue.project = place;
        let orphan = issue.clone();
        fill(&mut issue);
        state.adopt(self, &orphan, &issue);
        let issue = state.keep(self, issue);
        self.tell(&state, &Event::created(&issue));
        issue
    }

    /// Deletes an issue and its sub-tasks: gone from every read at once, search included. Their links go with them,
    /// which Jira tells by events of their own.
    pub fn delete(&self, id_or_key: &str) -> Result<(), EditError> {
        self.delete_as(By::Someone, id_or_key)
    }

    pub(crate) fn delete_as(&self, by: By, id_or_key: &str) -> Result<(), EditError> {
        let mut state = self.write_as(by);
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
        state.remove(self, issue);
        self.tell(state, &Event::deleted(issue));
        for comment in &issue.comments {
            self.tell(state, &Event::comment("comment_deleted", issue, Some(comment)).fallout());
        }
        for link in &issue.links {
            self.tell(state, &Event::unlinked(issue, link).fallout());
        }
    }

    /// Takes an issue out of the service account's sight, as a security level does: no event, `updated` stays.
    pub fn hide(&self, id_or_key: &str) -> Result<(), EditError> {
        self.alter(id_or_key, |issue| issue.hidden = true)
    }

    /// Brings a hidden issue back into sight.
    pub fn unhide(&self, id_or_key: &str) -> Result<(), EditError> {
        self.alter(id_or_key, |issue| issue.hidden = false)
    }

    /// Changes what neither `updated` nor the changelog nor the index knows of.
    fn alter(&self, id_or_key: &str, change: impl FnOnce(&mut Issue)) -> Result<(), EditError> {
        let mut state = self.write();
        let mut issue = state.existing(id_or_key)?;
        change(Arc::make_mut(&mut issue));
        state.issues.insert(issue.id, issue);
        Ok(())
    }

    /// Hands the event to the webhook sender, in the order of the edits because the store is still locked.
    fn tell(&self, state: &State, event: &Event<'_>) {
        self.outbox.publish(self, state, event);
    }

    /// Archives an issue with its sub-tasks: read-only, out of every search, and no webhook tells of it.
    pub fn archive_issue(&self, id_or_key: &str) -> Result<(), EditError> {
        self.set_archived(id_or_key, |issue| issue.archived = true)
    }

    /// Brings an archived issue and its sub-tasks back.
    pub fn restore_issue(&self, id_or_key: &str) -> Result<(), EditError> {
        self.set_archived(id_or_key, |issue| issue.archived = false)
    }

    fn set_archived(&self, id_or_key: &str, change: impl Fn(&mut Issue)) -> Result<(), EditError> {
        let subtasks = self.read().existing(id_or_key)?.subtasks.clone();
        for id in subtasks {
            self.alter(&id.to_string(), &change)?;
        }
        self.alter(id_or_key, &change)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;
    use crate::world::catalogue::{IssueType, Status};
    use crate::world::view;

    /// One edit, on issues chosen by a number.
    fn play(world: &World, deed: u8, number: usize) -> Result<(), EditError> {
        let keys = world.issue_keys();
        let key = |n: usize| keys.get(n % keys.len().max(1)).cloned().unwrap_or_default();
        let (one, other) = (key(number), key(number / 3 + 1));
        match deed {
            0 => world.create("WEB", "new").map(drop),
            1 => world.edit(&one, |issue| issue.status = Status::ALL[number % 4]).map(drop),
            2 => world.comment(&one, "words").map(drop),
            3 => world.move_issue(&one, "OPS").map(drop),
            4 => world.delete(&one),
            5 => world.link("Blocks", &one, &other).map(drop),
            6 => world.log_work(&one, 60).map(drop),
            7 => world.swap_keys(&one, &other),
            8 => world.hide(&one),
            9 => world.rekey_project("ACME", &format!("ACME{number}")),
            10 => world.archive_issue(&one),
            _ => {
                adopt(world);
                Ok(())
            }
        }
    }

    /// A new sub-task of some task, if there is one.
    fn adopt(world: &World) {
        let place = world.read().project("ACME").unwrap_or(0);
        let fits = |issue: &&Arc<Issue>| issue.project == place && issue.issue_type == IssueType::Task;
        let parent = world.read().issues.values().find(fits).map(|issue| issue.id);
        world.create_as(By::Account(world.service_account()), place, |issue| {
            issue.parent = parent;
            issue.issue_type = if parent.is_some() { IssueType::Subtask } else { IssueType::Task };
        });
    }

    fn deeds() -> impl Strategy<Value = Vec<(u8, usize)>> {
        proptest::collection::vec((0..12_u8, 0..1000_usize), 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn in_the_end_searches_see_what_the_store_has(deeds in deeds()) {
            let lag = Duration::ZERO..=Duration::from_secs(100);
            let world = World::new(Config { issues: 20, index_lag: lag, ..Config::default() });
            for (deed, number) in deeds {
                // What cannot be done (every issue is gone, say) is left undone.
                let _ = play(&world, deed, number);
                world.advance(Duration::from_secs(7));
            }
            world.advance(Duration::from_secs(101));
            let state = world.read_index();
            let found: Vec<&Issue> = state.searchable().collect();
            let ids: Vec<u64> = found.iter().map(|issue| issue.id).collect();
            let expected = state.issues.values().filter(|issue| state.sees(issue) && !issue.archived);
            prop_assert_eq!(ids, expected.map(|issue| issue.id).collect::<Vec<_>>());
            for issue in found {
                let seen = view::whole(&state, world.config(), issue);
                prop_assert_eq!(seen, view::whole(&state, world.config(), &state.issues[&issue.id]));
            }
            for issue in state.issues.values() {
                prop_assert_eq!(state.resolve(&issue.key), Some(issue.id), "every key leads to its issue");
                let at_home = |id: &u64| state.issues[id].parent == Some(issue.id);
                prop_assert!(issue.subtasks.iter().all(at_home), "sub-tasks and parents agree");
                let mutual = |link: &crate::world::issue::Link| {
                    link.other == issue.id || state.issues[&link.other].links.iter().any(|back| back.id == link.id)
                };
                prop_assert!(issue.links.iter().all(mutual), "links have two ends");
            }
        }
    }
}
