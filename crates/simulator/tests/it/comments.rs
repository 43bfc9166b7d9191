//! Comments over HTTP: written, read back, changed, removed; limits, visibility and properties.

use serde_json::{Value, json};
use simulator::{Config, IssueLimits};

use crate::client::{Site, doc};

async fn site() -> Site {
    let issue_limits = IssueLimits { comments: 8, text: 100, ..IssueLimits::default() };
    Site::start(Config { issues: 20, comments_per_issue: 2..=2, issue_limits, ..Config::default() }).await
}

const PATH: &str = "/rest/api/3/issue/ACME-1/comment";

#[tokio::test]
async fn a_comment_lives_and_dies() {
    let site = site().await;
    let updated = site.field("ACME-1", "updated").await;
    let body = json!({"body": doc("first"), "visibility": {"type": "role", "value": "Administrators"},
                      "properties": [{"key": "mirror.op", "value": {"op": "01"}}]});
    let made = site.post(PATH, &body).await;
    assert_eq!((made.status, &made.json["body"]), (201, &doc("first")));
    assert_eq!(made.json["visibility"]["value"], "Administrators");
    assert_eq!(made.json["author"]["accountId"], *site.world.service_account());
    assert_ne!(site.field("ACME-1", "updated").await, updated);
    let id = made.json["id"].as_str().unwrap();
    let number: u64 = id.parse().unwrap();
    let listed = site.post("/rest/api/3/comment/list?expand=properties", &json!({"ids": [number, 1]})).await.json;
    assert_eq!(listed["values"][0]["properties"], json!([{"key": "mirror.op", "value": {"op": "01"}}]));
    assert_eq!((&listed["total"], &listed["maxResults"]), (&json!(1), &json!(1_048_576)));
    let changed = site.put(&format!("{PATH}/{id}"), &json!({"body": doc("second")})).await;
    assert_eq!((changed.status, &changed.json["body"]), (200, &doc("second")));
    assert_eq!(site.delete(&format!("{PATH}/{id}")).await.status, 204);
    assert_eq!(site.get(&format!("{PATH}/{id}")).await.status, 404);
    assert_eq!(site.delete(&format!("{PATH}/{id}")).await.status, 404);
}

#[tokio::test]
async fn what_is_no_document_is_refused_in_the_recorded_words() {
    let site = site().await;
    let long = "x".repeat(101);
    for body in [json!({"body": "plain"}), json!({}), json!({"body": doc("")}), json!({"body": {"type": "doc"}})] {
        let reply = site.post(PATH, &body).await;
        assert_eq!((reply.status, &reply.json["errors"]), (400, &json!({"comment": "Comment body is not valid!"})));
    }
    let reply = site.post(PATH, &json!({"body": doc(&long)})).await;
    assert!(reply.json["errors"]["comment"].as_str().unwrap().contains("too long"), "{}", reply.json);
    assert_eq!(site.post(PATH, &json!({"body": doc(&long[1..])})).await.status, 201);
    site.world.expire_token();
    let words = "You do not have the permission to comment on this issue.";
    let expected = json!({"errorMessages": [words], "errors": {"comment": "Comment body is not valid!"}});
    assert_eq!(site.post(PATH, &json!({"body": "plain"})).await.json, expected);
}

#[tokio::test]
async fn a_full_issue_takes_no_more() {
    let site = site().await;
    for _ in 0..6 {
        assert_eq!(site.post(PATH, &json!({"body": doc("one more")})).await.status, 201);
    }
    assert_eq!(site.post(PATH, &json!({"body": doc("too many")})).await.status, 413);
    assert_eq!(site.field("ACME-1", "comment").await["total"], 8);
}

#[tokio::test]
async fn a_comment_for_others_is_nowhere_to_be_seen() {
    let site = site().await;
    let key = site.world.create("ACME", "Talk").unwrap();
    let ids: Vec<u64> = (0..3).map(|n| site.world.comment(&key, format!("{n}")).unwrap()).collect();
    site.world.hide_comment(&key, ids[1]).unwrap();
    let list = site.get(&format!("/rest/api/3/issue/{key}/comment?orderBy=-created")).await.json;
    let shown: Vec<&Value> = list["comments"].as_array().unwrap().iter().map(|comment| &comment["id"]).collect();
    assert_eq!((shown, &list["total"]), (vec![&json!(ids[2].to_string()), &json!(ids[0].to_string())], &json!(2)));
    assert_eq!(site.field(&key, "comment").await["total"], 2);
    assert_eq!(site.post("/rest/api/3/comment/list", &json!({"ids": ids})).await.json["total"], 2);
    let hidden = format!("/rest/api/3/issue/{key}/comment/{}", ids[1]);
    assert_eq!((site.get(&hidden).await.status, site.delete(&hidden).await.status), (404, 404));
    let view = site.world.store_view(site.world.issue_id(&key).unwrap()).unwrap();
    assert_eq!(view["fields"]["comment"]["total"], 2, "the oracle sees what the service account sees");
}

#[tokio::test]
async fn a_thousand_ids_at_most() {
    let site = site().await;
    let ids: Vec<u64> = (1..=1001).collect();
    assert_eq!(site.post("/rest/api/3/comment/list", &json!({"ids": ids})).await.status, 400);
    assert_eq!(site.post("/rest/api/3/comment/list", &json!({"ids": []})).await.status, 400);
    let all: Vec<u64> = (10_001..11_001).collect();
    let listed = site.post("/rest/api/3/comment/list", &json!({"ids": all})).await.json;
    assert_eq!(listed["total"], 40);
}
