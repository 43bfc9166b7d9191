//! Time spent on issues: logged, corrected, removed. Worklog events hold no issue.

use chrono::{DateTime, Utc};

use super::EditError;
use crate::world::issue::{Issue, Worklog};
use crate::world::text::Text;
use crate::world::{By, World};

/// What a worklog says; `None` leaves a part as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Time {
    pub(crate) seconds: Option<u64>,
    pub(crate) started: Option<DateTime<Utc>>,
    pub(crate) comment: Option<Text>,
}

impl World {
    /// Logs this many seconds of work that began just now, and answers the worklog's id.
    pub fn log_work(&self, id_or_key: &str, seconds: u64) -> Result<u64, EditError> {
        self.log_work_as(By::Someone, id_or_key, Time { seconds: Some(seconds), ..Time::default() })
    }

    pub(crate) fn log_work_as(&self, by: By, id_or_key: &str, time: Time) -> Result<u64, EditError> {
        let mut state = self.write_as(by);
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        if after.worklogs.len() >= self.config.issue_limits.worklogs {
            return Err(EditError::Full("worklogs"));
        }
        let now = state.after(&after, self.now());
        let id = state.next.worklog;
        state.next.worklog += 1;
        let author = state.editor(id);
        let (created, updated, started) = (now, now, time.started.unwrap_or(now));
        let (update_author, seconds) = (author.clone(), time.seconds.unwrap_or(0));
        let comment = time.comment;
        after.worklogs.push(Worklog { id, author, update_author, comment, created, updated, started, seconds });
        after.updated = now;
        let issue = state.keep(self, after);
        self.tell_worklog(&state, "worklog_created", &issue, issue.worklogs.last());
        Ok(id)
    }

    /// Corrects how long the work took.
    pub fn edit_worklog(&self, id_or_key: &str, worklog: u64, seconds: u64) -> Result<(), EditError> {
        self.edit_worklog_as(By::Someone, id_or_key, worklog, Time { seconds: Some(seconds), ..Time::default() })
    }

    pub(crate) fn edit_worklog_as(&self, by: By, id_or_key: &str, worklog: u64, time: Time) -> Result<(), EditError> {
        let mut state = self.write_as(by);
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        let now = state.after(&after, self.now());
        let place = after.worklogs.iter().position(|it| it.id == worklog);
        let place = place.ok_or(EditError::NoSuchWorklog(worklog))?;
        let it = &mut after.worklogs[place];
        it.seconds = time.seconds.unwrap_or(it.seconds);
        it.started = time.started.unwrap_or(it.started);
        it.comment = time.comment.or_else(|| it.comment.take());
        (it.updated, it.update_author, after.updated) = (now, state.editor(worklog), now);
        let issue = state.keep(self, after);
        self.tell_worklog(&state, "worklog_updated", &issue, issue.worklogs.get(place));
        Ok(())
    }

    /// Removes a worklog.
    pub fn delete_worklog(&self, id_or_key: &str, worklog: u64) -> Result<(), EditError> {
        self.delete_worklog_as(By::Someone, id_or_key, worklog)
    }

    pub(crate) fn delete_worklog_as(&self, by: By, id_or_key: &str, worklog: u64) -> Result<(), EditError> {
        let mut state = self.write_as(by);
        let mut after = Issue::clone(&*state.existing(id_or_key)?);
        let place = after.worklogs.iter().position(|it| it.id == worklog);
        let gone = after.worklogs.remove(place.ok_or(EditError::NoSuchWorklog(worklog))?);
        let now = state.after(&after, self.now());
        after.updated = now;
        state.deleted_worklogs.push((now, worklog));
        let issue = state.keep(self, after);
        self.tell_worklog(&state, "worklog_deleted", &issue, Some(&gone));
        Ok(())
    }
}
