//! The touched set: group commit for everything that says "look at this issue again".
//!
//! Issues wait by the time of their first touch, in lanes, so that one request to Jira brings a hundred up to date, and no
//! issue is fetched twice at once. Reading removes nothing: what was touched again meanwhile, or soon after, rests for a moment
//! and is looked at once more, so that an issue that changes all the time costs one look a second.

use std::{collections::BTreeMap, fmt, time::Duration};

use chrono::{DateTime, Utc};
use domain::{InstanceId, IssueId};
use serde::{Deserialize, Serialize};

use crate::{
    Envelope, Error, Job, Producer, QueueName,
    keys::Keys,
    producer::sending,
    scripts::{RECORDS, RESTED, SETTLE_TOUCHED, TOUCH, TOUCHED},
    unique::UniqueKey,
};

/// For how long an issue rests after a look, whoever touches it.
const REST: Duration = Duration::from_secs(1);

/// One share of an instance's issues: batches of different lanes run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(u8);

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 4] = [Self(0), Self(1), Self(2), Self(3)];

    /// Where an issue waits, for ever the same. Ids come in runs, so they are spread by the upper bits of a product.
    pub fn of(issue: IssueId) -> Self {
        let spread = issue.0.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self::ALL[usize::from((spread >> 62) as u8 & 3)]
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A touched issue, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchedIssue {
    /// Which.
    pub id: IssueId,
    /// Since when it waits.
    pub first_touched_at: DateTime<Utc>,
    /// How often it was touched since it was last settled.
    pub count: u64,
    /// Count and mark of the last touch. The mark is random: a count alone could come round to the same number.
    seen: String,
}

/// The oldest touched issues of one lane.
#[derive(Clone, Debug)]
pub struct Touched {
    /// Oldest first.
    pub entries: Vec<TouchedIssue>,
    /// The traces (`traceparent` of W3C) of those who touched issues of this lane since it was last settled.
    pub traces: Vec<String>,
    instance: InstanceId,
    lane: Lane,
    /// By Redis' clock, in milliseconds.
    read_at: u64,
}

impl Touched {
    /// The issues' ids, oldest touch first.
    pub fn ids(&self) -> Vec<IssueId> {
        self.entries.iter().map(|entry| entry.id).collect()
    }
}

/// How many issues of the lane are still touched: if any, the handler returns `Outcome::Next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining(pub u64);

/// One lane of one instance, ready to be read.
#[derive(Clone, Debug)]
pub struct TouchedLane<'a> {
    producer: &'a Producer,
    instance: InstanceId,
    lane: Lane,
}

