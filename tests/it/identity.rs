//! An answer that is not ours is thrown away: nothing is concluded from it, and an operator is told.

use domain::InstanceState;
use queue::Job;
use tests::TestFleet;

async fn state(fleet: &TestFleet) -> InstanceState {
    fleet.store.system().instance(fleet.instance.id).await.unwrap().unwrap().state
}

/// The reason, which must be a sentence an operator can act on.
async fn reason(fleet: &TestFleet) -> String {
    match state(fleet).await {
        InstanceState::Suspended { reason } => reason,
        state => panic!("the instance is {state:?}"),
    }
}

#[tokio::test]
async fn an_expired_token_that_looks_like_an_empty_site_deletes_nothing() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let keys = fleet.jira().issue_keys();
    fleet.jira().expire_token();
    // A touched issue would now look as if it were gone: the answer is 200 with nothing in it.
    fleet.jira().edit(&keys[0], |issue| issue.summary = "while we are nobody".into()).unwrap();
    fleet.drain().await;
    assert!(reason(&fleet).await.contains("token"), "{}", reason(&fleet).await);
    for key in &keys {
        assert!(fleet.row(key).await.is_some(), "{key} is still shown");
    }
}

#[tokio::test]
async fn a_401_suspends_and_a_new_token_goes_on_where_it_stopped() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let key = fleet.jira().issue_keys()[0].clone();
    fleet.jira().require_auth_401();
    fleet.jira().edit(&key, |issue| issue.summary = "kept for later".into()).unwrap();
    fleet.drain().await;
    reason(&fleet).await;
    fleet.jira().restore_token();
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    tenant.set_state(fleet.instance.id, &InstanceState::Active).await.unwrap();
    for lane in queue::Lane::ALL {
        fleet.producer.enqueue(Job::SyncTouched { instance: fleet.instance.id, lane }).await.unwrap();
    }
    fleet.drain().await;
    assert_eq!(fleet.row(&key).await.unwrap().summary, "kept for later");
}

#[tokio::test]
async fn no_work_is_done_while_suspended() {
    let mut fleet = TestFleet::start().await;
    fleet.backfill().await;
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let suspended = InstanceState::Suspended { reason: "an operator looks".to_owned() };
    tenant.set_state(fleet.instance.id, &suspended).await.unwrap();
    // A fresh worker remembers nothing of the instance.
    fleet.stop_workers().await;
    fleet.start_worker().await;
    let before = fleet.requests();
    fleet.poll().await;
    assert_eq!(fleet.requests(), before);
}

#[tokio::test]
async fn a_token_that_was_rotated_in_time_suspends_nothing() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let key = fleet.jira().issue_keys()[0].clone();
    // The worker still remembers the old token, which Jira no longer takes.
    fleet.jira().replace_token("a new token");
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    tenant.rotate_token(fleet.instance.id, secrecy::SecretString::from("a new token".to_owned())).await.unwrap();
    fleet.jira().edit(&key, |issue| issue.summary = "under the new token".into()).unwrap();
    fleet.drain().await;
    assert_eq!(state(&fleet).await, InstanceState::Active);
    assert_eq!(fleet.row(&key).await.unwrap().summary, "under the new token");
}
