//! Jira's notation of time.

use chrono::{
    DateTime, Utc,
    format::{Fixed, Item, Numeric, Pad, Parsed, parse},
};

/// `%Y-%m-%dT%H:%M:%S%.f%z`, taken apart once: there are a dozen times an issue.
const PLATFORM: [Item<'static>; 13] = [
    Item::Numeric(Numeric::Year, Pad::Zero),
    Item::Literal("-"),
    Item::Numeric(Numeric::Month, Pad::Zero),
    Item::Literal("-"),
    Item::Numeric(Numeric::Day, Pad::Zero),
    Item::Literal("T"),
    Item::Numeric(Numeric::Hour, Pad::Zero),
    Item::Literal(":"),
    Item::Numeric(Numeric::Minute, Pad::Zero),
    Item::Literal(":"),
    Item::Numeric(Numeric::Second, Pad::Zero),
    Item::Fixed(Fixed::Nanosecond),
    Item::Fixed(Fixed::TimezoneOffset),
];

/// Parses `2026-02-03T10:11:12.345+0100` (an offset without a colon, which RFC 3339 readers refuse) and RFC 3339 itself,
/// which the Agile routes use.
pub fn parse_jira_time(text: &str) -> Option<DateTime<Utc>> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, PLATFORM.iter())
        .and_then(|()| parsed.to_datetime())
        .or_else(|_| DateTime::parse_from_rfc3339(text))
        .ok()
        .map(|time| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_mean_the_same_instant() {
        let platform = parse_jira_time("2026-02-03T10:11:12.345+0100").expect("platform form");
        assert_eq!(platform.to_rfc3339(), "2026-02-03T09:11:12.345+00:00");
        assert_eq!(parse_jira_time("2026-02-03T09:11:12.345Z"), Some(platform));
        assert_eq!(parse_jira_time("2026-02-03T10:11:12.345+01:00"), Some(platform));
        let format = "%Y-%m-%dT%H:%M:%S%.f%z";
        assert!(chrono::format::StrftimeItems::new(format).eq(PLATFORM));
        assert_eq!(parse_jira_time("2026-02-03"), None);
    }
}
