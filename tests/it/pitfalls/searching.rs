//! Searches: what is not found, found late, found twice, or no longer to be asked for at all.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::{ProjectId, Watermark};
use jira::{Credentials, Error};
use simulator::{Blink, Config, Fault, Route};
use tests::{FleetOptions, TestFleet};

use super::{
    desk::{Desk, client_at, polling_only, rename, standing_at},
    relay::Relay,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A route that was removed answers 410; taken for "nothing found", a connector goes on reporting an empty site.
#[tokio::test]
async fn p02_a_removed_route_is_a_failure_and_never_an_empty_result() {
    let desk = Desk::start(Config { issues: 6, ..Default::default() }).await;
    let (client, world, ids) = (&desk.client, &desk.world, desk.ids());
    let gone = |route| world.fail_next(route, 1, &Fault::Status(410, None));
    client.myself().await.unwrap();
    gone(Route::Search);
    assert!(matches!(client.issue_ids(ProjectId(10_000), None, None).await, Err(Error::Gone { .. })));
    gone(Route::Search);
    assert!(matches!(client.updated_since(world.now(), None).await, Err(Error::Gone { .. })));
    gone(Route::ApproximateCount);
    assert!(matches!(client.approximate_count(ProjectId(10_000)).await, Err(Error::Gone { .. })));
    gone(Route::BulkFetch);
    assert!(matches!(client.hydrate(&ids).await, Err(Error::Gone { .. })));
    gone(Route::Issue);
    assert!(matches!(client.issue(ids[0]).await, Err(Error::Gone { .. })));
    gone(Route::Projects);
    assert!(matches!(client.projects().await, Err(Error::Gone { .. })));
    gone(Route::Users);
    assert!(matches!(client.users().await, Err(Error::Gone { .. })));
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.jira().fail_next(Route::Search, 1, &Fault::Status(410, None));
    fleet.poll().await;
    let mark = fleet.store.tenant(fleet.instance.tenant).poll_mark(fleet.instance.id).await.unwrap();
    assert_eq!((fleet.dead().await, mark), (1, None), "an operator sees it, and the mark has not moved");
    assert_eq!(fleet.jira().requests().of(Route::OldSearch), 0, "nor is the removed search asked");
    fleet.assert_mirror_equals_jira().await;
}

/// A date in a query is read in the zone of the account's profile: written in UTC, it skips or repeats hours.
#[tokio::test]
async fn p03_an_instant_is_the_same_in_every_profile_zone() {
    use Tz::{America__St_Johns, Asia__Kathmandu, Etc__GMTPlus12, Pacific__Kiritimati, Pacific__Pago_Pago, UTC};
    for zone in [Etc__GMTPlus12, Pacific__Pago_Pago, America__St_Johns, UTC, Asia__Kathmandu, Pacific__Kiritimati] {
        let clock = standing_at("2026-02-10T12:00:30.250Z");
        let desk = Desk::start(Config { issues: 6, account_time_zone: zone, clock, ..Default::default() }).await;
        let key = desk.world.issue_keys()[2].clone();
        rename(&desk.world, &key, "now");
        let at = desk.world.now();
        let found = desk.client.updated_since(at, None).await.unwrap().issues;
        assert_eq!(found, [(desk.id(&key), at)], "{zone}");
        let later = desk.client.updated_since(at + TimeDelta::milliseconds(1), None).await.unwrap().issues;
        assert_eq!(later, [], "{zone}");
    }
}

/// A mark at the newest update that was seen loses for ever what the index learns after it.
#[tokio::test]
async fn p04_what_is_indexed_after_a_later_update_is_found_all_the_same() {
    let late = Duration::from_secs(9 * 60);
    let clock = standing_at("2026-02-10T12:00:00Z");
    let fleet = polling_only(Config { issues: 20, bulk_index_lag: late..=late, clock, ..Default::default() }).await;
    let (world, keys) = (fleet.jira(), fleet.jira().issue_keys());
    world.bulk_edit(&world.issue_ids()[..1], |issue| issue.summary = "indexed late".into()).unwrap();
    world.advance(Duration::from_secs(60));
    rename(&world, &keys[1], "indexed at once");
    world.advance(Duration::from_secs(60));
    fleet.poll().await;
    assert_eq!(fleet.row(&keys[1]).await.unwrap().summary, "indexed at once");
    assert_ne!(fleet.row(&keys[0]).await.unwrap().summary, "indexed late", "the index does not know it yet");
    let mark = fleet.store.tenant(fleet.instance.tenant).poll_mark(fleet.instance.id).await.unwrap();
    assert_eq!(mark, Some(Watermark(world.now())), "when the reading began, by Jira's clock");
    world.advance(late - Duration::from_secs(110));
    fleet.poll().await;
    assert_eq!(fleet.row(&keys[0]).await.unwrap().summary, "indexed late");
    let hydrated = world.requests().of(Route::BulkFetch);
    fleet.poll().await;
    assert_eq!(world.requests().of(Route::BulkFetch), hydrated, "what was read before costs nothing");
    fleet.assert_mirror_equals_jira().await;
}

/// A query that ends at our own "now" never collects an issue that changes all the time, nor one that Jira's clock
/// dates later than ours.
#[tokio::test]
async fn p05_a_busy_issue_is_collected_by_every_poll() {
    for zone in [Tz::Pacific__Kiritimati, Tz::Pacific__Pago_Pago] {
        let jira = Config { issues: 10, account_time_zone: zone, ..Default::default() };
        let fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
        fleet.backfill().await;
        fleet.lose_webhooks();
        let (world, key) = (fleet.jira(), fleet.jira().issue_keys()[4].clone());
        world.advance(HOUR * 2);
        for n in 0..5 {
            rename(&world, &key, &format!("changed {n} times"));
            fleet.poll().await;
            assert_eq!(fleet.row(&key).await.unwrap().summary, format!("changed {n} times"), "{zone}");
        }
    }
}

/// A webhook comes before the search knows its issue, and an issue once found vanishes again while it is indexed:
/// neither is a deletion.
#[tokio::test]
async fn p06_an_issue_that_the_search_does_not_find_is_not_deleted() {
    let index_blink = Blink { chance: 1.0, extra: HOUR..=HOUR };
    let jira = Config { issues: 20, index_lag: HOUR..=HOUR, index_blink, ..Default::default() };
    let fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
    fleet.backfill().await;
    let (world, known) = (fleet.jira(), fleet.jira().issue_keys()[3].clone());
    let born = world.create(&world.project_keys()[0], "not indexed yet").unwrap();
    rename(&world, &known, "vanished from the index");
    fleet.drain().await;
    for _ in 0..2 {
        assert_eq!(fleet.row(&born).await.unwrap().summary, "not indexed yet");
        assert_eq!(fleet.row(&known).await.unwrap().summary, "vanished from the index");
        fleet.poll().await;
        fleet.backfill().await;
    }
    fleet.assert_mirror_equals_jira().await;
}

/// A listing came to its end as if all were well, with a third of a large project missing. An operator sees fewer issues
/// than Jira counts, nothing is hidden for it, and the next census fills the gap by itself.
#[tokio::test]
async fn p13_a_listing_that_ends_too_early_shows_in_the_progress() {
    let fleet = TestFleet::start().await;
    let world = fleet.jira();
    let missed: Vec<String> = world.issue_keys().into_iter().filter(|key| key.starts_with("ACME-")).take(7).collect();
    for key in &missed {
        world.blink_out(world.issue_id(key).unwrap(), HOUR);
    }
    fleet.backfill().await;
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    for row in tenant.backfill_progress(fleet.instance.id).await.unwrap() {
        let short = row.expected.unwrap() - row.synced;
        assert_eq!(short, if row.project_key == "ACME" { 7 } else { 0 }, "{row:?}");
    }
    world.settle_index();
    for key in &missed {
        assert!(fleet.row(key).await.is_none(), "{key}");
    }
    fleet.census().await;
    fleet.assert_mirror_equals_jira().await;
}

/// A search that takes no notice of where to go on gives its first page for ever, and a connector reads it for ever.
#[tokio::test]
async fn p17_a_first_page_that_is_repeated_for_ever_ends_the_reading() {
    let jira =
        Config { issues: 9, page_cap: 4, comments_per_issue: 150..=150, embedded_comment_cap: 5, ..Default::default() };
    let desk = Desk::start(jira).await;
    let (search, comments) = (Mutex::new(None::<String>), Mutex::new(None::<String>));
    let relay = Relay::start(&desk.site, move |path, text| {
        let first = match path {
            "/rest/api/3/search/jql" => &search,
            path if path.ends_with("/comment") => &comments,
            _ => return text,
        };
        first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text).clone()
    })
    .await;
    let Config { email, token, .. } = desk.world.config();
    let credentials = Credentials::Basic { email: email.clone(), token: token.clone().into() };
    let client = client_at(&relay.url, credentials).await;
    let from = desk.world.now() - TimeDelta::days(4000);
    let first = client.updated_since(from, None).await.unwrap();
    let again = client.updated_since(from, first.next.as_deref()).await;
    assert!(matches!(again, Err(Error::Malformed { .. })), "{again:?}");
    let hydrated = client.hydrate(&desk.ids()[..1]).await.unwrap();
    assert!(hydrated.snapshots.is_empty(), "an issue with the first hundred comments, twice");
    assert!(hydrated.failed[0].1.contains("the same page twice"), "{:?}", hydrated.failed);
    let asked = relay.paths().iter().filter(|path| path.ends_with("/comment")).count();
    assert_eq!(asked, 2);
}

/// What was written just now is not in the search yet: whoever looks there for the proof writes again.
#[tokio::test]
async fn p23_a_write_is_confirmed_by_reading_the_issue_and_not_by_searching() {
    let desk = Desk::start(Config { issues: 6, index_lag: HOUR..=HOUR, ..Default::default() }).await;
    let new = super::writing::new_issue(&desk, "confirmed").await;
    let made = desk.client.create(&new).await.unwrap();
    assert_eq!(desk.client.issue(made.id).await.unwrap().unwrap().issue.summary, "confirmed");
    let times = desk.client.update_times(&[made.id]).await.unwrap();
    assert_eq!((times.issues.len(), times.absent.len()), (1, 0));
    assert_eq!(desk.client.find_issues(new.project, &new.mark).await.unwrap(), [], "the search knows nothing of it");
    desk.world.settle_index();
    assert_eq!(desk.client.find_issues(new.project, &new.mark).await.unwrap(), [made.id]);
}
