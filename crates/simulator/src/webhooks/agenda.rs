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

#[cfg(test)]
mod tests {
    use super::super::parcel::{Address, Seal};
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    fn at(second: u32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second.into())
    }

    fn parcel(host: u8, flow: Flow) -> Parcel {
        Parcel {
            identifier: String::new(),
            event: String::new(),
            body: None,
            flow,
            hooks: vec![1],
            address: Address { url: format!("http://host{host}/path"), seal: Seal::None },
            variables: Vec::new(),
            tries: 0,
            single: false,
            forged: false,
        }
    }

    proptest! {
        /// However parcels come and go, none leaves before it is due, no lane has more under way than slots, and in the
        /// end all have left.
        #[test]
        fn parcels_leave_when_due_and_never_too_many(
            steps in proptest::collection::vec((0_u32..50, 0_u8..2, any::<bool>(), 0_u32..4), 1..150),
        ) {
            let (mut agenda, mut now, mut under_way, mut left) = (Agenda::default(), 0, Vec::new(), 0);
            for (due, host, urgent, passes) in &steps {
                let flow = if *urgent { Flow::Primary } else { Flow::Secondary };
                prop_assert!(agenda.add(at(*due), parcel(*host, flow)));
                now += passes;
                while let Some((due, parcel)) = agenda.take(at(now)) {
                    prop_assert!(due <= at(now));
                    under_way.push(parcel.lane());
                    left += 1;
                    let same = under_way.iter().filter(|lane| **lane == parcel.lane()).count();
                    prop_assert!(same <= parcel.flow.slots());
                }
                let waits = agenda.next_due().is_none_or(|due| due > at(now));
                prop_assert_eq!(agenda.is_at_rest(at(now)), under_way.is_empty() && waits);
                if *passes == 3 {
                    under_way.drain(..).for_each(|lane| agenda.finish(&lane));
                }
            }
            while !agenda.is_empty() {
                under_way.drain(..).for_each(|lane| agenda.finish(&lane));
                while let Some((_, parcel)) = agenda.take(at(u32::MAX)) {
                    under_way.push(parcel.lane());
                    left += 1;
                }
            }
            prop_assert_eq!(left, steps.len());
        }

        /// One at a time, they leave in the order of what is due and, at the same moment, of coming.
        #[test]
        fn one_by_one_they_leave_in_order(dues in proptest::collection::vec(0_u32..20, 1..60)) {
            let mut agenda = Agenda::default().one_by_one();
            for due in &dues {
                agenda.add(at(*due), parcel(0, Flow::Primary));
            }
            let (mut order, lane) = (Vec::new(), parcel(0, Flow::Primary).lane());
            while let Some((due, _)) = agenda.take(at(99)) {
                prop_assert!(agenda.take(at(99)).is_none());
                order.push(due);
                agenda.finish(&lane);
            }
            let mut sorted: Vec<_> = dues.iter().map(|due| at(*due)).collect();
            sorted.sort();
            prop_assert_eq!(order, sorted);
        }
    }

    #[test]
    fn a_closed_agenda_takes_nothing_and_is_empty() {
        let mut agenda = Agenda::default();
        agenda.add(at(5), parcel(0, Flow::Primary));
        agenda.close();
        assert!(!agenda.add(at(5), parcel(0, Flow::Primary)) && agenda.is_empty());
    }
}
