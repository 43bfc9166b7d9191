//! Jira's notation of time.

use chrono::{DateTime, Utc};

/// Parses `2026-02-03T10:11:12.345+0100` (an offset without a colon, which RFC 3339 readers refuse) and RFC 3339 itself,
/// which the Agile routes use.
pub fn parse_jira_time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z")
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
        assert_eq!(parse_jira_time("2026-02-03"), None);
    }
}
