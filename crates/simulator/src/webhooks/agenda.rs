//! What is to be sent and when: one lane per receiver and flow, each with as many slots as Jira grants, in the order in
//! which things are due.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::parcel::Parcel;

/// How urgent a webhook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flow {
    /// What somebody just did.
    Primary,
    /// What follows from it, and bulk operations.
    Secondary,
}

impl Flow {
    pub(super) fn name(self) -> &'static str {
        if self == Self::Primary { "Primary" } else { "Secondary" }
    }

    /// Jira's limit of parallel deliveries per site, receiver and flow.
    fn slots(self) -> usize {
        if self == Self::Primary { 20 } else { 10 }
    }
}

/// The receiver's host, and the flow.
pub(super) type LaneKey = (String, Flow);

#[derive(Default)]
struct Lane {
    due: BTreeMap<(DateTime<Utc>, u64), Parcel>,
    sending: usize,
}

/// Parcels not settled yet.
#[derive(Default)]
pub(super) struct Agenda {
    lanes: BTreeMap<LaneKey, Lane>,
    serial: u64,
    /// One at a time, so that a test sees the same order each time.
    one_by_one: bool,
    closed: bool,
}

impl Agenda {
    pub(super) fn one_by_one(self) -> Self {
        Self { one_by_one: true, ..self }
    }

    /// False when nobody sends any more.
    pub(super) fn add(&mut self, due: DateTime<Utc>, parcel: Parcel) -> bool {
        if self.closed {
            return false;
        }
        self.serial += 1;
        self.lanes.entry(parcel.lane()).or_default().due.insert((due, self.serial), parcel);
        true
    }

    /// The next parcel that is due and has a slot; it counts as being sent until `finish`.
    pub(super) fn take(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Parcel)> {
        let (at, key) = self.first()?;
        if at.0 > now {
            return None;
        }
        let lane = self.lanes.get_mut(&key)?;
        let parcel = lane.due.remove(&at)?;
        lane.sending += 1;
        Some((at.0, parcel))
    }

    /// When something can be sent next, unless a slot becomes free before.
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.first().map(|((at, _), _)| at)
    }

    fn first(&self) -> Option<((DateTime<Utc>, u64), LaneKey)> {
        let free = self.lanes.iter().filter(|(key, lane)| lane.sending < self.slots(key.1));
        let firsts = free.filter_map(|(key, lane)| lane.due.first_key_value().map(|(at, _)| (*at, key)));
        firsts.min().map(|(at, key)| (at, key.clone()))
    }

    fn slots(&self, flow: Flow) -> usize {
        if self.one_by_one { 1 } else { flow.slots() }
    }

    /// Frees the slot of a parcel.
    pub(super) fn finish(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.sending = lane.sending.saturating_sub(1);
        if lane.sending == 0 && lane.due.is_empty() {
            self.lanes.remove(key);
        }
    }

    /// Nothing is sent from now on, and nothing is open.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.lanes.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.values().all(|lane| lane.sending == 0 && lane.due.is_empty())
    }

    /// Whether everything that is left waits for the clock.
    pub(super) fn is_at_rest(&self, now: DateTime<Utc>) -> bool {
        let waits = |lane: &Lane| lane.due.first_key_value().is_none_or(|((at, _), _)| *at > now);
        self.lanes.values().all(|lane| lane.sending == 0 && waits(lane))
    }
}
