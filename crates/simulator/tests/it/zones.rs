//! Times in the caller's zone: in answers and in JQL, across the changes of the clock.

use chrono::{DateTime, LocalResult, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde_json::json;
use simulator::Config;

use crate::client::{Site, ids};

/// Jira's time format, offset without a colon.
const FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.3f%z";

#[tokio::test]
async fn every_time_has_the_offset_of_its_day() {
    for (zone, offsets) in [
        (Tz::Europe__Berlin, ["+0100", "+0200"]),
        (Tz::America__New_York, ["-0500", "-0400"]),
        (Tz::Australia__Lord_Howe, ["+1100", "+1030"]),
    ] {
        let site = Site::start(Config { issues: 80, account_time_zone: zone, ..Config::default() }).await;
        let found =
            site.search(json!({"jql": "created > 0", "fields": ["created", "updated"], "maxResults": 100})).await;
        let mut seen = [0, 0];
        for issue in found.json["issues"].as_array().unwrap() {
            for field in ["created", "updated"] {
                let text = issue["fields"][field].as_str().unwrap();
                let at = DateTime::parse_from_str(text, FORMAT).unwrap();
                assert_eq!(at.with_timezone(&zone).format(FORMAT).to_string(), text);
                let place = offsets.iter().position(|offset| text.ends_with(offset));
                seen[place.unwrap()] += 1;
            }
        }
        assert!(seen.iter().all(|count| *count > 0), "the site has a summer and a winter: {seen:?}");
    }
}

#[tokio::test]
async fn literals_find_what_answers_show_whatever_the_zone() {
    for zone in [Tz::Europe__Berlin, Tz::America__St_Johns, Tz::Asia__Kathmandu, Tz::UTC] {
        let site = Site::start(Config { issues: 12, account_time_zone: zone, ..Config::default() }).await;
        for id in site.world.issue_ids() {
            let created = site.field(&id.to_string(), "created").await;
            let at = DateTime::parse_from_str(created.as_str().unwrap(), FORMAT).unwrap();
            let local = at.naive_local();
            if !matches!(zone.from_local_datetime(&local), LocalResult::Single(_)) {
                continue;
            }
            let (minute, next) =
                (local.format("%Y-%m-%d %H:%M"), (local + TimeDelta::minutes(1)).format("%Y/%m/%d %H:%M"));
            let found = site.search(json!({"jql": format!("created >= \"{minute}\" AND created < '{next}'")})).await;
            assert_eq!(ids(&found.json["issues"]), [id], "{zone} {created}");
            let millis = at.timestamp_millis();
            let exact = site.search(json!({"jql": format!("created >= {millis} AND created <= {millis}")})).await;
            assert_eq!(ids(&exact.json["issues"]), [id]);
        }
    }
}

#[tokio::test]
async fn relative_periods_know_no_zone() {
    for zone in [Tz::Europe__Berlin, Tz::Asia__Tokyo] {
        let site = Site::start(Config { issues: 10, account_time_zone: zone, ..Config::default() }).await;
        let key = site.world.create("ACME", "new").unwrap();
        let id = site.world.issue_id(&key).unwrap();
        for jql in ["created >= -5m", "created >= \"-1h\"", "updated > -2d", "created >= \"-1w\""] {
            assert_eq!(ids(&site.search(json!({"jql": jql})).await.json["issues"]), [id], "{jql}");
        }
        site.world.advance(std::time::Duration::from_secs(600));
        assert_eq!(ids(&site.search(json!({"jql": "created >= -5m"})).await.json["issues"]), [0; 0]);
    }
}
