//! The people of a site: they change whatever Jira lets them change.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use simulator::{Fault, World};

/// The people of one site.
pub(super) struct People {
    world: Arc<World>,
    dice: StdRng,
    bulk: usize,
    hidden: Vec<String>,
    archived: Vec<String>,
    comments: Vec<(String, u64)>,
    worklogs: Vec<(String, u64)>,
    links: Vec<u64>,
    done: usize,
}

impl People {
    pub(super) fn at(world: Arc<World>, bulk: usize, seed: u64) -> Self {
        Self {
            world,
            dice: StdRng::seed_from_u64(seed),
            bulk,
            hidden: Vec::new(),
            archived: Vec::new(),
            comments: Vec::new(),
            worklogs: Vec::new(),
            links: Vec::new(),
            done: 0,
        }
    }

    /// One change. One that is not possible, because what it is about is gone, is none.
    pub(super) fn change_something(&mut self) {
        self.done += 1;
        let Some(key) = self.somewhere() else { return };
        match self.dice.random_range(0..100) {
            0..40 => self.reword(&key),
            40..52 => self.comment(&key),
            52..60 => self.rethink_a_comment(),
            60..66 => self.log_work(&key),
            66..72 => self.link(&key),
            72..78 => self.shuffle(&key),
            78..81 => drop(self.world.delete(&key)),
            81..86 => self.hide_or_show(&key),
            86..89 => self.archive_or_restore(&key),
            89..97 => self.create(),
            _ => self.trouble(),
        }
    }

    /// One change of many issues at once.
    pub(super) fn edit_many(&mut self) {
        let ids = self.world.issue_ids();
        let chosen: Vec<u64> = ids.sample(&mut self.dice, self.bulk).copied().collect();
        let label = format!("bulk-{}", self.done);
        self.world.bulk_edit(&chosen, |issue| issue.labels.push(label.clone())).expect("they are there");
    }

    fn somewhere(&mut self) -> Option<String> {
        self.world.issue_keys().choose(&mut self.dice).cloned()
    }

    fn reword(&mut self, key: &str) {
        let number = self.done;
        let _ = self.world.edit(key, |issue| issue.summary = format!("Reworded {number}"));
    }

    fn comment(&mut self, key: &str) {
        if let Ok(id) = self.world.comment(key, format!("Said {}", self.done)) {
            self.comments.push((key.to_owned(), id));
        }
    }

    fn rethink_a_comment(&mut self) {
        let Some((key, id)) = self.comments.choose(&mut self.dice).cloned() else { return };
        if self.dice.random_bool(0.7) {
            let _ = self.world.edit_comment(&key, id, format!("Said otherwise {}", self.done));
        } else {
            let _ = self.world.delete_comment(&key, id);
        }
    }

    fn log_work(&mut self, key: &str) {
        match self.worklogs.choose(&mut self.dice).cloned() {
            Some((key, id)) if self.dice.random_bool(0.3) => drop(self.world.delete_worklog(&key, id)),
            Some((key, id)) if self.dice.random_bool(0.3) => drop(self.world.edit_worklog(&key, id, 120)),
            _ => self.worklogs.extend(self.world.log_work(key, 600).map(|id| (key.to_owned(), id))),
        }
    }

    fn link(&mut self, key: &str) {
        match self.somewhere() {
            Some(other) if other != key && self.dice.random_bool(0.7) => {
                self.links.extend(self.world.link("Blocks", key, &other));
            }
            _ => {
                if let Some(link) = self.links.choose(&mut self.dice).copied() {
                    let _ = self.world.unlink(link);
                }
            }
        }
    }

    /// Moves an issue to another project, or swaps the keys of two.
    fn shuffle(&mut self, key: &str) {
        let other = self.somewhere();
        match (self.world.project_keys().choose(&mut self.dice), other) {
            (Some(project), _) if self.dice.random_bool(0.8) => drop(self.world.move_issue(key, project)),
            (_, Some(other)) if other != key => drop(self.world.swap_keys(key, &other)),
            _ => {}
        }
    }

    fn hide_or_show(&mut self, key: &str) {
        if self.dice.random_bool(0.5) && !self.hidden.is_empty() {
            let back = self.hidden.swap_remove(self.dice.random_range(0..self.hidden.len()));
            let _ = self.world.unhide(&back);
        } else if let Some(id) = self.world.issue_id(key) {
            let _ = self.world.hide(key);
            self.hidden.push(id.to_string());
        }
    }

    fn archive_or_restore(&mut self, key: &str) {
        if self.dice.random_bool(0.5) && !self.archived.is_empty() {
            let back = self.archived.swap_remove(self.dice.random_range(0..self.archived.len()));
            let _ = self.world.restore_issue(&back);
        } else if let Some(id) = self.world.issue_id(key) {
            let _ = self.world.archive_issue(key);
            self.archived.push(id.to_string());
        }
    }

    /// Takes back what hides issues from the index for ever.
    pub(super) fn clean_up(&mut self) {
        for id in self.archived.drain(..) {
            let _ = self.world.restore_issue(&id);
        }
    }

    fn create(&mut self) {
        let projects = self.world.project_keys();
        if let Some(project) = projects.choose(&mut self.dice) {
            let _ = self.world.create(project, &format!("Born {}", self.done));
        }
    }

    /// Jira has a bad moment.
    fn trouble(&mut self) {
        let fault = match self.dice.random_range(0..5) {
            0 => Fault::RateLimited(Some(Duration::from_secs(1))),
            1 => Fault::Status(500, None),
            2 => Fault::Status(503, None),
            3 => Fault::Cut,
            _ => Fault::Html,
        };
        let times = self.dice.random_range(1..15);
        self.world.fail_any(times, &fault);
    }
}
