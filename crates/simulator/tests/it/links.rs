//! Links between issues and to the outside: both ends, repeated writes, limits.

use serde_json::json;
use simulator::{Config, IssueLimits};

use crate::client::Site;

async fn site() -> Site {
    let issue_limits = IssueLimits { issue_links: 3, remote_links: 2, ..IssueLimits::default() };
    Site::start(Config { issues: 20, issue_limits, ..Config::default() }).await
}

#[tokio::test]
async fn a_link_has_two_ends_and_can_be_made_twice() {
    let site = site().await;
    let (one, other) = (site.world.create("ACME", "one").unwrap(), site.world.create("WEB", "other").unwrap());
    let ask = json!({"type": {"name": "Blocks"}, "inwardIssue": {"key": one}, "outwardIssue": {"key": other}});
    for _ in 0..2 {
        let reply = site.post("/rest/api/3/issueLink", &ask).await;
        assert_eq!((reply.status, reply.json), (201, serde_json::Value::Null));
    }
    let (near, far) = (site.field(&one, "issuelinks").await, site.field(&other, "issuelinks").await);
    assert_eq!((near.as_array().unwrap().len(), far.as_array().unwrap().len()), (1, 1));
    assert_eq!((&near[0]["outwardIssue"]["key"], &far[0]["inwardIssue"]["key"]), (&json!(other), &json!(one)));
    assert_eq!(near[0]["id"], far[0]["id"]);
    let item = site.get(&format!("/rest/api/3/issue/{one}?expand=changelog")).await.json;
    let item = &item["changelog"]["histories"][0]["items"][0];
    assert_eq!((&item["field"], &item["to"], item.get("fieldId")), (&json!("Link"), &json!(other), None));
    assert_eq!(item["toString"], format!("This issue blocks {other}"));
    let path = format!("/rest/api/3/issueLink/{}", near[0]["id"].as_str().unwrap());
    assert_eq!(site.get(&path).await.json["inwardIssue"]["key"], one);
    site.world.hide(&other).unwrap();
    assert_eq!(site.get(&path).await.status, 404);
    assert_eq!(site.field(&one, "issuelinks").await, json!([]), "hidden far ends are left out");
    site.world.unhide(&other).unwrap();
    assert_eq!(site.delete(&path).await.status, 204);
    assert_eq!((site.field(&one, "issuelinks").await, site.delete(&path).await.status), (json!([]), 404));
}

#[tokio::test]
async fn links_to_nothing_and_too_many_links_are_refused() {
    let site = site().await;
    let hub = site.world.create("ACME", "hub").unwrap();
    let link = async |kind: &str, to: &str| {
        let ask = json!({"type": {"name": kind}, "inwardIssue": {"key": hub}, "outwardIssue": {"key": to}});
        site.post("/rest/api/3/issueLink", &ask).await.status
    };
    assert_eq!((link("Blocks", "NOPE-1").await, link("Adores", "ACME-1").await), (404, 404));
    assert_eq!(link("Blocks", &hub).await, 400, "nor to itself");
    for _ in 0..3 {
        let to = site.world.create("ACME", "spoke").unwrap();
        assert_eq!(link("relates", &to).await, 201, "names in any case");
    }
    let to = site.world.create("ACME", "spoke").unwrap();
    assert_eq!(link("Blocks", &to).await, 413);
}

#[tokio::test]
async fn the_same_global_id_updates() {
    let site = site().await;
    let path = "/rest/api/3/issue/ACME-1/remotelink";
    let ask = |title: &str, global: &str| {
        let object = json!({"url": "https://example.com", "title": title});
        json!({"globalId": global, "object": object})
    };
    let first = site.post(path, &ask("one", "mirror:1")).await;
    let again = site.post(path, &ask("two", "mirror:1")).await;
    assert_eq!((first.status, again.status, &first.json), (201, 200, &again.json));
    let shown = site.get(&format!("{path}?globalId=mirror:1")).await.json;
    assert_eq!(shown["object"]["title"], "two");
    assert_eq!(site.post(path, &ask("three", "mirror:2")).await.status, 201);
    assert_eq!(site.post(path, &ask("four", "mirror:3")).await.status, 413);
    assert_eq!(site.get(path).await.json.as_array().unwrap().len(), 2);
    assert_eq!(site.post(path, &json!({"object": {"url": "https://example.com"}})).await.status, 400);
    assert_eq!(site.delete(&format!("{path}?globalId=mirror:2")).await.status, 204);
    let one = format!("{path}/{}", first.json["id"]);
    assert_eq!(
        (site.get(&one).await.status, site.delete(&one).await.status, site.get(&one).await.status),
        (200, 204, 404)
    );
}
