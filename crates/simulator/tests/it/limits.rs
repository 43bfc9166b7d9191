//! Limits by the site's clock: bursts per endpoint and method, an app's points per hour, writes on one issue, and what
//! answers say about them.

use std::time::Duration;

use chrono::DateTime;
use reqwest::Method;
use serde_json::json;
use simulator::{Config, Enforcement, Fault, Limits, Pace, Quota, Reason, Reset, Route, Signs, Throttle};

use crate::client::{Reply, Site, reply};

/// 12:30:00 UTC on some day.
const START: i64 = 1_790_080_200;

fn config(limits: Limits) -> Config {
    let clock = Pace::Virtual(DateTime::from_timestamp(START, 0).unwrap());
    Config { issues: 8, clock, limits, ..Config::default() }
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn bursts_are_counted_per_endpoint_and_method_and_fill_up_with_the_clock() {
    let site = Site::start(config(Limits { burst: Some(0.02), ..Limits::default() })).await;
    let fields = async || site.get("/rest/api/3/field").await;
    assert_eq!((fields().await.status, fields().await.status), (200, 200));
    let over = fields().await;
    assert_eq!(over.status, 429);
    assert_eq!(header(&over, "ratelimit-reason"), Some("jira-burst-based"));
    assert_eq!((header(&over, "retry-after"), header(&over, "x-ratelimit-remaining")), (Some("1"), Some("0")));
    assert_eq!(header(&over, "x-ratelimit-limit"), Some("2"));
    assert!(header(&over, "x-ratelimit-reset").unwrap().ends_with("Z"));
    assert_eq!(site.get("/rest/api/3/myself").await.status, 200, "another endpoint");
    // GET issue is granted 150 a second and its changelog 200: a fiftieth is three and four.
    for (path, granted) in [("/rest/api/3/issue/ACME-1", 3), ("/rest/api/3/issue/WEB-1/changelog", 4)] {
        let mut taken = 0;
        while site.get(path).await.status == 200 {
            taken += 1;
        }
        assert_eq!(taken, granted, "{path}");
    }
    site.world.advance(Duration::from_secs(1));
    assert_eq!((fields().await.status, fields().await.status, fields().await.status), (200, 200, 429));
}

#[tokio::test]
async fn refusals_can_say_little_or_much() {
    let signs = Signs { retry_after: false, reset: Reset::WithoutSeconds, structured: true, on_every_answer: true };
    let site = Site::start(config(Limits { burst: Some(0.02), signs, ..Limits::default() })).await;
    let first = site.get("/rest/api/3/field").await;
    assert_eq!((header(&first, "x-ratelimit-limit"), header(&first, "x-ratelimit-remaining")), (Some("2"), Some("1")));
    site.get("/rest/api/3/field").await;
    let over = site.get("/rest/api/3/field").await;
    assert_eq!((over.status, header(&over, "retry-after")), (429, None));
    assert_eq!(header(&over, "x-ratelimit-reset"), Some("2026-09-22T12:30Z"));
    assert_eq!(header(&over, "ratelimit-policy"), Some("\"jira-burst-based\";q=2;w=1"));
    assert_eq!(header(&over, "ratelimit"), Some("\"jira-burst-based\";r=0;t=1"));
    site.world.set_limits(Limits::default());
    let quiet = site.get("/rest/api/3/field").await;
    assert_eq!((quiet.status, header(&quiet, "x-ratelimit-limit")), (200, None));
}

/// An app's access token and its client id.
async fn app(site: &Site) -> (String, String) {
    let app = site.world.add_app(&site.world.service_account());
    let ask =
        json!({"grant_type": "client_credentials", "client_id": app.client_id, "client_secret": app.client_secret});
    let given = reply(site.bare(Method::POST, "/oauth/token").json(&ask)).await;
    (given.json["access_token"].as_str().unwrap().to_owned(), app.client_id)
}

async fn through(site: &Site, token: &str, path: &str) -> Reply {
    let path = format!("/ex/jira/{}{path}", site.world.cloud_id());
    reply(site.bare(Method::GET, &path).bearer_auth(token)).await
}

fn quota(per_hour: u64, enforcement: Enforcement) -> Limits {
    let signs = Signs { structured: true, on_every_answer: true, ..Signs::default() };
    Limits { points: Some(Quota { per_hour, enforcement }), signs, ..Limits::default() }
}

#[tokio::test]
async fn an_apps_points_are_spent_by_what_it_reads_and_come_back_with_the_hour() {
    let site = Site::start(config(quota(30, Enforcement::Enforced))).await;
    let (token, id) = app(&site).await;
    let all = "/rest/api/3/search/jql?jql=id%3E0&maxResults=100";
    let first = through(&site, &token, all).await;
    assert_eq!((first.status, site.world.points_spent(&id)), (200, 9), "one and one for each of eight issues");
    assert_eq!(header(&first, "ratelimit"), Some("\"global-app-quota\";t=1800"), "what is left is not told yet");
    through(&site, &token, "/rest/api/3/issue/ACME-1?fields=summary").await;
    assert_eq!(site.world.points_spent(&id), 11);
    through(&site, &token, "/rest/api/3/myself").await;
    assert_eq!(site.world.points_spent(&id), 14, "an identity costs two");
    through(&site, &token, all).await;
    let near = through(&site, &token, "/rest/api/3/issue/ACME-1").await;
    assert_eq!(header(&near, "x-ratelimit-nearlimit"), Some("true"));
    assert_eq!(header(&near, "ratelimit"), Some("\"global-app-quota\";r=5;t=1800"));
    assert_eq!(header(&near, "ratelimit-policy"), Some("\"global-app-quota\";q=30;w=3600"));
    assert_eq!(through(&site, &token, all).await.status, 200, "the last one may overdraw");
    let over = through(&site, &token, "/rest/api/3/field").await;
    assert_eq!((over.status, header(&over, "ratelimit-reason")), (429, Some("jira-quota-global-based")));
    assert_eq!(header(&over, "retry-after"), Some("1800"));
    assert_eq!(header(&over, "x-ratelimit-reset"), Some("2026-09-22T13:00:00Z"));
    assert_eq!(site.get(all).await.status, 200, "people's own tokens are not metered");
    site.world.advance(Duration::from_secs(1799));
    assert_eq!(through(&site, &token, "/rest/api/3/field").await.status, 429);
    site.world.advance(Duration::from_secs(1));
    assert_eq!(through(&site, &token, "/rest/api/3/field").await.status, 200);
}

#[tokio::test]
async fn an_announced_quota_only_warns() {
    let site = Site::start(config(quota(5, Enforcement::Announced))).await;
    let (token, _) = app(&site).await;
    for _ in 0..3 {
        through(&site, &token, "/rest/api/3/issue/ACME-1").await;
    }
    let spent = through(&site, &token, "/rest/api/3/field").await;
    assert_eq!(spent.status, 200);
    assert_eq!(header(&spent, "beta-ratelimit"), Some("\"global-app-quota\";r=0;t=1800"));
    assert_eq!(header(&spent, "beta-ratelimit-policy"), Some("\"global-app-quota\";q=5;w=3600"));
    assert_eq!(header(&spent, "beta-retry-after"), Some("1800"));
    assert_eq!(header(&spent, "x-beta-ratelimit-remaining"), Some("0"));
    assert_eq!(header(&spent, "x-beta-ratelimit-nearlimit"), Some("true"));
    assert_eq!((header(&spent, "ratelimit"), header(&spent, "retry-after")), (None, None));
}

#[tokio::test]
async fn writes_on_one_issue_are_limited_whatever_they_are_called() {
    let site = Site::start(config(Limits { per_issue_writes: true, ..Limits::default() })).await;
    let id = site.world.issue_id("ACME-1").unwrap();
    let write = async |issue: &str| {
        let body = json!({"fields": {"summary": "x"}});
        reply(site.request(Method::PUT, &format!("/rest/api/3/issue/{issue}")).json(&body)).await
    };
    for n in 0..20 {
        let issue = if n % 2 == 0 { "acme-1".to_owned() } else { id.to_string() };
        assert_ne!(write(&issue).await.status, 429);
    }
    let over = write("ACME-1").await;
    assert_eq!((over.status, header(&over, "ratelimit-reason")), (429, Some("jira-per-issue-on-write")));
    assert_eq!(header(&over, "retry-after"), Some("2"));
    assert_ne!(write("WEB-1").await.status, 429, "another issue");
    assert_eq!(site.get("/rest/api/3/issue/ACME-1").await.status, 200, "reading is no writing");
    let mut taken = 20;
    while taken < 100 {
        site.world.advance(Duration::from_secs(2));
        for _ in 0..20 {
            assert_ne!(write("ACME-1").await.status, 429);
            taken += 1;
        }
    }
    site.world.advance(Duration::from_secs(2));
    let over = write("ACME-1").await;
    assert_eq!((over.status, header(&over, "retry-after")), (429, Some("20")), "a hundred in thirty seconds");
    site.world.advance(Duration::from_secs(20));
    assert_ne!(write("ACME-1").await.status, 429);
}

#[tokio::test]
async fn any_kind_of_refusal_can_be_scripted() {
    let site = Site::start(config(Limits::default())).await;
    let wait = Some(Duration::from_secs(3));
    let script = |reason, retry_after, reset| {
        let throttle = Throttle { reason, retry_after, reset };
        site.world.fail_next(Route::Fields, 1, &Fault::Throttled(throttle));
    };
    script(Reason::TenantQuota, None, Reset::WithSeconds);
    script(Reason::ConcurrentThreads, wait, Reset::WithoutSeconds);
    script(Reason::Gateway, None, Reset::Absent);
    let tenant = site.get("/rest/api/3/field").await;
    assert_eq!(header(&tenant, "ratelimit-reason"), Some("jira-quota-tenant-based"));
    assert_eq!(header(&tenant, "x-ratelimit-reset"), Some("2026-09-22T13:00:00Z"));
    let threads = site.get("/rest/api/3/field").await;
    assert!(header(&threads, "ratelimit-reason").unwrap().starts_with("jira-max-concurrent-threads"));
    assert_eq!(
        (header(&threads, "retry-after"), header(&threads, "x-ratelimit-reset")),
        (Some("3"), Some("2026-09-22T12:30Z"))
    );
    let gateway = site.get("/rest/api/3/field").await;
    assert_eq!((gateway.status, header(&gateway, "x-ratelimit-limit")), (429, Some("360000")));
    assert_eq!(header(&gateway, "x-failure-category"), Some("FAILURE CLIENT RATE LIMITED"));
    assert_eq!((header(&gateway, "ratelimit-reason"), header(&gateway, "retry-after")), (None, None));
}
