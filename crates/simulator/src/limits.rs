//! Jira's three limits, all off until a test switches them on: bursts per endpoint and method, points per UTC hour for
//! apps, and writes on one issue. They go by the site's clock.

mod bucket;
pub(crate) mod cost;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Method;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::world::World;
use bucket::{Bucket, Window};

/// Which limits a site keeps, and what it says about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// The share of Jira's published rates (100 reads a second and endpoint, 50 changes, some more) that is granted:
    /// 1.0 is all of it. None is no limit.
    pub burst: Option<f64>,
    /// What an app may spend per UTC hour; people's own tokens are not metered.
    pub points: Option<Quota>,
    /// 20 writes in 2 seconds and 100 in 30 on one issue.
    pub per_issue_writes: bool,
    /// The headers.
    pub signs: Signs,
}

/// An hourly allowance of points for each app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// 65,000 for an app that Atlassian did not review.
    pub per_hour: u64,
    /// Whether it is meant.
    pub enforcement: Enforcement,
}

/// Whether an exhausted quota refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Everything is refused until the hour ends.
    Enforced,
    /// Only told, in headers that begin with `Beta-`.
    Announced,
}

/// What answers say about limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signs {
    /// `Retry-After` on refusals.
    pub retry_after: bool,
    /// `X-RateLimit-Reset` on refusals.
    pub reset: Reset,
    /// `RateLimit` and `RateLimit-Policy`, the structured pair.
    pub structured: bool,
    /// `X-RateLimit-Limit` and the like on answers that are no refusals, too.
    pub on_every_answer: bool,
}

impl Default for Signs {
    fn default() -> Self {
        Self { retry_after: true, reset: Reset::WithSeconds, structured: false, on_every_answer: false }
    }
}

/// How a refusal says when it ends; Jira was seen to do all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// Not at all.
    #[default]
    Absent,
    /// `2026-03-26T16:00:00Z`
    WithSeconds,
    /// `2026-03-26T16:00Z`
    WithoutSeconds,
}

/// Why a request is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Too many for this endpoint and method.
    Burst,
    /// Too many writes on this issue.
    IssueWrites,
    /// The app's points are spent.
    GlobalQuota,
    /// The app's points for this site are spent.
    TenantQuota,
    /// Seen in the field, not documented.
    Cost,
    /// Seen in the field, not documented.
    ConcurrentThreads,
    /// By the gateway: no reason, a category of failure instead.
    Gateway,
}

/// A 429 as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Why.
    pub reason: Reason,
    /// `Retry-After`, in whole seconds.
    pub retry_after: Option<Duration>,
    /// `X-RateLimit-Reset`.
    pub reset: Reset,
}

/// A request as the limits see it.
pub(crate) struct Asked<'a> {
    /// The route's template with `*` for what varies.
    pub(crate) route: &'a str,
    pub(crate) method: &'a Method,
    /// The app that asks; none for a person's token.
    pub(crate) app: Option<&'a str>,
}

/// What is left, for the headers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Left {
    /// Requests a second on this endpoint, and those left.
    pub(crate) burst: Option<(u64, u64)>,
    /// The app's quota, and the points left.
    pub(crate) points: Option<(Quota, u64)>,
}

/// A request that is refused, and until when.
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) wait: TimeDelta,
    pub(crate) limit: u64,
    /// Seconds the limit is counted over.
    pub(crate) window: u64,
}

/// Counts what was asked.
pub(crate) struct Meter(Mutex<Gauges>);

