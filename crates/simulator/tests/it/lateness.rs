//! The late index by the clock: lags, bulk operations, issues that blink out, and what reconciling repairs.

use std::time::Duration;

use chrono::DateTime;
use serde_json::json;
use simulator::{Blink, Config, Pace};

use crate::client::{Site, ids};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    let clock = Pace::Virtual(DateTime::from_timestamp(1_790_000_000, 0).unwrap());
    Config { issues: 6, clock, index_lag: 3 * SECOND..=3 * SECOND, ..Config::default() }
}

async fn found(site: &Site, more: serde_json::Value) -> Vec<u64> {
    let mut ask = json!({"jql": "labels = late"});
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ids(&site.search(ask).await.json["issues"])
}

async fn counted(site: &Site) -> u64 {
    let count = site.post("/rest/api/3/search/approximate-count", &json!({"jql": "labels = late"})).await;
    count.json["count"].as_u64().unwrap()
}

#[tokio::test]
async fn a_change_is_found_when_its_lag_is_over_on_the_sites_clock() {
    let site = Site::start(config()).await;
    let id = site.world.edit("ACME-1", |issue| issue.labels.push("late".into())).unwrap();
    site.world.advance(3 * SECOND - Duration::from_millis(1));
    assert_eq!((found(&site, json!({})).await, counted(&site).await), (vec![], 0));
    site.world.advance(Duration::from_millis(1));
    assert_eq!((found(&site, json!({})).await, counted(&site).await), (vec![id], 1));
}

#[tokio::test]
async fn a_bulk_operation_is_found_much_later_unless_reconciled() {
    let site = Site::start(Config { bulk_index_lag: 60 * SECOND..=90 * SECOND, ..config() }).await;
    let all = site.world.issue_ids();
    assert_eq!(site.world.bulk_edit(&all, |issue| issue.labels.push("late".into())), Ok(6));
    site.world.edit(&all[5].to_string(), |issue| issue.labels.push("alone".into())).unwrap();
    site.world.advance(3 * SECOND);
    assert_eq!(found(&site, json!({})).await, [all[5]], "a change by itself has the short lag");
    let mut two = found(&site, json!({"reconcileIssues": [all[0]]})).await;
    two.sort_unstable();
    assert_eq!(two, [all[0], all[5]]);
    site.world.advance(87 * SECOND);
    assert_eq!((found(&site, json!({})).await.len(), counted(&site).await), (6, 6));
}

#[tokio::test]
async fn a_found_issue_can_vanish_for_a_while() {
    let site = Site::start(config()).await;
    let id = site.world.edit("ACME-1", |issue| issue.labels.push("late".into())).unwrap();
    site.world.settle_index();
    site.world.blink_out(id, 20 * SECOND);
    assert_eq!((found(&site, json!({})).await, counted(&site).await), (vec![], 0));
    assert_eq!(site.get("/rest/api/3/issue/ACME-1").await.status, 200, "the store has it all the time");
    site.world.advance(20 * SECOND);
    assert_eq!(found(&site, json!({})).await, [id]);
}

#[tokio::test]
async fn issues_blink_out_by_themselves_when_asked_to() {
    let blink = Blink { chance: 1.0, extra: 10 * SECOND..=10 * SECOND };
    let site = Site::start(Config { index_blink: blink, ..config() }).await;
    let label = |issue: &mut simulator::Issue| issue.labels.push("late".into());
    let id = site.world.edit("ACME-1", label).unwrap();
    site.world.settle_index();
    assert_eq!(found(&site, json!({})).await, [id]);
    site.world.edit("ACME-1", |issue| issue.summary.push('!')).unwrap();
    assert_eq!(found(&site, json!({})).await, [0; 0]);
    site.world.advance(12 * SECOND);
    assert_eq!(found(&site, json!({})).await, [0; 0]);
    site.world.advance(SECOND);
    assert_eq!(found(&site, json!({})).await, [id]);
}
