//! Times as JQL says them: literal, or counted from now in the asker's zone.

use std::fmt::{self, Display, Formatter};

use chrono::{
    DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc,
};
use chrono_tz::Tz;

use super::Surroundings;

/// A time that may depend on when and where it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// By the asker's calendar and clock.
    Local(NaiveDateTime),
    /// Milliseconds since 1970.
    Epoch(i64),
    /// Minutes from now.
    FromNow(i64),
    /// The beginning or end of the period now, moved by some units.
    Edge { edge: Edge, period: Unit, by: i64, unit: Unit },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Start,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// Years that times may lie in.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;
/// Digits of a count: three thousand years of minutes need ten.
const LONGEST_COUNT: usize = 9;

impl Moment {
    /// `2026-02-28`, `2026/02/28 13:45`, `-1w 2d`, or milliseconds.
    pub(super) fn literal(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() >= 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let millis = text.parse().ok()?;
            return DateTime::from_timestamp_millis(millis).filter(in_range).map(|_| Self::Epoch(millis));
        }
        if let Some(minutes) = relative(text) {
            return Some(Self::FromNow(minutes));
        }
        let dashed = text.replace('/', "-");
        let local = NaiveDateTime::parse_from_str(&dashed, "%Y-%m-%d %H:%M")
            .or_else(|_| NaiveDateTime::parse_from_str(&dashed, "%Y-%m-%d %H:%M:%S"))
            .or_else(|_| NaiveDate::parse_from_str(&dashed, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN)));
        local.ok().filter(in_range).map(Self::Local)
    }

    /// `now()`, and `startOfDay()`, `endOfMonth("-1")` and their like.
    pub(super) fn function(name: &str, argument: Option<&str>) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if name == "now" {
            return argument.is_none().then_some(Self::FromNow(0));
        }
        let (edge, period) = name
            .strip_prefix("startof")
            .map(|period| (Edge::Start, period))
            .or_else(|| name.strip_prefix("endof").map(|period| (Edge::End, period)))?;
        let period = match period {
            "day" => Unit::Day,
            "week" => Unit::Week,
            "month" => Unit::Month,
            "year" => Unit::Year,
            _ => return None,
        };
        let (by, unit) = argument.map_or(Some((0, period)), |text| increment(text, period))?;
        Some(Self::Edge { edge, period, by, unit })
    }

    /// The instant. `None` where it lies beyond the years that are kept.
    pub(super) fn instant(&self, around: &Surroundings) -> Option<DateTime<Utc>> {
        let time = match self {
            Self::Local(local) => earliest(around.zone, *local)?,
            Self::Epoch(millis) => DateTime::from_timestamp_millis(*millis)?,
            Self::FromNow(minutes) => around.now.checked_add_signed(TimeDelta::try_minutes(*minutes)?)?,
            Self::Edge { edge, period, by, unit } => {
                let today = around.now.with_timezone(&around.zone).date_naive();
                let start = moved(start_of(today, *period)?.and_time(NaiveTime::MIN), *by, *unit)?;
                match edge {
                    Edge::Start => earliest(around.zone, start)?,
                    // One millisecond, the finest that Jira knows, before the next period begins.
                    Edge::End => earliest(around.zone, moved(start, 1, *period)?)? - TimeDelta::milliseconds(1),
                }
            }
        };
        in_range(&time).then_some(time)
    }

    /// The day of it on the asker's calendar.
    pub(super) fn day(&self, around: &Surroundings) -> Option<NaiveDate> {
        match self {
            Self::Local(local) => Some(local.date()),
            other => Some(other.instant(around)?.with_timezone(&around.zone).date_naive()),
        }
    }
}

fn in_range(time: &impl Datelike) -> bool {
    YEARS.contains(&time.year())
}

/// `-1w 2d 3h 4m`: one sign for all of it.
fn relative(text: &str) -> Option<i64> {
    let (sign, rest) = signed(text)?;
    let mut minutes = 0_i64;
    let mut rest = rest;
    loop {
        let (count, unit, after) = counted(rest)?;
        let each = match unit {
            'm' => 1,
            'h' => 60,
            'd' => 60 * 24,
            'w' => 60 * 24 * 7,
            _ => return None,
        };
        minutes = minutes.checked_add(count.checked_mul(each)?)?;
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(sign * minutes);
        }
    }
}

/// `-1` or `+2w`.
fn increment(text: &str, natural: Unit) -> Option<(i64, Unit)> {
    let (sign, rest) = signed(text.trim())?;
    if let Some(count) = count(rest) {
        return Some((sign * count, natural));
    }
    let (count, unit, after) = counted(rest)?;
    let unit = match unit {
        'y' => Unit::Year,
        'M' => Unit::Month,
        'w' => Unit::Week,
        'd' => Unit::Day,
        'h' => Unit::Hour,
        'm' => Unit::Minute,
        _ => return None,
    };
    after.is_empty().then_some((sign * count, unit))
}

/// A sign is optional; without one it counts forward.
fn signed(text: &str) -> Option<(i64, &str)> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    (!rest.is_empty()).then_some((sign, rest))
}

