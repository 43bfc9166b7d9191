//! Time spent: logged over HTTP, embedded up to twenty, and the feeds of what changed where.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Config, IssueLimits};

use crate::client::{Site, doc};

async fn site() -> Site {
    let issue_limits = IssueLimits { worklogs: 30, ..IssueLimits::default() };
    Site::start(Config { issues: 20, worklogs_per_issue: 0..=0, issue_limits, ..Config::default() }).await
}

#[tokio::test]
async fn time_is_logged_corrected_and_taken_back() {
    let site = site().await;
    let path = "/rest/api/3/issue/ACME-1/worklog";
    let ask = json!({"timeSpentSeconds": 5400, "comment": doc("work"), "started": "2026-02-03T10:11:12.345+0100"});
    let made = site.post(path, &ask).await;
    assert_eq!((made.status, &made.json["timeSpent"], &made.json["comment"]), (201, &json!("1h 30m"), &doc("work")));
    assert_eq!(made.json["started"], "2026-02-03T10:11:12.345+0100");
    let one = format!("{path}/{}", made.json["id"].as_str().unwrap());
    let changed = site.put(&one, &json!({"timeSpent": "2h"})).await;
    assert_eq!((changed.status, &changed.json["timeSpentSeconds"]), (200, &json!(7200)));
    assert_eq!(changed.json["comment"], doc("work"), "what is not named stays");
    assert_eq!(site.field("ACME-1", "timetracking").await["timeSpentSeconds"], 7200);
    assert_eq!(site.delete(&one).await.status, 204);
    assert_eq!(site.get(&one).await.status, 404);
    for wrong in [json!({}), json!({"timeSpent": "much"}), json!({"timeSpent": "1h", "comment": "plain"})] {
        assert_eq!(site.post(path, &wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn twenty_are_embedded_and_the_limit_is_kept() {
    let site = site().await;
    let logs: Vec<u64> = (0..30).map(|_| site.world.log_work("ACME-1", 60).unwrap()).collect();
    let embedded = site.field("ACME-1", "worklog").await;
    assert_eq!((&embedded["total"], &embedded["maxResults"]), (&json!(30), &json!(20)));
    let shown = embedded["worklogs"].as_array().unwrap();
    assert_eq!((shown.len(), &shown[0]["id"]), (20, &json!(logs[10].to_string())), "the oldest are lost");
    let all = site.get("/rest/api/3/issue/ACME-1/worklog").await.json;
    assert_eq!((&all["total"], all["worklogs"].as_array().unwrap().len()), (&json!(30), 30));
    let full = site.post("/rest/api/3/issue/ACME-1/worklog", &json!({"timeSpent": "1m"})).await;
    assert_eq!(full.status, 413);
}

/// Every worklog a feed tells of, page by page.
async fn feed(site: &Site, what: &str) -> Vec<u64> {
    let (mut found, mut since) = (Vec::new(), json!(0));
    loop {
        let page = site.get(&format!("/rest/api/3/worklog/{what}?since={since}")).await.json;
        let values = page["values"].as_array().unwrap();
        found.extend(values.iter().map(|value| value["worklogId"].as_u64().unwrap()));
        if page["lastPage"] == true {
            assert_eq!(page.get("nextPage"), None);
            return found;
        }
        assert!(values.len() >= 1000 && page["nextPage"].as_str().unwrap().ends_with(&page["until"].to_string()));
        since = page["until"].clone();
    }
}

#[tokio::test]
async fn the_feeds_leave_out_the_last_minute() {
    let site = site().await;
    let (kept, gone) = (site.world.log_work("ACME-1", 60).unwrap(), site.world.log_work("ACME-1", 60).unwrap());
    site.world.delete_worklog("ACME-1", gone).unwrap();
    assert_eq!((feed(&site, "updated").await, feed(&site, "deleted").await), (vec![], vec![]));
    site.world.advance(Duration::from_secs(61));
    assert_eq!((feed(&site, "updated").await, feed(&site, "deleted").await), (vec![kept], vec![gone]));
    site.world.edit_worklog("ACME-1", kept, 120).unwrap();
    assert_eq!(feed(&site, "updated").await, [0; 0]);
    site.world.advance(Duration::from_secs(61));
    assert_eq!(feed(&site, "updated").await, [kept]);
    let list = site.post("/rest/api/3/worklog/list", &json!({"ids": [kept, gone]})).await.json;
    assert_eq!((list.as_array().unwrap().len(), &list[0]["timeSpentSeconds"]), (1, &json!(120)));
    site.world.delete("ACME-1").unwrap();
    site.world.advance(Duration::from_secs(61));
    let mut deleted = feed(&site, "deleted").await;
    deleted.sort_unstable();
    assert_eq!(deleted, [kept, gone], "those of deleted issues are deleted, too");
}

#[tokio::test]
async fn a_long_feed_comes_in_pages_without_loss() {
    let config = Config { issues: 900, worklogs_per_issue: 3..=3, ..Config::default() };
    let site = Site::start(config).await;
    let mut found = feed(&site, "updated").await;
    assert_eq!(found.len(), 2700);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 2700, "nothing comes twice");
    let too_many: Vec<u64> = (1..=1001).collect();
    assert_eq!(site.post("/rest/api/3/worklog/list", &json!({"ids": too_many})).await.status, 400);
    site.world.hide("ACME-1").unwrap();
    assert_eq!(feed(&site, "updated").await.len(), 2697);
    let none: Value = site.get("/rest/api/3/worklog/updated?since=9999999999999").await.json;
    assert_eq!((&none["values"], &none["until"]), (&json!([]), &json!(9_999_999_999_999_u64)));
}
