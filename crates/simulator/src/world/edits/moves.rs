//! What changes keys: moves between projects, swaps of keys, and new keys for whole projects.

use std::sync::Arc;

use super::EditError;
use crate::webhooks::payload::Event;
use crate::world::issue::{Change, History, Issue};
use crate::world::{State, World};

impl World {
    /// Moves an issue with its sub-tasks to another project and answers its new key. The ids stay, the old keys keep
    /// resolving.
    pub fn move_issue(&self, id_or_key: &str, project: &str) -> Result<String, EditError> {
        let mut state = self.write();
        let before = state.existing(id_or_key)?;
        let place = state.project(project).ok_or_else(|| EditError::NoSuchProject(project.to_owned()))?;
        let key = state.new_key(place);
        self.rename(&mut state, &before, place, &key);
        for id in &before.subtasks {
            if let Some(child) = state.issues.get(id).cloned() {
                let key = state.new_key(place);
                self.rename(&mut state, &child, place, &key);
            }
        }
        Ok(key)
    }

    /// Lets two issues swap their keys (and projects), as moves there and back can.
    pub fn swap_keys(&self, one: &str, other: &str) -> Result<(), EditError> {
        let mut state = self.write();
        let (one, other) = (state.existing(one)?, state.existing(other)?);
        if one.id == other.id {
            return Ok(());
        }
        self.rename(&mut state, &one, other.project, &other.key);
        self.rename(&mut state, &other, one.project, &one.key);
        Ok(())
    }

    fn rename(&self, state: &mut State, before: &Arc<Issue>, place: usize, key: &str) {
        let now = state.after(before, self.now());
        let (id, author) = (state.next.history, state.editor(before.id));
        state.next.history += 1;
        let mut after = Issue::clone(before);
        let items = state.move_items(before, place, key);
        after.histories.push(History { id, author, created: now, items, metadata: None });
        (after.project, after.updated, after.key) = (place, now, key.to_owned());
        if place != before.project {
            // Versions and components belong to the project that was left.
            (after.fix_versions, after.affects_versions, after.components) = Default::default();
        }
        let issue = state.keep(self, after);
        self.tell(state, &Event::updated(&issue, "issue_moved"));
    }

    /// Gives a project another key: the keys of all its issues change, ids, numbers and `updated` stay, and the old
    /// keys keep resolving.
    pub fn rekey_project(&self, project: &str, key: &str) -> Result<(), EditError> {
        let mut state = self.write();
        let place = state.project(project).ok_or_else(|| EditError::NoSuchProject(project.to_owned()))?;
        let old = std::mem::replace(&mut state.projects[place].key, key.to_owned());
        state.projects[place].former_keys.push(old);
        state.redraw(&self.config);
        let of_project = state.issues.values().filter(|issue| issue.project == place);
        let ids: Vec<(u64, u64)> = of_project.map(|issue| (issue.id, issue.number())).collect();
        for (id, number) in ids {
            state.revise(self, id, |issue| issue.key = format!("{key}-{number}"));
        }
        self.tell_project(&state, "project_updated", place);
        Ok(())
    }
}

impl State {
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
