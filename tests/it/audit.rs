//! The audit log: it only grows, nobody changes it unseen, and writers at once keep one chain.

mod coverage;

use std::time::Duration;

use chrono::Utc;
use domain::TenantId;
use queue::Job;
use sea_orm::{ConnectionTrait, TransactionTrait};
use store::{Actor, ActorKind, AuditFilter, Deed, Ending, Error, IpNet, NewApiKey, TenantStore, Verified};
use tests::{FleetOptions, TestFleet};

use crate::{
    cli::Cli,
    health::Process,
    store::sample::{Mirror, connect, register},
    tenancy::ai_call,
};

fn mia() -> Actor {
    Actor::new(ActorKind::Operator, "mia")
}

async fn done(tenant: &TenantStore, action: &str, target: &str) {
    let mut tx = tenant.begin().await.unwrap();
    tx.audit_done(Deed::new(&mia(), action).about(target).with("n", 1));
    tx.commit().await.unwrap();
}

async fn actions(tenant: &TenantStore, filter: AuditFilter) -> Vec<String> {
    let entries = tenant.audit(&filter, 100).await.unwrap();
    entries.into_iter().map(|entry| format!("{} {}", entry.action, entry.outcome)).collect()
}

#[tokio::test]
async fn what_was_begun_is_open_until_it_ended() {
    let mirror = Mirror::new().await;
    let tenant = &mirror.tenant;
    let mut tx = tenant.begin().await.unwrap();
    let begun = tx.audit_begin(Deed::new(&mia(), "issue.update").on(mirror.instance).about("ACME-1"));
    let lost = tx.audit_begin(Deed::new(&mia(), "issue.create"));
    tx.commit().await.unwrap();
    let mut tx = tenant.begin().await.unwrap();
    tx.audit_complete(&begun, Ending::Done);
    tx.commit().await.unwrap();

    let later = Utc::now() + Duration::from_secs(60);
    let open = tenant.audit_open(later, 10).await.unwrap();
    assert_eq!(open.iter().map(|entry| entry.id).collect::<Vec<_>>(), [lost.id]);
    assert!(tenant.audit_open(Utc::now() - Duration::from_secs(60), 10).await.unwrap().is_empty());
    // Whoever sweeps knows nothing but the line.
    let mut tx = tenant.begin().await.unwrap();
    tx.audit_complete(&open[0].to_begun().unwrap(), Ending::Unknown);
    tx.commit().await.unwrap();
    assert!(tenant.audit_open(later, 10).await.unwrap().is_empty());

    let mut tx = tenant.begin().await.unwrap();
    tx.audit_complete(&begun, Ending::NotDone);
    assert!(matches!(tx.commit().await, Err(Error::Conflict(_))), "it ended already");
    let said = ["issue.create unknown", "issue.update done", "issue.create begun", "issue.update begun"];
    assert_eq!(actions(tenant, AuditFilter::default()).await, said);
    assert_eq!(tenant.audit_verify().await.unwrap(), Verified::Whole { lines: 4 });
}

#[tokio::test]
async fn what_is_rolled_back_leaves_no_line() {
    let mirror = Mirror::new().await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    tx.audit_done(Deed::new(&mia(), "x"));
    tx.rollback().await.unwrap();
    assert_eq!(mirror.tenant.audit_verify().await.unwrap(), Verified::Whole { lines: 0 });
}

