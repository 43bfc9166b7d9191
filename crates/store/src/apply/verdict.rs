//! Newer wins: the decision, and nothing else.
//!
//! Content moves only when the pair `(updated, observed)` grows: `updated` alone ties, because not every change moves it.
//! A snapshot that is refused, or says what is known, still moves the register of when the issue was seen; skipping that
//! would let a late answer win a tie (tried: it does).

use chrono::{DateTime, Utc};
use domain::{IssueId, IssueSnapshot};

/// One issue as a page shows it.
#[derive(Clone, Copy)]
pub(crate) struct Sighting<'s> {
    pub(crate) snapshot: &'s IssueSnapshot,
    /// When the content was true, as fine as the database keeps it.
    pub(crate) observed_at: DateTime<Utc>,
    /// When the issue was seen: the same, or later if the page shows an older content seen later.
    pub(crate) seen_at: DateTime<Utc>,
}

/// What the mirror holds of an issue.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) key: Option<String>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
    pub(crate) observed_at: Option<DateTime<Utc>>,
    pub(crate) seen_at: Option<DateTime<Utc>>,
    pub(crate) content_hash: Option<Vec<u8>>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
}

/// What to do about a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// New content: write it.
    Write,
    /// The same content, seen or true at a later time than known: move the registers.
    Confirm,
    /// The same content, and nothing to move.
    Known,
    /// Older content, but seen at a later time than known: move the register.
    Older,
    /// Older content, or an issue that was deleted later than it was seen: nothing to do.
    Refuse,
}

impl Verdict {
    pub(crate) fn moves_registers(self) -> bool {
        matches!(self, Self::Confirm | Self::Older)
    }

    pub(crate) fn is_unchanged(self) -> bool {
        matches!(self, Self::Confirm | Self::Known)
    }
}

impl<'s> Sighting<'s> {
    pub(crate) fn id(&self) -> IssueId {
        self.snapshot.issue.id
    }

    /// Two sightings of one issue as one.
    pub(crate) fn joined(self, other: Self) -> Self {
        let seen_at = self.seen_at.max(other.seen_at);
        let newer = if other.version() > self.version() { other } else { self };
        Self { seen_at, ..newer }
    }

    fn version(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.snapshot.issue.updated_at, self.observed_at)
    }
}

pub(crate) fn judge(held: Option<&Held>, sighting: &Sighting<'_>) -> Verdict {
    let Some(held) = held else { return Verdict::Write };
    // Jira never gives an id twice: who is seen later than it was called deleted was only hidden.
    if held.deleted_at.is_some_and(|at| at >= sighting.seen_at) {
        return Verdict::Refuse;
    }
    let (Some(updated_at), Some(observed_at)) = (held.updated_at, held.observed_at) else { return Verdict::Write };
    let seen_later = held.seen_at.is_none_or(|seen_at| seen_at < sighting.seen_at);
    let same = held.content_hash.as_deref() == Some(sighting.snapshot.content_hash.as_slice())
        && updated_at == sighting.snapshot.issue.updated_at;
    if same {
        let moves = seen_later || observed_at < sighting.observed_at;
        return if moves { Verdict::Confirm } else { Verdict::Known };
    }
    match (sighting.version() > (updated_at, observed_at), seen_later) {
        (true, _) => Verdict::Write,
        (false, true) => Verdict::Older,
        (false, false) => Verdict::Refuse,
    }
}
