//! What is known so far of the issues of one question.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::IssueId;

use super::Hydrated;
use crate::{
    Error,
    convert::{Document, Draft, Known},
    wire,
};

/// What is known so far of one batch.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) drafts: BTreeMap<IssueId, (Draft, DateTime<Utc>)>,
    pub(super) failed: BTreeMap<IssueId, String>,
    late: BTreeSet<IssueId>,
    /// Why some are late, if it was for want of budget.
    pub(super) throttled: Option<Error>,
    /// Whom the issues name.
    known: Known,
    /// When the first answered question was sent.
    pub(super) began: Option<DateTime<Utc>>,
}

impl Batch {
    /// Of one issue that is here already.
    pub(super) fn of(draft: Draft, sent_at: DateTime<Utc>) -> Self {
        let drafts = BTreeMap::from([(draft.id(), (draft, sent_at))]);
        Self { drafts, began: Some(sent_at), ..Self::default() }
    }

    pub(super) fn fail(&mut self, id: IssueId, reason: String) {
        self.drafts.remove(&id);
        self.failed.insert(id, reason);
    }

    pub(super) fn postpone(&mut self, ids: &[IssueId]) {
        self.drafts.retain(|id, _| !ids.contains(id));
        self.late.extend(ids);
    }

    pub(super) fn cut(&self, which: fn(&Draft) -> bool) -> Vec<IssueId> {
        self.drafts.iter().filter(|(_, (draft, _))| which(draft)).map(|(id, _)| *id).collect()
    }

    /// Takes one issue of an answer: as it can be stored, and as it came. One that cannot be read fails alone, if at least its
    /// id can be.
    pub(super) fn take(
        &mut self,
        (document, exact): (&Document<'_>, &Document<'_>),
        asked: &[IssueId],
        sent_at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let id = IssueId(document.id()?);
        if !asked.contains(&id) {
            return Ok(());
        }
        match Draft::of(document, exact, std::mem::take(&mut self.known)) {
            Ok(mut draft) => {
                self.known = draft.take_known();
                self.drafts.insert(id, (draft, sent_at));
            }
            Err(error) => self.fail(id, error.to_string()),
        }
        Ok(())
    }

    pub(super) fn add_histories(&mut self, log: wire::IssueChangelog<'_>) -> Result<(), Error> {
        let id = log.issue_id.map(IssueId).ok_or_else(|| Error::malformed("a changelog without its issue"))?;
        match self.drafts.get_mut(&id) {
            Some((draft, _)) => draft.add_histories(log.change_histories.unwrap_or_default()),
            None => Ok(()),
        }
    }

    /// Sorts everything that was asked for into one of the four lists.
    pub(super) fn settle(self, asked: &[IssueId], hydrated: &mut Hydrated) {
        let known =
            |id: &IssueId| self.drafts.contains_key(id) || self.failed.contains_key(id) || self.late.contains(id);
        hydrated.absent.extend(asked.iter().copied().filter(|id| !known(id)));
        hydrated.failed.extend(self.failed);
        hydrated.late.extend(self.late);
        hydrated.snapshots.extend(self.drafts.into_values().map(|(draft, sent_at)| draft.finish(sent_at)));
    }
}