#[tokio::test]
async fn lines_are_found_by_what_they_say() {
    let mirror = Mirror::new().await;
    let tenant = &mirror.tenant;
    for (action, target) in [("issue.update", "A-1"), ("issue.create", "A-2"), ("issuer.x", "A-1"), ("sync", "A-1")] {
        done(tenant, action, target).await;
    }
    let find = async |filter| actions(tenant, filter).await.len();
    let all = AuditFilter::default;
    let word = |text: &str| Some(text.to_owned());
    assert_eq!(find(AuditFilter { action: word("issue"), ..all() }).await, 2, "a first word is a whole word");
    assert_eq!(find(AuditFilter { action: word("issue.update"), ..all() }).await, 1);
    assert_eq!(find(AuditFilter { target: word("A-1"), ..all() }).await, 3);
    assert_eq!(find(AuditFilter { actor: word("mia"), ..all() }).await, 4);
    assert_eq!(find(AuditFilter { actor: word("liu"), ..all() }).await, 0);
    assert_eq!(find(AuditFilter { instance: Some(mirror.instance), ..all() }).await, 0);
    let soon = Utc::now() + Duration::from_secs(60);
    assert_eq!(find(AuditFilter { since: Some(soon), ..all() }).await, 0);
    assert_eq!(find(AuditFilter { until: Some(soon), ..all() }).await, 4);
    let page = tenant.audit(&all(), 3).await.unwrap();
    assert_eq!(page.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [4, 3, 2]);
    let rest = tenant.audit(&AuditFilter { before: Some(2), ..all() }, 3).await.unwrap();
    assert_eq!(rest.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn writers_at_once_keep_one_chain() {
    let database = tests::database().await;
    let store = tests::store_for(&database, 8).await;
    let (acme, _) = register(&store, "acme").await;
    let (other, _) = register(&store, "other").await;
    let writer = async |n: usize| {
        for round in 0..40 {
            let tenant = if (n + round).is_multiple_of(4) { &other } else { &acme };
            let mut tx = tenant.begin().await.unwrap();
            let begun = tx.audit_begin(Deed::new(&mia(), "x").with("writer", n));
            tx.audit_complete(&begun, Ending::Done);
            if round % 5 == 0 {
                tx.rollback().await.unwrap();
            } else {
                tx.commit().await.unwrap();
            }
        }
    };
    futures::future::join_all((0..8).map(writer)).await;
    let whole = async |tenant: &TenantStore| match tenant.audit_verify().await.unwrap() {
        Verified::Whole { lines } => lines,
        broken => panic!("{broken:?}"),
    };
    assert_eq!(whole(&acme).await + whole(&other).await, 8 * 32 * 2);
    let newest = acme.audit(&AuditFilter::default(), 1000).await.unwrap();
    assert!(newest.windows(2).all(|pair| pair[0].at >= pair[1].at), "times never go back");
}

/// As the processes' login, and as the owner of the tables.
#[tokio::test]
async fn nobody_changes_a_line() {
    let mirror = Mirror::new().await;
    done(&mirror.tenant, "x", "y").await;
    for url in [&mirror.database.app_url, &mirror.database.owner_url] {
        for sql in [
            "UPDATE mirror.audit_log SET actor_id = 'eve'",
            "DELETE FROM mirror.audit_log",
            "TRUNCATE mirror.audit_log, mirror.audit_heads",
            "DELETE FROM mirror.audit_heads",
            "UPDATE mirror.audit_heads SET seq = 0",
        ] {
            let tx = mirror.as_tenant(url).await;
            let refused = tx.execute_unprepared(sql).await.unwrap_err().to_string();
            assert!(refused.contains("only grows") || refused.contains("permission denied"), "{sql}: {refused}");
        }
    }
    assert_eq!(mirror.tenant.audit_verify().await.unwrap(), Verified::Whole { lines: 1 });
}

/// As the owner could.
async fn forge(owner_url: &str, tenant: TenantId, forgery: &str) {
    let owner = connect(owner_url).await.begin().await.unwrap();
    for sql in [
        "ALTER TABLE mirror.audit_log DISABLE TRIGGER USER",
        "ALTER TABLE mirror.audit_heads DISABLE TRIGGER USER",
        &format!("SELECT set_config('app.current_tenant_id', '{tenant}', true)"),
        forgery,
    ] {
        owner.execute_unprepared(sql).await.unwrap();
    }
    owner.commit().await.unwrap();
}

#[tokio::test]
async fn the_daily_check_tells_of_a_changed_log_and_goes_on() {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..FleetOptions::default() }).await;
    let acme = fleet.store.tenant(fleet.instance.tenant);
    done(&acme, "x", "1").await;
    forge(&fleet.database.owner_url, acme.id(), "UPDATE mirror.audit_log SET actor_id = 'eve' WHERE seq = 1").await;
    let last = fleet.add_tenant("zulu", 300).await;
    done(&fleet.store.tenant(last.tenant), "x", "1").await;
    let worker = Process::start(&fleet, "worker", &fleet.queues.url);
    worker.until_ready_is(200).await;
    fleet.producer.enqueue(Job::VerifyAudit { after: None, page: 0 }).await.unwrap();
    fleet.drain().await;
    let figures = worker.ask("/metrics").await.unwrap().1;
    for (outcome, logs) in [("broken", 1), ("whole", 1)] {
        let told = format!("jirafleet_audit_checked_total{{outcome=\"{outcome}\"}} {logs}");
        assert!(figures.lines().any(|line| line == told), "{told}");
    }
}

