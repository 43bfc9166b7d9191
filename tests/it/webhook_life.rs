//! A webhook's own life: registered, proven, lost, found again.

use chrono::{TimeDelta, Utc};
use jira::Priority;
use store::{TenantStore, Webhook, WebhookKind};
use tests::TestFleet;
use worker::webhooks::{Error, Keeper, Kept};

fn tenant(fleet: &TestFleet) -> TenantStore {
    fleet.store.tenant(fleet.instance.tenant)
}

async fn client(fleet: &TestFleet) -> jira::Client {
    let credentials = worker::credentials(&tenant(fleet), fleet.instance.id).await.unwrap();
    fleet.clients().client_as(&fleet.instance, credentials).unwrap().with_priority(Priority::Live)
}

async fn known(fleet: &TestFleet) -> Webhook {
    tenant(fleet).webhook(fleet.instance.id).await.unwrap().expect("something is known")
}

fn address(fleet: &TestFleet) -> String {
    format!("http://{}/webhooks/{}", fleet.gateway, fleet.instance.name)
}

macro_rules! keeper {
    ($fleet:expr, $jira:ident, $tenant:ident) => {
        Keeper { jira: &$jira, tenant: &$tenant, instance: &$fleet.instance, now: Utc::now() }
    };
}

#[tokio::test]
async fn an_administrators_webhook_is_registered_proven_and_found_again() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    let (jira, tenant) = (client(&fleet).await, tenant(&fleet));
    let keeper = keeper!(fleet, jira, tenant);
    assert_eq!(keeper.keep().await.unwrap(), Kept::None);
    let first = keeper.register(WebhookKind::Admin, &address(&fleet)).await.unwrap();
    let took = keeper.verify(&fleet.producer).await.unwrap();
    assert!(took.is_some() && known(&fleet).await.verified_at.is_some());
    assert_eq!(keeper.keep().await.unwrap(), Kept::Fine);

    jira.delete_webhook(first.remote_ids[0]).await.unwrap();
    assert_eq!(keeper.keep().await.unwrap(), Kept::Renewed);
    let second = known(&fleet).await.registration.unwrap();
    assert_ne!(second.remote_ids, first.remote_ids);
    let key = fleet.jira().issue_keys()[3].clone();
    fleet.jira().edit(&key, |issue| issue.summary = "Told again".into()).unwrap();
    fleet.drain().await;
    assert_eq!(fleet.row(&key).await.unwrap().summary, "Told again");

    // Registering anew leaves one, and removing none.
    keeper.register(WebhookKind::Admin, &address(&fleet)).await.unwrap();
    assert_eq!(jira.webhooks().await.unwrap().len(), 1);
    assert!(keeper.remove().await.unwrap());
    assert!(jira.webhooks().await.unwrap().is_empty());
    assert!(!keeper.remove().await.unwrap());
}

#[tokio::test]
async fn a_webhook_that_cannot_be_kept_is_remembered_with_its_reason() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let (jira, tenant) = (client(&fleet).await, tenant(&fleet));
    let keeper = keeper!(fleet, jira, tenant);
    // Jira takes these of OAuth apps only.
    let refused = keeper.register(WebhookKind::Dynamic, &address(&fleet)).await;
    assert!(matches!(refused, Err(Error::Jira(jira::Error::Refused { status: 403, .. }))), "{refused:?}");
    let gone = store::Registration {
        kind: WebhookKind::Dynamic,
        url: address(&fleet),
        remote_ids: vec![1000],
        expires_at: Some(Utc::now() + TimeDelta::days(1)),
    };
    tenant.keep_webhook(fleet.instance.id, &gone, Utc::now()).await.unwrap();
    assert!(keeper.keep().await.is_err());
    assert!(known(&fleet).await.problem.is_some_and(|problem| problem.contains("403")));
    let states = fleet.store.system().webhooks().await.unwrap();
    assert!(states[&fleet.instance.id].problem.is_some());
}
