//! What happens to whole projects and to people: archived, thrown away, restored, forbidden, forgotten.

use super::edits::EditError;
use super::people::{Cards, Life};
use super::{State, World};
use crate::config::Config;

impl World {
    /// Archives a project: its issues leave every read, and it is listed as archived only.
    pub fn archive_project(&self, project: &str) -> Result<(), EditError> {
        self.set_life(project, Life::Archived, "project_archived")
    }

    /// Throws a project into the trash: its issues leave every read, and it is listed as deleted only.
    pub fn trash_project(&self, project: &str) -> Result<(), EditError> {
        self.set_life(project, Life::Trashed, "project_soft_deleted")
    }

    /// Brings a project back from the archive or the trash, with all its issues.
    pub fn restore_project(&self, project: &str) -> Result<(), EditError> {
        let place = self.read().project(project).ok_or_else(|| EditError::NoSuchProject(project.to_owned()))?;
        let archived = self.read().projects[place].life == Life::Archived;
        let event = if archived { "project_restored_archived" } else { "project_restored_deleted" };
        self.set_life(project, Life::Live, event)
    }

    fn set_life(&self, project: &str, life: Life, event: &'static str) -> Result<(), EditError> {
        let mut state = self.write();
        let place = state.project(project).ok_or_else(|| EditError::NoSuchProject(project.to_owned()))?;
        state.projects[place].life = life;
        state.projects[place].ended = (life != Life::Live).then(|| self.now());
        self.tell_project(&state, event, place);
        Ok(())
    }

    /// Takes the permission to browse a project from the service account: it and its issues look as if they had never
    /// been. No webhook tells of it.
    pub fn deny_project(&self, project: &str) -> Result<(), EditError> {
        self.with_project(project, |state, place| state.projects[place].denied = true)
    }

    /// Gives the permission back.
    pub fn allow_project(&self, project: &str) -> Result<(), EditError> {
        self.with_project(project, |state, place| state.projects[place].denied = false)
    }

    /// Takes a permission (such as `USER_PICKER`) from the service account, as `mypermissions` tells.
    pub fn withhold(&self, permission: &str) {
        self.write().withheld.insert(permission.to_owned());
    }

    /// Gives a project another name; `updated` of its issues stays.
    pub fn rename_project(&self, project: &str, name: &str) -> Result<(), EditError> {
        self.with_project(project, |state, place| {
            name.clone_into(&mut state.projects[place].name);
            state.redraw(&self.config);
            self.tell_project(state, "project_updated", place);
        })
    }

    fn with_project(&self, project: &str, change: impl FnOnce(&mut State, usize)) -> Result<(), EditError> {
        let mut state = self.write();
        let place = state.project(project).ok_or_else(|| EditError::NoSuchProject(project.to_owned()))?;
        change(&mut state, place);
        Ok(())
    }

    /// Forgets a person: the account id stays, the name becomes a placeholder, everything else goes.
    pub fn anonymise(&self, account: &str) -> Result<(), EditError> {
        let mut state = self.write();
        let people = state.people.iter_mut();
        let person = people.skip(1).find(|person| &*person.account_id == account);
        let person = person.ok_or_else(|| EditError::NoSuchAccount(account.to_owned()))?;
        "Former user".clone_into(&mut person.name);
        (person.email, person.zone, person.active, person.kind) = (None, None, false, "unknown");
        state.redraw(&self.config);
        self.tell_user(&state, "user_deleted", account);
        Ok(())
    }

    /// Whether the service account sees a person's e-mail address is up to that person.
    pub fn set_email(&self, account: &str, email: Option<&str>) -> Result<(), EditError> {
        let mut state = self.write();
        let person = state.people.iter_mut().find(|person| &*person.account_id == account);
        let person = person.ok_or_else(|| EditError::NoSuchAccount(account.to_owned()))?;
        person.email = email.map(str::to_owned);
        state.redraw(&self.config);
        Ok(())
    }
}

impl State {
    /// Writes the repeated objects anew after people or projects changed.
    pub(super) fn redraw(&mut self, config: &Config) {
        self.cards = Cards::new(&config.origin(), &self.people, &self.projects);
    }
}