/// The owner takes the triggers away and changes the log; the chain tells where.
#[tokio::test]
async fn a_changed_log_is_found_out() {
    for (forgery, seq) in [
        ("UPDATE mirror.audit_log SET actor_id = 'eve' WHERE seq = 3", 3),
        ("UPDATE mirror.audit_log SET at = at - interval '1 hour' WHERE seq = 2", 2),
        ("UPDATE mirror.audit_log SET details = '{\"n\":\"2\"}' WHERE seq = 2", 2),
        ("UPDATE mirror.audit_log SET details = '{\"n\":2}' WHERE seq = 2", 2),
        ("DELETE FROM mirror.audit_log WHERE seq = 4", 4),
        ("DELETE FROM mirror.audit_log WHERE seq = 1", 1),
        ("DELETE FROM mirror.audit_log WHERE seq > 3", 4),
        ("DELETE FROM mirror.audit_log", 1),
        ("DELETE FROM mirror.audit_heads", 5),
        (
            "DELETE FROM mirror.audit_log WHERE seq = 5; UPDATE mirror.audit_heads h SET seq = 4, hash = l.hash
            FROM mirror.audit_log l WHERE l.seq = 4",
            4,
        ),
    ] {
        let mirror = Mirror::new().await;
        for n in 0..5 {
            done(&mirror.tenant, "x", &n.to_string()).await;
        }
        forge(&mirror.database.owner_url, mirror.tenant.id(), forgery).await;
        match mirror.tenant.audit_verify().await.unwrap() {
            Verified::Broken { seq: found, .. } => assert_eq!(found, seq, "{forgery}"),
            whole => panic!("{forgery}: {whole:?}"),
        }
    }
}

#[tokio::test]
async fn a_long_log_is_walked_in_pages() {
    let mirror = Mirror::new().await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    for n in 0..2_500 {
        tx.audit_done(Deed::new(&mia(), "x").with("n", n));
    }
    tx.commit().await.unwrap();
    assert_eq!(mirror.tenant.audit_verify().await.unwrap(), Verified::Whole { lines: 2_500 });
}

#[tokio::test]
async fn a_key_is_looked_up_before_its_tenant_is_known() {
    let mirror = Mirror::new().await;
    let tenant = mirror.tenant.clone().on_behalf_of(&mia());
    let new = NewApiKey {
        name: "ci".to_owned(),
        environment: "live".to_owned(),
        scopes: vec!["issues:read".parse().unwrap(), "audit:read".parse().unwrap()],
        networks: vec!["10.1.2.3/16".parse::<IpNet>().unwrap()],
        expires_at: Some(Utc::now() + Duration::from_secs(3600)),
    };
    let (made, token) = tenant.create_api_key(new.clone()).await.unwrap();
    assert!(matches!(tenant.create_api_key(new.clone()).await, Err(Error::Conflict(_))));
    let found = mirror.store.system().api_key(&token).await.unwrap().unwrap();
    assert_eq!((&found, found.tenant), (&made, tenant.id()));
    assert_eq!(found.networks[0].to_string(), "10.1.0.0/16");
    let other = store::ApiToken::generate("live").unwrap();
    assert_eq!(mirror.store.system().api_key(&other).await.unwrap(), None);
    // Another process of the fleet, which has the same pepper.
    let again = tests::store_for(&mirror.database, 1).await;
    assert!(again.system().api_key(&token).await.unwrap().is_some());

    assert!(tenant.api_key_used(made.id).await.unwrap());
    assert!(!tenant.api_key_used(made.id).await.unwrap(), "not every use is a write");
    mirror.store.system().suspend_tenant(tenant.id(), true).await.unwrap();
    assert_eq!(mirror.store.system().api_key(&token).await.unwrap(), None);
    mirror.store.system().suspend_tenant(tenant.id(), false).await.unwrap();
    tenant.revoke_api_key("ci").await.unwrap();
    assert!(matches!(tenant.revoke_api_key("ci").await, Err(Error::NotFound(_))));
    let found = mirror.store.system().api_key(&token).await.unwrap().unwrap();
    assert_eq!(found.state(Utc::now()), "revoked");
    tenant.create_api_key(new).await.unwrap();
    assert_eq!(tenant.api_keys().await.unwrap().len(), 2, "the name is free again");

    let rows = mirror.rows(&["api_keys", "audit_log"]).await;
    assert!(!rows.contains(&token.expose()[15..]), "the token is nowhere");
    let said = ["apikey.create done", "apikey.revoke done", "apikey.create done"];
    assert_eq!(actions(&tenant, AuditFilter::default()).await, said);
}

