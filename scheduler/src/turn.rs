//! When turns come: fixed intervals, spread by a hash of the instance, and hours of days in the instance's own zone.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use domain::{Instance, InstanceId};

/// The last turn not later than `now` of those that lie `interval` seconds apart, shifted by `shift`.
pub(crate) fn last_turn(interval: i64, shift: i64, now: i64) -> i64 {
    (now + shift).div_euclid(interval) * interval - shift
}

/// As `5 min`.
pub(crate) fn spoken(seconds: i64) -> String {
    match seconds {
        day if day % 86_400 == 0 => format!("{} d", day / 86_400),
        hour if hour % 3_600 == 0 => format!("{} h", hour / 3_600),
        minute if minute % 60 == 0 => format!("{} min", minute / 60),
        seconds => format!("{seconds} s"),
    }
}

/// At least one.
pub(crate) fn whole_seconds(interval: Duration) -> i64 {
    i64::try_from(interval.as_secs()).unwrap_or(i64::MAX / 2).clamp(1, MOST)
}

/// A year: keeps the arithmetic far from its ends.
const MOST: i64 = 366 * 24 * 3600;

/// From 0 to `interval`, the same for ever for one instance. The lower half of a version 7 id is random.
pub(crate) fn shift(instance: InstanceId, interval: i64) -> i64 {
    let random = instance.0.as_u64_pair().1 >> 1;
    i64::try_from(random).unwrap_or_default() % interval
}

/// UTC until an instance's zone is known, or where it is none that we know.
pub(crate) fn zone(instance: &Instance) -> Tz {
    instance.time_zone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

/// The first time after `now` at which clocks in this zone show this full hour.
pub(crate) fn next_day_at(hour: u32, zone: Tz, now: i64) -> Option<i64> {
    let today = DateTime::<Utc>::from_timestamp(now, 0)?.with_timezone(&zone).date_naive();
    let days = today.pred_opt()?.iter_days().take(4);
    days.filter_map(|day| shown(hour, zone, day)).find(|turn| *turn > now)
}

/// The last time, not later than `until`, at which clocks in this zone showed this full hour.
pub(crate) fn day_at(hour: u32, zone: Tz, until: i64) -> Option<i64> {
    let today = DateTime::<Utc>::from_timestamp(until, 0)?.with_timezone(&zone).date_naive();
    let turns = [today, today.pred_opt()?].map(|day| shown(hour, zone, day));
    turns.into_iter().flatten().find(|turn| *turn <= until)
}

/// When clocks show a full hour on a day: the first time where they show it twice, and where they skip it the moment at
/// which they do.
fn shown(hour: u32, zone: Tz, day: NaiveDate) -> Option<i64> {
    let wanted = day.and_hms_opt(hour, 0, 0)?;
    let quarters = (0..=12).map(|quarters| wanted + TimeDelta::minutes(15 * quarters));
    quarters.filter_map(|time| zone.from_local_datetime(&time).earliest()).map(|time| time.timestamp()).next()
}
