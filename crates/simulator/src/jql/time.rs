//! Points in time as JQL writes them: literals in the caller's zone, periods back from now, epoch milliseconds.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The instant a value stands for, in epoch milliseconds. Epoch milliseconds themselves must not be quoted.
pub(super) fn instant(text: &str, quoted: bool, zone: Tz, now: DateTime<Utc>) -> Option<i64> {
    if !quoted && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    period(text)
        .and_then(|period| now.checked_add_signed(period))
        .or_else(|| literal(text, zone))
        .map(|at| at.timestamp_millis())
}

/// `-15m`, `-4h`, `-2d`, `1w`.
fn period(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    match unit {
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        'w' => TimeDelta::try_weeks(number),
        _ => None,
    }
}

/// `2026-02-03 10:11`, `2026/02/03 10:11` or the day alone, which means its midnight.
fn literal(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    let text = text.replace('/', "-");
    let minute = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M");
    let day = || NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    in_zone(minute.ok().or_else(day)?, zone)
}

/// When clocks go back, the first of the two; when they go forward, the hour that is not there counts as the next.
fn in_zone(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.with_timezone(&Utc)),
        LocalResult::None => {
            let later = zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest()?;
            Some(later.with_timezone(&Utc))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn utc(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn read(text: &str, zone: Tz) -> Option<i64> {
        instant(text, true, zone, DateTime::parse_from_rfc3339("2026-03-01T12:00:00Z").unwrap().to_utc())
    }

    #[test]
    fn literals_are_read_in_the_callers_zone() {
        assert_eq!(read("2026-02-03 10:11", Tz::Europe__Berlin), Some(utc("2026-02-03T09:11:00Z")));
        assert_eq!(read("2026/07/03 10:11", Tz::Europe__Berlin), Some(utc("2026-07-03T08:11:00Z")));
        assert_eq!(read("2026-02-03", Tz::America__New_York), Some(utc("2026-02-03T05:00:00Z")));
    }

    #[test]
    fn the_hour_of_the_clock_change_is_read_too() {
        // 2026-03-29: 02:00 to 03:00 does not exist in Berlin; 2026-10-25: 02:30 exists twice.
        assert_eq!(read("2026-03-29 02:30", Tz::Europe__Berlin), Some(utc("2026-03-29T01:30:00Z")));
        assert_eq!(read("2026-03-29 03:30", Tz::Europe__Berlin), Some(utc("2026-03-29T01:30:00Z")));
        assert_eq!(read("2026-10-25 02:30", Tz::Europe__Berlin), Some(utc("2026-10-25T00:30:00Z")));
        assert_eq!(read("2026-10-25 03:30", Tz::Europe__Berlin), Some(utc("2026-10-25T02:30:00Z")));
    }

    #[test]
    fn periods_count_from_now_and_bare_numbers_are_milliseconds() {
        let now = DateTime::parse_from_rfc3339("2026-03-01T12:00:00Z").unwrap().to_utc();
        assert_eq!(instant("-15m", false, Tz::Asia__Tokyo, now), Some(utc("2026-03-01T11:45:00Z")));
        assert_eq!(instant("-2d", true, Tz::Asia__Tokyo, now), Some(utc("2026-02-27T12:00:00Z")));
        assert_eq!(instant("1732877091123", false, Tz::Asia__Tokyo, now), Some(1_732_877_091_123));
        assert_eq!(instant("1732877091123", true, Tz::Asia__Tokyo, now), None);
        assert_eq!(instant("2026-02-30", true, Tz::UTC, now), None);
    }
}
