//! Polls around the night in which the clocks change, in profile zones at both ends of the earth: no update is lost.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::Watermark;
use simulator::{Config, Route};

use crate::pitfalls::desk::{polling_only, rename, standing_at};

/// Between two polls: more than the overlap, so that a window that is an hour off finds nothing.
const STEP: TimeDelta = TimeDelta::minutes(20);

/// A zone, and a moment at which its clocks go forward or back (or nothing happens).
const NIGHTS: [(Tz, &str); 10] = [
    (Tz::Europe__Berlin, "2026-03-29T01:00:00Z"),
    (Tz::America__New_York, "2026-03-08T07:00:00Z"),
    (Tz::America__St_Johns, "2026-03-08T05:30:00Z"),
    (Tz::Australia__Lord_Howe, "2026-04-04T15:00:00Z"),
    (Tz::Australia__Sydney, "2026-04-04T16:00:00Z"),
    (Tz::Pacific__Auckland, "2026-04-04T14:00:00Z"),
    (Tz::America__Santiago, "2026-04-05T03:00:00Z"),
    (Tz::Asia__Kathmandu, "2026-03-29T01:00:00Z"),
    (Tz::Pacific__Kiritimati, "2026-03-29T01:00:00Z"),
    (Tz::Etc__GMTPlus12, "2026-03-29T01:00:00Z"),
];

#[tokio::test]
async fn no_update_is_lost_while_the_clocks_change() {
    // A few at a time: each is a fleet with a database of its own.
    for nights in NIGHTS.chunks(5) {
        futures::future::join_all(nights.iter().map(|(zone, change)| night(*zone, change))).await;
    }
}

/// From an hour and a half before the change to as long after it, an issue changes before every poll.
async fn night(zone: Tz, change: &str) {
    let change: DateTime<Utc> = change.parse().unwrap();
    let began = change - TimeDelta::minutes(90);
    let clock = standing_at(&began.to_rfc3339());
    let fleet = polling_only(Config { issues: 12, account_time_zone: zone, clock, ..Default::default() }).await;
    let (world, keys) = (fleet.jira(), fleet.jira().issue_keys());
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let hydrated = world.requests().of(Route::BulkFetch);
    for (n, key) in (1..).zip(keys.iter().cycle()) {
        // Half a step before the poll, and right before it.
        world.advance(half(STEP));
        let (early, late) = (key, &keys[n % keys.len()]);
        rename(&world, early, &format!("early in step {n}"));
        let first = world.now();
        world.advance(half(STEP));
        rename(&world, late, &format!("late in step {n}"));
        fleet.poll().await;
        for (key, words, at) in [(early, "early", first), (late, "late", world.now())] {
            let row = fleet.row(key).await.unwrap();
            assert_eq!((row.summary, row.updated_at), (format!("{words} in step {n}"), at), "{zone}");
        }
        assert_eq!(tenant.poll_mark(fleet.instance.id).await.unwrap(), Some(Watermark(world.now())), "{zone}");
        let asked = world.requests().of(Route::BulkFetch) - hydrated;
        assert!(asked <= 2 * u64::try_from(n).unwrap(), "{zone}: only what changed is read, not {asked} times");
        if world.now() >= change + TimeDelta::minutes(90) {
            break;
        }
    }
    fleet.assert_mirror_equals_jira().await;
}

fn half(step: TimeDelta) -> Duration {
    (step / 2).to_std().unwrap()
}
