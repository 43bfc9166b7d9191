//! Tokens that expire or belong to another door, and webhooks that die of age.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::InstanceState;
use jira::{Credentials, DynamicWebhook, Error};
use queue::Job;
use simulator::{Config, World};
use store::WebhookKind;
use tests::TestFleet;
use worker::webhooks::{Keeper, Kept};

use super::{
    desk::{Desk, client_at, issue_id, rename, standing_at},
    grants::granted,
    relay::Relay,
};
use crate::store::sample::Mirror;

/// An expired token is answered with 200 and empty lists: whoever reads those as news has deleted everything.
#[tokio::test]
async fn p01_an_expired_token_that_answers_200_deletes_nothing() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.poll().await;
    fleet.lose_webhooks();
    let (instance, tenant) = (fleet.instance.id, fleet.store.tenant(fleet.instance.tenant));
    let before = (tenant.poll_mark(instance).await.unwrap(), tenant.counts(instance).await.unwrap());
    let one = issue_id(fleet.jira().issue_ids()[0]);
    for job in [
        Job::PollUpdates { instance, page: None },
        Job::Backfill { instance, projects: Vec::new(), since: None },
        Job::SyncDirectory { instance },
        Job::SyncIssue { instance, issue: one },
    ] {
        fleet.jira().expire_token();
        fleet.producer.enqueue(job.clone()).await.unwrap();
        fleet.drain().await;
        let state = fleet.store.system().instance(instance).await.unwrap().unwrap().state;
        assert!(matches!(state, InstanceState::Suspended { .. }), "{job:?}: {state:?}");
        let after = (tenant.poll_mark(instance).await.unwrap(), tenant.counts(instance).await.unwrap());
        assert_eq!(after, before, "{job:?}");
        fleet.jira().restore_token();
        tenant.set_state(instance, &InstanceState::Active).await.unwrap();
    }
    fleet.assert_mirror_equals_jira().await;
}

/// A webhook that an app registered ends after thirty days without a word. Held: the end is told beforehand, a refresh
/// moves it, and one that has ended comes back to life.
#[tokio::test]
async fn p11_a_dynamic_webhook_that_is_refreshed_outlives_day_31() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let desk =
        Desk::start(Config { issues: 12, clock: standing_at("2026-02-01T09:00:00Z"), ..Default::default() }).await;
    let scopes = ["read:jira-work", "read:jira-user", "manage:jira-webhook", "offline_access"];
    let client = client_at(&desk.site, granted(&desk, &scopes).await).await;
    let hook = |project: &str| DynamicWebhook {
        events: vec!["jira:issue_updated".to_owned()],
        jql_filter: format!("project = {project}"),
    };
    let made = client.register_dynamic_webhooks(&receiver().await, &[hook("ACME"), hook("WEB")]).await.unwrap();
    let [kept, left] = made.into_iter().map(Result::unwrap).collect::<Vec<_>>()[..] else { panic!("two webhooks") };
    let world = &desk.world;
    assert_eq!(told(world, ["ACME-1", "WEB-1"]).await, [1, 1]);
    world.advance(DAY * 29);
    let until = client.refresh_dynamic_webhooks(&[kept]).await.unwrap();
    assert_eq!(until, world.now() + DAY * 30);
    world.advance(DAY * 2);
    assert_eq!(told(world, ["ACME-1", "WEB-1"]).await, [1, 0], "on day 31");
    let ends: Vec<(i64, Option<DateTime<Utc>>)> =
        client.dynamic_webhooks().await.unwrap().iter().map(|hook| (hook.id, hook.expires_at)).collect();
    assert_eq!(ends, [(kept, Some(until)), (left, Some(world.now() - DAY))]);
    client.refresh_dynamic_webhooks(&[left]).await.unwrap();
    assert_eq!(told(world, ["ACME-1", "WEB-1"]).await, [1, 1]);
}

/// The daily look refreshes it long before.
#[tokio::test]
async fn p11_a_dynamic_webhook_that_is_looked_after_never_ends() {
    const DAYS: u32 = 70;
    let desk =
        Desk::start(Config { issues: 12, clock: standing_at("2026-02-01T09:00:00Z"), ..Default::default() }).await;
    let scopes = ["read:jira-work", "read:jira-user", "manage:jira-webhook", "offline_access"];
    let jira = client_at(&desk.site, granted(&desk, &scopes).await).await;
    let Mirror { store, tenant, instance: id, .. } = &Mirror::new().await;
    let instance = store.system().instance(*id).await.unwrap().unwrap();
    let mut tx = tenant.begin().await.unwrap();
    tx.apply_projects(*id, &jira.projects().await.unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    let keeper = |now| Keeper { jira: &jira, tenant, instance: &instance, now };
    keeper(desk.world.now()).register(WebhookKind::Dynamic, &receiver().await).await.unwrap();
    let mut refreshed = 0;
    for day in 1..=DAYS {
        desk.world.advance(Duration::from_secs(24 * 3600));
        let kept = keeper(desk.world.now()).keep().await.unwrap();
        assert!(matches!(kept, Kept::Fine | Kept::Refreshed(_)), "day {day}: {kept:?}");
        refreshed += u32::from(kept != Kept::Fine);
        if day % 10 == 0 {
            assert_eq!(told(&desk.world, ["ACME-1"]).await, [1], "day {day}");
        }
    }
    assert_eq!(refreshed, DAYS / 10);
}

/// How many deliveries arrive when these issues change, one after the other.
async fn told<const N: usize>(world: &World, keys: [&str; N]) -> [u64; N] {
    let mut told = [0; N];
    for (told, key) in told.iter_mut().zip(keys) {
        let before = world.deliveries().taken;
        rename(world, key, &format!("changed at {} after {before}", world.now()));
        world.webhooks_idle().await;
        *told = world.deliveries().taken - before;
    }
    told
}

/// Takes whatever it is sent.
async fn receiver() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(|| std::future::ready(axum::http::StatusCode::OK));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// A token with scopes is refused at the site's own address, while every link in an answer leads there.
#[tokio::test]
async fn p16_a_scoped_token_is_taken_to_the_gateway_and_links_are_followed_there() {
    let jira = Config { issues: 60, worklogs_per_issue: 20..=20, ..Default::default() };
    let desk = Desk::start(jira).await;
    let (email, token) = ("robot@example.com".to_owned(), "scoped".to_owned());
    desk.world.add_scoped_login(&email, &token, &desk.world.service_account(), &["read:jira-work", "read:jira-user"]);
    let relay = Relay::start(&desk.site, |_, text| text).await;
    let direct = Credentials::Basic { email: email.clone(), token: token.clone().into() };
    let refused = client_at(&relay.url, direct).await.worklogs_updated(DateTime::UNIX_EPOCH).await;
    assert!(matches!(refused, Err(Error::NotOurselves { .. })), "{refused:?}");
    let asked = relay.paths().len();
    let client = client_at(&relay.url, Credentials::Scoped { email, token: token.into() }).await;
    let feed = client.worklogs_updated(DateTime::UNIX_EPOCH).await.unwrap();
    // More than one page of a thousand: the second is behind a link.
    assert_eq!(feed.worklogs.len(), 60 * 20);
    let root = format!("/ex/jira/{}/", desk.world.cloud_id());
    let astray: Vec<String> = relay.paths().split_off(asked);
    let astray: Vec<&String> = astray.iter().filter(|path| !path.starts_with(&root)).collect();
    assert_eq!(astray, ["/_edge/tenant_info"]);
}