impl TouchedLane<'_> {
    /// Up to `n` issues (500 at most) whose first touch is longest ago. They stay until they are settled.
    pub async fn oldest(&self, n: usize) -> Result<Touched, Error> {
        let (set, counts, _, traces) = self.keys();
        let mut script = TOUCHED.key(set);
        script.key(counts).key(traces).arg(n.min(RECORDS));
        type Found = Vec<(i64, f64, String)>;
        let (read_at, found, traces): (u64, Found, Vec<String>) = self.producer.run(&script).await?;
        let entries = found.into_iter().map(read).collect::<Option<_>>();
        let entries =
            entries.ok_or_else(|| Error::Unreadable("a touched issue has no valid time or count".to_owned()))?;
        Ok(Touched { entries, traces, instance: self.instance, lane: self.lane, read_at })
    }

    fn keys(&self) -> (String, String, String, String) {
        let (keys, of, lane) = (self.producer.keys(QueueName::Live), self.instance, self.lane);
        (keys.touched(of, lane), keys.counts(of, lane), keys.looks(of, lane), keys.traces(of, lane))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds fit a double exactly for 285,000 years")]
fn read((id, score, seen): (i64, f64, String)) -> Option<TouchedIssue> {
    let first_touched_at = DateTime::from_timestamp_millis(score as i64)?;
    let count = seen.split(':').next()?.parse().ok()?;
    Some(TouchedIssue { id: IssueId(id), first_touched_at, count, seen })
}

impl Producer {
    /// Says "look at these again": when this returns, Redis holds the touch and a job that will look. One round trip for up
    /// to 500 issues, and one more if some of them were looked at a moment ago.
    pub async fn touch(&self, instance: InstanceId, issues: &[IssueId], now: DateTime<Utc>) -> Result<(), Error> {
        for chunk in issues.chunks(RECORDS) {
            self.touch_some(instance, chunk, now).await?;
        }
        Ok(())
    }

    /// One lane's share of the touched set.
    pub fn touched(&self, instance: InstanceId, lane: Lane) -> TouchedLane<'_> {
        TouchedLane { producer: self, instance, lane }
    }

    /// Removes what was looked at; what was touched again since it was read rests, and is looked at once more.
    pub async fn settle_touched(&self, touched: &Touched) -> Result<Remaining, Error> {
        let (set, counts, looks, traces) = self.touched(touched.instance, touched.lane).keys();
        let mut script = SETTLE_TOUCHED.key(set);
        script.key(counts).key(looks).key(self.keys(QueueName::Live).resting(touched.instance)).key(traces);
        script.arg(touched.read_at).arg(millis(REST)).arg(touched.traces.len());
        for entry in &touched.entries {
            script.arg(entry.id.0).arg(&entry.seen);
        }
        let (left, resting): (u64, u64) = self.run(&script).await?;
        // Also for those of an earlier settling after which somebody died.
        if resting > 0 {
            self.enqueue_in(Job::WakeTouched { instance: touched.instance }, REST).await?;
        }
        Ok(Remaining(left))
    }

    /// Touches again what has rested for long enough; says when to do so again, `None` when nothing rests any more.
    pub async fn wake_touched(&self, instance: InstanceId) -> Result<Option<Duration>, Error> {
        let mut script = RESTED.key(self.keys(QueueName::Live).resting(instance));
        script.arg(RECORDS);
        let (next, rested): (i64, Vec<i64>) = self.run(&script).await?;
        if !rested.is_empty() {
            let issues: Vec<IssueId> = rested.into_iter().map(IssueId).collect();
            // They rest since their last look, and were touched at most that long ago.
            self.touch_some(instance, &issues, Utc::now() - REST).await?;
            return Ok(Some(Duration::from_millis(1)));
        }
        Ok(u64::try_from(next).ok().map(Duration::from_millis))
    }

    async fn touch_some(&self, instance: InstanceId, issues: &[IssueId], now: DateTime<Utc>) -> Result<(), Error> {
        let keys: &Keys = self.keys(QueueName::Live);
        let (trace_parent, _span) = (self.trace_parent(), sending(QueueName::Live, issues.len()));
        let mut script = TOUCH.key(&keys.stream);
        script.key(keys.resting(instance));
        script.arg(now.timestamp_millis()).arg(format!("{:x}", rand::random::<u64>())).arg(instance.to_string());
        script.arg(millis(REST)).arg(trace_parent.as_deref().unwrap_or_default());
        for (lane, issues) in by_lane(issues) {
            let envelope = Envelope::new(Job::SyncTouched { instance, lane }, now, trace_parent.clone());
            let unique = UniqueKey::of(&envelope, keys);
            script.key(&unique.key).key(keys.touched(instance, lane)).key(keys.counts(instance, lane));
            script.key(keys.looks(instance, lane)).key(keys.traces(instance, lane));
            script.arg(envelope.encode()?).arg(&unique.value).arg(millis(unique.life)).arg(issues.len());
            for issue in issues {
                script.arg(issue.0);
            }
        }
        script.key(&keys.shares);
        let resting: u64 = self.run(&script).await?;
        if resting > 0 {
            self.enqueue_in(Job::WakeTouched { instance }, REST).await?;
        }
        Ok(())
    }
}

fn by_lane(issues: &[IssueId]) -> BTreeMap<Lane, Vec<IssueId>> {
    let mut lanes: BTreeMap<Lane, Vec<IssueId>> = BTreeMap::new();
    for issue in issues {
        lanes.entry(Lane::of(*issue)).or_default().push(*issue);
    }
    lanes
}

/// A duration as the scripts take it.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_stable_and_even() {
        assert_eq!(Lane::of(IssueId(10_000)), Lane::of(IssueId(10_000)));
        let lanes = by_lane(&(10_000..20_000).map(IssueId).collect::<Vec<_>>());
        assert_eq!(lanes.keys().copied().collect::<Vec<_>>(), Lane::ALL);
        assert!(lanes.values().all(|issues| (2_000..3_000).contains(&issues.len())), "about a quarter each");
    }
}