#[tokio::test]
async fn what_ai_cost_is_summed() {
    let mirror = Mirror::new().await;
    let mut tx = mirror.tenant.begin().await.unwrap();
    let call = ai_call();
    tx.add_ai_call(&call).await.unwrap();
    tx.add_ai_call(&call).await.unwrap();
    tx.add_ai_call(&store::AiCall { cost_microdollars: None, ..call.clone() }).await.unwrap();
    tx.commit().await.unwrap();
    let hour = Duration::from_secs(3600);
    let spent = mirror.tenant.ai_spent(call.at, call.at + hour).await.unwrap();
    assert_eq!(spent, store::AiSpent { calls: 3, tokens: 330, cost_microdollars: 84, unpriced: 1 });
    assert_eq!(mirror.tenant.ai_spent(call.at - hour, call.at).await.unwrap(), store::AiSpent::default());
}

#[tokio::test]
async fn what_operators_do_is_in_the_log() {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await;
    let cli = Cli::of(&fleet, "audit");
    cli.ok(&["instance", "pause", "acme"]).await;
    cli.ok(&["tenant", "suspend", "acme"]).await;
    let token = cli.ok(&["apikey", "create", "ci", "--tenant", "acme", "--scope", "issues:read,sync:read"]).await;
    let token = token.trim();
    assert!(token.starts_with("jirafleet_live_"));
    cli.fails(4, &["apikey", "create", "ci", "--tenant", "acme", "--scope", "issues:read"]).await;
    let said = cli.run(&["apikey", "create", "x", "--tenant", "acme", "--scope", "everything"]).await;
    assert_eq!(said.status.code(), Some(2));
    let listed = cli.ok(&["apikey", "list", "--tenant", "acme", "-o", "jsonl"]).await;
    assert!(listed.contains("\"state\":\"active\"") && !listed.contains(&token[15..]), "{listed}");
    cli.fails(2, &["apikey", "revoke", "ci", "--tenant", "acme"]).await;
    cli.ok(&["apikey", "revoke", "ci", "--tenant", "acme", "--yes"]).await;
    cli.fails(3, &["apikey", "revoke", "ci", "--tenant", "acme", "--yes"]).await;
    cli.ok(&["keys", "rotate", "--data-keys", "--tenant", "acme"]).await;

    let log = cli.ok(&["audit", "query", "--tenant", "acme", "-o", "json"]).await;
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(log["schema"], "jirafleet.audit/1");
    let actions: Vec<&str> = log["rows"].as_array().unwrap().iter().filter_map(|row| row["action"].as_str()).collect();
    assert_eq!(actions, ["keys.rotate", "apikey.revoke", "apikey.create", "tenant.suspend", "instance.pause"]);
    assert!(log["rows"][0]["actor"].as_str().unwrap().starts_with("operator:"));
    let some = ["audit", "query", "--tenant", "acme", "--action", "apikey", "--limit", "1", "-o", "jsonl"];
    assert_eq!(cli.ok(&some).await.lines().count(), 1);
    let verified = cli.ok(&["audit", "verify", "-o", "jsonl"]).await;
    assert!(verified.contains("\"tenant\":\"acme\",\"rows\":5"), "{verified}");

    let owner = connect(&fleet.database.owner_url).await.begin().await.unwrap();
    for sql in [
        "ALTER TABLE mirror.audit_log DISABLE TRIGGER USER",
        &format!("SELECT set_config('app.current_tenant_id', '{}', true)", fleet.instance.tenant),
        "UPDATE mirror.audit_log SET actor_id = 'eve' WHERE seq = 2",
    ] {
        owner.execute_unprepared(sql).await.unwrap();
    }
    owner.commit().await.unwrap();
    let broken = cli.run(&["audit", "verify", "--tenant", "acme"]).await;
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("row 2"));
}
