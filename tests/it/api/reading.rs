//! What can be read, and that pages show everything once.

use std::collections::BTreeSet;

use domain::search::Listed;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use store::View;

use super::{Desk, now};

/// Every item of a listing, page by page along the `next` links.
async fn walk(desk: &Desk, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut path = path.to_owned();
    loop {
        let response = desk.get(&path).await;
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let page: Value = response.json().await.unwrap();
        items.extend(page["items"].as_array().unwrap_or_else(|| panic!("{path}: {page}")).clone());
        let Some(link) = link else {
            assert_eq!(page.get("next"), None, "{path}");
            return items;
        };
        let link = link.strip_prefix("</api/v1").unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        assert!(link.contains(page["next"].as_str().unwrap()));
        link.clone_into(&mut path);
    }
}

#[tokio::test]
async fn a_walk_shows_every_issue_once() {
    let desk = Desk::open().await;
    let expected: BTreeSet<String> = desk.fleet.jira().issue_keys().into_iter().collect();
    for path in
        ["/issues?limit=7", "/issues?limit=7&sort=key", "/issues?limit=9&sort=-priority,due", "/issues?limit=200"]
    {
        let items = walk(&desk, path).await;
        let keys: Vec<String> = items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect();
        assert_eq!(keys.len(), expected.len(), "{path}");
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), expected, "{path}");
    }
}

#[tokio::test]
async fn an_issue_is_what_the_mirror_holds() {
    let desk = Desk::open().await;
    let key = desk.some_issue();
    let by_key = desk.read(&format!("/issues/{key}")).await;
    let issue = desk.fleet.row(&key).await.unwrap();
    let id = issue.id;
    let held = Listed { instance: desk.fleet.instance.id, issue };
    assert_eq!(by_key, serde_json::to_value(&held).unwrap());
    assert_eq!(desk.read(&format!("/issues/{id}?instance=acme")).await, by_key);
}

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let desk = Desk::open().await;
    let key = desk.some_issue();
    let path = format!("/issues/{key}");
    let first = desk.get(&path).await;
    let tag = first.headers()["etag"].clone();
    assert!(tag.to_str().unwrap().starts_with('"'));
    let again = desk.ask(Method::GET, &path).header("If-None-Match", &tag).send().await.unwrap();
    assert_eq!((again.status(), again.headers()["etag"].clone()), (StatusCode::NOT_MODIFIED, tag.clone()));
    assert!(again.bytes().await.unwrap().is_empty());
    desk.fleet.jira().edit(&key, |issue| issue.summary = "Another line".to_owned()).unwrap();
    desk.fleet.drain().await;
    let changed = desk.ask(Method::GET, &path).header("If-None-Match", &tag).send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()["etag"], tag);
    assert_eq!(changed.json::<Value>().await.unwrap()["summary"], "Another line");
}

#[tokio::test]
async fn filters_and_queries_agree() {
    let desk = Desk::open().await;
    let all = walk(&desk, "/issues?limit=200").await;
    let status = all[0]["status"]["name"].as_str().unwrap();
    let expected = all.iter().filter(|item| item["status"]["name"] == status).count();
    let keys = |items: Vec<Value>| items.into_iter().map(|item| item["key"].clone()).collect::<Vec<_>>();
    let url = |name: &str, value: &str| {
        let url =
            reqwest::Url::parse_with_params("http://x/issues", [("limit", "200"), ("sort", "key"), (name, value)]);
        let url = url.unwrap();
        format!("{}?{}", url.path(), url.query().unwrap())
    };
    let filtered = keys(walk(&desk, &url("status", status)).await);
    let asked = keys(walk(&desk, &url("jql", &format!("status = \"{status}\""))).await);
    assert_eq!((filtered.len(), &filtered), (expected, &asked));
    let none = keys(walk(&desk, &url("created_from", &now())).await);
    assert!(none.is_empty());
    let counted = desk.read("/issues?limit=1&total=true").await;
    assert_eq!(counted["total"]["exactly"], all.len());
}

#[tokio::test]
async fn parts_directory_and_figures_can_be_walked() {
    let desk = Desk::open().await;
    for view in View::ALL {
        desk.fleet.store.system().refresh_view(view).await.unwrap();
    }
    let tenant = desk.fleet.store.tenant(desk.fleet.instance.tenant);
    let counts = tenant.counts(desk.fleet.instance.id).await.unwrap();
    let (mut comments, mut histories) = (0, 0);
    for key in desk.fleet.jira().issue_keys() {
        comments += walk(&desk, &format!("/issues/{key}/comments?limit=1")).await.len() as u64;
        histories += walk(&desk, &format!("/issues/{key}/changelog?limit=2")).await.len() as u64;
        desk.read(&format!("/issues/{key}/links")).await;
    }
    assert_eq!((comments, histories), (counts.comments, counts.histories));
    let projects = walk(&desk, "/projects?limit=1").await;
    assert_eq!(projects.len(), desk.fleet.jira().project_keys().len());
    let project = desk.read(&format!("/projects/{}", projects[0]["key"].as_str().unwrap())).await;
    assert_eq!(project["id"], projects[0]["id"]);
    let users = walk(&desk, "/users?limit=3").await;
    assert!(!users.is_empty() && users.iter().all(|user| user.get("email").is_none()), "{users:?}");
    let figures = walk(&desk, "/metrics/projects?limit=1").await;
    let issues: u64 = figures.iter().map(|project| project["issues"].as_u64().unwrap()).sum();
    assert_eq!(issues, counts.issues);
    let finished = walk(&desk, "/metrics/lead-times?limit=5").await;
    let done: u64 = figures.iter().map(|project| project["done"].as_u64().unwrap()).sum();
    assert_eq!(finished.len() as u64, done);
    assert!(!walk(&desk, "/metrics/workload?limit=2").await.is_empty());
}

#[tokio::test]
async fn operators_see_how_things_stand() {
    let desk = Desk::open().await;
    let me = desk.read("/tenants/me").await;
    assert_eq!((me["tenant"]["name"].as_str(), me["scopes"].as_array().unwrap().len()), (Some("acme"), 9));
    let instances = desk.read("/instances").await;
    assert_eq!(instances["items"][0]["name"], "acme");
    let sync = desk.read("/sync").await;
    let backfills = sync["items"][0]["backfills"].as_array().unwrap();
    assert!(!backfills.is_empty() && backfills.iter().all(|one| one["state"] == "done"), "{sync}");
    assert_eq!(sync["items"][0]["state"], "active");
    let actor = store::Actor::new(store::ActorKind::Operator, "mia");
    let tenant = desk.fleet.store.tenant(desk.fleet.instance.tenant).on_behalf_of(&actor);
    for n in 0..3 {
        let zone = format!("Etc/GMT+{n}");
        tenant.set_time_zone(desk.fleet.instance.id, Some(&zone)).await.unwrap();
    }
    let lines = walk(&desk, "/audit?limit=1&actor=mia&action=instance").await;
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["action"] == "instance.place" && line["outcome"] == "done"), "{lines:?}");
}
