//! Identity, retries, throttling and limits: what the one `send` does with an answer.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use domain::ProjectId;

use super::site::{MYSELF, Reply, Site, answer, ours};
use crate::{Endpoint, Error, Reach, Trouble, Verb, budget::Held};

const EMPTY: &str = r#"{"issues":[],"isLast":true}"#;

async fn ids(client: &crate::Client) -> Result<usize, Error> {
    client.issue_ids(ProjectId(10000), None, None).await.map(|page| page.ids.len())
}

fn reason(result: Result<usize, Error>) -> String {
    match result {
        Err(Error::NotOurselves { reason }) => reason,
        other => panic!("believed: {other:?}"),
    }
}

#[tokio::test]
async fn an_answer_to_our_own_account_is_believed() {
    let site = Site::start(|_, _| ours(r#"{"issues":[{"id":"1"}],"isLast":true}"#)).await;
    assert_eq!(ids(&site.client).await.expect("a page"), 1);
    assert_eq!(site.asked().len(), 1, "who it was given to stands in the answer");
}

#[tokio::test]
async fn a_failed_login_that_looks_like_an_empty_site_is_not_believed() {
    let site = Site::start(|_, _| answer(200, &[("x-seraph-loginreason", "AUTHENTICATED_FAILED")], EMPTY)).await;
    assert!(reason(ids(&site.client).await).contains("rotate-token"));
    assert_eq!(site.asked().len(), 1, "nothing is asked again with a token that failed");
}

#[tokio::test]
async fn another_account_is_not_believed() {
    let site = Site::start(|_, _| answer(200, &[("x-aaccountid", "somebody%3Aelse")], EMPTY)).await;
    assert!(reason(ids(&site.client).await).contains("somebody:else"));
}

#[tokio::test]
async fn an_anonymous_answer_is_not_believed_when_the_token_fails_its_proof() {
    let site = Site::start(|_, asked| match asked.path.as_str() {
        "/rest/api/3/myself" => answer(401, &[], "Client must be authenticated to access this resource."),
        _ => answer(200, &[], EMPTY),
    })
    .await;
    assert!(reason(ids(&site.client).await).contains("401"));
}

#[tokio::test]
async fn an_anonymous_answer_is_not_believed_where_answers_name_the_account() {
    let site = Site::start(|_, asked| match asked.path.as_str() {
        "/rest/api/3/myself" => ours(MYSELF),
        _ => answer(200, &[], EMPTY),
    })
    .await;
    assert!(reason(ids(&site.client).await).contains("nobody had logged in"));
}

#[tokio::test]
async fn one_anonymous_answer_between_proven_ones_is_asked_for_again() {
    let site = Site::start(|before, asked| match (before, asked.path.as_str()) {
        (_, "/rest/api/3/myself") => ours(MYSELF),
        (0, _) => answer(200, &[], EMPTY),
        _ => ours(r#"{"issues":[{"id":"1"}],"isLast":true}"#),
    })
    .await;
    assert_eq!(ids(&site.client).await.expect("a page"), 1);
}

#[tokio::test]
async fn where_answers_never_name_the_account_each_is_proven_afterwards() {
    let site =
        Site::start(|_, asked| answer(200, &[], if asked.path.ends_with("/myself") { MYSELF } else { EMPTY })).await;
    for _ in 0..2 {
        assert_eq!(ids(&site.client).await.expect("a page"), 0);
    }
    let paths: Vec<_> = site.asked().into_iter().map(|asked| asked.path.ends_with("/myself")).collect();
    assert_eq!(paths, [false, true, false, true]);
}

#[tokio::test]
async fn at_first_contact_we_ask_who_we_are() {
    let site = Site::start(|_, asked| ours(if asked.path.ends_with("/myself") { MYSELF } else { EMPTY })).await;
    let client = site.stranger();
    assert!(client.known_account().is_none());
    ids(&client).await.expect("a page");
    ids(&client).await.expect("a page");
    assert_eq!(client.known_account().map(|account| account.0.as_str()), Some("a1"));
    assert_eq!(site.count("/myself"), 1);
    assert_eq!(client.myself().await.expect("ourselves").time_zone.as_deref(), Some("UTC"));
}

#[tokio::test]
async fn a_token_of_another_account_is_told() {
    let site = Site::start(|_, _| answer(200, &[], r#"{"accountId":"a2"}"#)).await;
    let result = site.client.myself().await;
    assert!(matches!(result, Err(Error::NotOurselves { reason }) if reason.contains("a2")));
}

#[tokio::test]
async fn broken_servers_are_asked_four_times_and_refusals_once() {
    for (status, times) in [(500, 4), (502, 4), (503, 4), (400, 1), (404, 1), (409, 1), (410, 1), (403, 1), (401, 1)] {
        let site =
            Site::start(move |_, _| answer(status, &[("x-aaccountid", "a1")], r#"{"errorMessages":["no"]}"#)).await;
        let error = ids(&site.client).await.expect_err("an error");
        assert_eq!(site.asked().len(), times, "{status}: {error}");
        let fits = match status {
            500.. => matches!(error, Error::Unavailable { status: Some(told), .. } if told == status),
            401 => matches!(error, Error::NotOurselves { .. }),
            410 => matches!(error, Error::Gone { .. }),
            _ => matches!(&error, Error::Refused { messages, .. } if messages == &["no"]),
        };
        assert!(fits, "{status}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_recovers_has_answered() {
    let site = Site::start(|before, _| if before < 2 { answer(503, &[], "") } else { ours(EMPTY) }).await;
    assert_eq!(ids(&site.client).await.expect("a page"), 0);
}

#[tokio::test]
async fn a_short_throttle_is_waited_for_and_tells_the_fleet() {
    let site =
        Site::start(|before, _| if before == 0 { answer(429, &[("retry-after", "1")], "") } else { ours(EMPTY) }).await;
    let begun = Instant::now();
    ids(&site.client).await.expect("a page");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(site.held(), [Held::Paused(Reach::Instance, Duration::from_secs(1))]);
}

#[tokio::test]
async fn a_long_throttle_is_handed_back() {
    let site = Site::start(|_, _| answer(429, &[("retry-after", "30")], "")).await;
    let error = ids(&site.client).await.expect_err("throttled");
    assert!(matches!(error, Error::Throttled { after } if after.as_secs() == 30), "{error:?}");
    assert_eq!(site.asked().len(), 1);
}

#[tokio::test]
async fn a_throttle_without_a_time_is_asked_a_few_times() {
    let site = Site::start(|_, _| answer(429, &[("ratelimit-reason", "jira-burst-based")], "")).await;
    assert!(matches!(ids(&site.client).await, Err(Error::Throttled { .. })));
    assert_eq!(site.asked().len(), 4);
}

/// The first half of an answer, then the connection breaks.
fn cut() -> Reply {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, std::io::Error>>();
    sender.send(Ok(Bytes::from_static(b"{\"issues\":["))).expect("open");
    sender.send(Err(std::io::Error::other("cut"))).expect("open");
    ours(Body::from_stream(futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    })))
}

#[tokio::test]
async fn a_connection_that_breaks_is_asked_again() {
    let site = Site::start(|before, _| if before == 0 { cut() } else { ours(EMPTY) }).await;
    assert_eq!(ids(&site.client).await.expect("a page"), 0);
    assert_eq!(site.asked().len(), 2);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let site = Site::start(|before, _| {
        if before == 0 {
            ours(Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>()))
        } else {
            ours(EMPTY)
        }
    })
    .await;
    let client = site.client_with(|config| config.timeout = Duration::from_millis(200));
    assert_eq!(ids(&client).await.expect("a page"), 0);
}

#[tokio::test]
async fn each_way_of_not_getting_through_is_told() {
    let site = Site::start(|_, _| ours(EMPTY)).await;
    let plain = site.url().replacen("http", "https", 1);
    for (address, expected, advice) in [
        ("http://127.0.0.1:1", Trouble::Connection, "firewall"),
        ("http://nowhere.invalid", Trouble::Dns, "DNS"),
        (plain.as_str(), Trouble::Tls, "certificates"),
    ] {
        let client = site.client_with(|config| config.site = domain::Site::trusted(address.to_owned()));
        let error = ids(&client).await.expect_err("nobody there");
        let Error::Unavailable { asked, status: None, trouble, .. } = &error else { panic!("{error:?}") };
        assert_eq!((*trouble, asked.site.as_str(), asked.route), (expected, address, "/search/jql"));
        assert!(error.is_outage() && error.to_string().contains(advice), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_answer_of_jiras_is_not_believed() {
    let page = "<html><title>Page unavailable</title>";
    for (status, kind, body) in [(200, "text/html", page), (404, "text/html", page), (200, "text/plain", "[]")] {
        let headers = [("content-type", kind), ("atl-traceid", "5b1f"), ("x-aaccountid", "a1")];
        let site = Site::start(move |_, _| answer(status, &headers, body)).await;
        let error = site.client.issue(domain::IssueId(1)).await.expect_err("no answer");
        let Error::NotJira { asked, status: told, .. } = &error else { panic!("{error:?}") };
        assert_eq!((*told, asked.trace.as_deref()), (status, Some("5b1f")));
        assert!(!error.is_final() && !error.to_string().contains("failFast"), "{error}");
        assert_eq!(site.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_told_with_its_trace() {
    let headers = [("x-aaccountid", "a1"), ("atl-traceid", "5b1f")];
    let site = Site::start(move |_, _| answer(200, &headers, r#"{"issues":[{"id":"#)).await;
    let error = ids(&site.client).await.expect_err("half an answer").to_string();
    let expected =
        format!("Jira's answer to /search/jql at {} (trace 5b1f) cannot be used: a search (ends too early", site.url());
    assert!(error.starts_with(&expected), "{error}");
}

#[tokio::test]
async fn each_wall_stops_as_much_as_it_must() {
    let search = Reach::Endpoint(Endpoint::new(Verb::Post, "/search/jql"));
    let (long, short) = (Duration::from_secs(30), Duration::from_millis(500));
    for (reason, expected) in [
        ("jira-burst-based", vec![Held::Paused(search, long), Held::Slowed(search, 0.5, Duration::from_secs(60))]),
        ("jira-quota-global-based", vec![Held::Paused(Reach::Instance, long)]),
        ("jira-cost-based", vec![Held::Paused(Reach::Instance, long)]),
    ] {
        let site =
            Site::start(move |_, _| answer(429, &[("retry-after", "30"), ("ratelimit-reason", reason)], "")).await;
        assert!(matches!(ids(&site.client).await, Err(Error::Throttled { after }) if after > short), "{reason}");
        assert_eq!(site.held(), expected, "{reason}");
    }
}

#[tokio::test]
async fn a_wall_ahead_slows_the_fleet_down() {
    let near = [("x-aaccountid", "a1"), ("x-ratelimit-nearlimit", "true")];
    let site = Site::start(move |_, _| answer(200, &near, EMPTY)).await;
    ids(&site.client).await.expect("a page");
    assert_eq!(site.held(), [Held::Slowed(Reach::Instance, 0.5, Duration::from_secs(60))]);
}

#[tokio::test]
async fn an_answer_without_end_is_not_held() {
    let site = Site::start(|_, _| ours(vec![b' '; 2 << 20])).await;
    assert!(matches!(ids(&site.client).await, Err(Error::TooLarge { .. })));
    assert_eq!(site.asked().len(), 1);
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect() {
    let site = Site::start(|_, _| answer(302, &[("location", "/elsewhere"), ("x-aaccountid", "a1")], "")).await;
    assert!(matches!(ids(&site.client).await, Err(Error::NotJira { status: 302, .. })));
    assert_eq!(site.asked().len(), 1);
}