struct Gauges {
    limits: Limits,
    buckets: HashMap<(String, Method), Bucket>,
    /// Points spent by each app in the hour that began then.
    spent: HashMap<String, (DateTime<Utc>, u64)>,
    writes: HashMap<u64, Window>,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        let (buckets, spent, writes) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self(Mutex::new(Gauges { limits, buckets, spent, writes }))
    }

    /// Lets a request in, or says why not. A quota that is spent refuses before anything else is counted.
    pub(crate) fn admit(&self, asked: &Asked<'_>, now: DateTime<Utc>) -> Result<Left, Refused> {
        let mut gauges = self.lock();
        let points = gauges.quota(asked.app, now)?;
        let burst = gauges.burst(asked, now)?;
        Ok(Left { burst, points })
    }

    /// Whether one more write on an issue is within its limits, which it then counts against.
    pub(crate) fn write_allowed(&self, issue: u64, now: DateTime<Utc>) -> Result<(), Refused> {
        let mut gauges = self.lock();
        if gauges.limits.per_issue_writes { gauges.write(issue, now) } else { Ok(()) }
    }

    /// Takes points off an app's allowance and answers what is left.
    pub(crate) fn charge(&self, app: &str, points: u64, now: DateTime<Utc>) -> Option<(Quota, u64)> {
        let mut gauges = self.lock();
        let quota = gauges.limits.points?;
        let spent = gauges.spent(app, now);
        *spent = spent.saturating_add(points);
        let left = quota.per_hour.saturating_sub(*spent);
        Some((quota, left))
    }

    /// Whether answers to an app have to be counted.
    pub(crate) fn counts_points(&self) -> bool {
        self.lock().limits.points.is_some()
    }

    pub(crate) fn signs(&self) -> Signs {
        self.lock().limits.signs.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Gauges> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauges {
    fn quota(&mut self, app: Option<&str>, now: DateTime<Utc>) -> Result<Option<(Quota, u64)>, Refused> {
        let (Some(quota), Some(app)) = (self.limits.points, app) else { return Ok(None) };
        let left = quota.per_hour.saturating_sub(*self.spent(app, now));
        if left == 0 && quota.enforcement == Enforcement::Enforced {
            let wait = until_next_hour(now);
            return Err(Refused { reason: Reason::GlobalQuota, wait, limit: quota.per_hour, window: 3600 });
        }
        Ok(Some((quota, left)))
    }

    /// What an app spent in this hour; nothing is carried over.
    fn spent(&mut self, app: &str, now: DateTime<Utc>) -> &mut u64 {
        let hour = this_hour(now);
        let (since, spent) = self.spent.entry(app.to_owned()).or_insert((hour, 0));
        if *since != hour {
            (*since, *spent) = (hour, 0);
        }
        spent
    }

    fn burst(&mut self, asked: &Asked<'_>, now: DateTime<Utc>) -> Result<Option<(u64, u64)>, Refused> {
        let Some(share) = self.limits.burst else { return Ok(None) };
        let rate = (f64::from(cost::rate(asked.method, asked.route)) * share).max(0.01);
        let bucket = self.buckets.entry((asked.route.to_owned(), asked.method.clone()));
        let bucket = bucket.or_insert_with(|| Bucket::full(rate, now));
        bucket.take(rate, now).map(|left| Some((whole(rate), left))).map_err(|wait| Refused {
            reason: Reason::Burst,
            wait,
            limit: whole(rate),
            window: 1,
        })
    }

    fn write(&mut self, issue: u64, now: DateTime<Utc>) -> Result<(), Refused> {
        // Issues nobody writes to any more are forgotten before the list grows long.
        if self.writes.len() > 1000 {
            self.writes.retain(|_, window| window.is_busy(now));
        }
        let window = self.writes.entry(issue).or_default();
        window.take(now).map_err(|(wait, limit, window)| Refused { reason: Reason::IssueWrites, wait, limit, window })
    }
}

/// The published capacity: at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are small and positive")]
fn whole(rate: f64) -> u64 {
    (rate as u64).max(1)
}

fn this_hour(now: DateTime<Utc>) -> DateTime<Utc> {
    now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now)
}

/// How long until points are given out anew.
pub(crate) fn until_next_hour(now: DateTime<Utc>) -> TimeDelta {
    this_hour(now) + TimeDelta::hours(1) - now
}

impl World {
    /// Keeps these limits from now on; what was counted so far is forgotten.
    pub fn set_limits(&self, limits: Limits) {
        let mut gauges = self.door.meter.lock();
        gauges.limits = limits;
        gauges.buckets.clear();
        gauges.spent.clear();
        gauges.writes.clear();
    }

    /// Points an app (by its client id) has spent in the present hour of the site's clock.
    pub fn points_spent(&self, client_id: &str) -> u64 {
        let now = self.now();
        *self.door.meter.lock().spent(client_id, now)
    }
}