fn count(text: &str) -> Option<i64> {
    let digits = (1..=LONGEST_COUNT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn counted(text: &str) -> Option<(i64, char, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let unit = text[end..].chars().next()?;
    Some((count(&text[..end])?, unit, &text[end + unit.len_utf8()..]))
}

/// Weeks begin on Mondays.
fn start_of(day: NaiveDate, period: Unit) -> Option<NaiveDate> {
    match period {
        Unit::Week => day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())),
        Unit::Month => day.with_day(1),
        Unit::Year => day.with_day(1)?.with_month(1),
        Unit::Day | Unit::Hour | Unit::Minute => Some(day),
    }
}

fn moved(time: NaiveDateTime, by: i64, unit: Unit) -> Option<NaiveDateTime> {
    let by_months = |months: i64| {
        let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
        if months < 0 { time.checked_sub_months(count) } else { time.checked_add_months(count) }
    };
    match unit {
        Unit::Year => by_months(by.checked_mul(12)?),
        Unit::Month => by_months(by),
        Unit::Week => time.checked_add_signed(TimeDelta::try_weeks(by)?),
        Unit::Day => time.checked_add_signed(TimeDelta::try_days(by)?),
        Unit::Hour => time.checked_add_signed(TimeDelta::try_hours(by)?),
        Unit::Minute => time.checked_add_signed(TimeDelta::try_minutes(by)?),
    }
}

/// Of two instants with one clock reading the earlier one; for a reading that a clock skipped, what it showed an hour later.
fn earliest(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.with_timezone(&Utc)),
        LocalResult::None => {
            let later = zone.from_local_datetime(&local.checked_add_signed(TimeDelta::hours(1))?).earliest()?;
            Some(later.with_timezone(&Utc))
        }
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(time) if time.time() == NaiveTime::MIN => write!(f, "\"{}\"", time.format("%Y-%m-%d")),
            Self::Local(time) => write!(f, "\"{}\"", time.format("%Y-%m-%d %H:%M:%S")),
            Self::Epoch(millis) => write!(f, "{millis}"),
            Self::FromNow(0) => f.write_str("now()"),
            Self::FromNow(minutes) => write!(f, "{minutes}m"),
            Self::Edge { edge, period, by, unit } => {
                let edge = if *edge == Edge::Start { "startOf" } else { "endOf" };
                let (period, _) = period.names();
                match by {
                    0 => write!(f, "{edge}{period}()"),
                    by => write!(f, "{edge}{period}(\"{by}{}\")", unit.names().1),
                }
            }
        }
    }
}

impl Unit {
    fn names(self) -> (&'static str, char) {
        match self {
            Self::Minute => ("Minute", 'm'),
            Self::Hour => ("Hour", 'h'),
            Self::Day => ("Day", 'd'),
            Self::Week => ("Week", 'w'),
            Self::Month => ("Month", 'M'),
            Self::Year => ("Year", 'y'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings {
        let now = "2026-03-29T10:30:00Z".parse().expect("a time");
        Surroundings { now, zone: chrono_tz::Europe::Berlin, account: None }
    }

    fn literal(text: &str) -> Option<String> {
        Some(Moment::literal(text)?.instant(&around())?.to_rfc3339())
    }

    fn function(name: &str, argument: Option<&str>) -> Option<String> {
        Some(Moment::function(name, argument)?.instant(&around())?.to_rfc3339())
    }

    #[test]
    fn literal_times_are_in_the_askers_zone() {
        assert_eq!(literal("2026-02-28").as_deref(), Some("2026-02-27T23:00:00+00:00"));
        assert_eq!(literal("2026/07/01 13:45").as_deref(), Some("2026-07-01T11:45:00+00:00"));
        assert_eq!(literal("1732877091000").as_deref(), Some("2024-11-29T10:44:51+00:00"));
        // On this day the clock went from two to three.
        assert_eq!(literal("2026-03-29 02:30").as_deref(), Some("2026-03-29T01:30:00+00:00"));
        for bad in ["", "-", "7", "2026-13-01", "12345-01-01", "-7x", "9999999999d", "today"] {
            assert_eq!(Moment::literal(bad), None, "{bad}");
        }
    }

    #[test]
    fn relative_times_count_from_now() {
        assert_eq!(literal("-7d").as_deref(), Some("2026-03-22T10:30:00+00:00"));
        assert_eq!(literal("-1w 2d 3h 5m").as_deref(), Some("2026-03-20T07:25:00+00:00"));
        assert_eq!(literal("4h"), literal("+4h"));
        assert_eq!(function("now", None).as_deref(), Some("2026-03-29T10:30:00+00:00"));
    }

    #[test]
    fn periods_begin_and_end_on_the_askers_calendar() {
        assert_eq!(function("startOfDay", None).as_deref(), Some("2026-03-28T23:00:00+00:00"));
        // A day of twenty-three hours.
        assert_eq!(function("endOfDay", None).as_deref(), Some("2026-03-29T21:59:59.999+00:00"));
        assert_eq!(function("startOfWeek", None).as_deref(), Some("2026-03-22T23:00:00+00:00"));
        assert_eq!(function("startOfMonth", Some("-1")).as_deref(), Some("2026-01-31T23:00:00+00:00"));
        assert_eq!(function("endOfMonth", Some("-1M")).as_deref(), Some("2026-02-28T22:59:59.999+00:00"));
        assert_eq!(function("startofyear", Some("+2w")).as_deref(), Some("2026-01-14T23:00:00+00:00"));
        assert_eq!(function("startOfHour", None), None);
        assert_eq!(function("startOfDay", Some("soon")), None);
    }
}
