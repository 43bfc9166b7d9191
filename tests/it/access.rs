//! The other two ways in: tokens with scopes, and OAuth tokens that rotate, for a fleet that shares one pair.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::InstanceState;
use queue::Job;
use serde_json::{Value, json};
use simulator::{AppKeys, Fault, Route};
use store::{App, Credentials, Grant, Login, TenantStore, Turn};
use tests::{FleetOptions, TestFleet};

use crate::cli::Cli;

const HOUR: Duration = Duration::from_secs(3600);
const SCOPES: [&str; 3] = ["read:jira-work", "read:jira-user", "offline_access"];

async fn fleet() -> TestFleet {
    TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await
}

fn tenant(fleet: &TestFleet) -> TenantStore {
    fleet.store.tenant(fleet.instance.tenant)
}

/// A code, as a person who authorised the app is given it.
fn code(fleet: &TestFleet, app: &AppKeys) -> String {
    let world = fleet.jira();
    world.authorize(&app.client_id, &world.service_account(), &SCOPES)
}

/// What the auth server gives for this.
async fn tokens(fleet: &TestFleet, app: &AppKeys, shown: Value) -> Grant {
    let mut body = json!({"client_id": app.client_id, "client_secret": app.client_secret});
    body.as_object_mut().unwrap().extend(shown.as_object().unwrap().clone());
    let asked = reqwest::Client::new().post(format!("{}/oauth/token", fleet.site())).json(&body).send();
    let given: Value = asked.await.unwrap().error_for_status().unwrap().json().await.unwrap();
    let text = |name: &str| given[name].as_str().unwrap().to_owned().into();
    let expires_at = Utc::now() + TimeDelta::hours(1);
    Grant { access: text("access_token"), refresh: text("refresh_token"), expires_at, version: 1 }
}

/// Opens the fleet's instance with an OAuth app from now on.
async fn authorise(fleet: &TestFleet) -> AppKeys {
    let world = fleet.jira();
    let app = world.add_app(&world.service_account());
    let shown = json!({"grant_type": "authorization_code", "code": code(fleet, &app)});
    let grant = tokens(fleet, &app, shown).await;
    let keys = App { client_id: app.client_id.clone(), client_secret: app.client_secret.clone().into() };
    let credentials = Credentials::OAuth { app: keys, grant };
    tenant(fleet).set_credentials(fleet.instance.id, &credentials).await.unwrap();
    app
}

/// Another process refreshes version `seen`: it is given the next pair, and does not store it yet.
async fn refresh_elsewhere(fleet: &TestFleet, app: &AppKeys, seen: u64, lease: Duration) -> Grant {
    use secrecy::ExposeSecret;
    let (tenant, id) = (tenant(fleet), fleet.instance.id);
    assert!(matches!(tenant.claim_grant(id, seen, "elsewhere", lease).await.unwrap(), Turn::Ours));
    let old = tenant.grant(id).await.unwrap();
    let shown = json!({"grant_type": "refresh_token", "refresh_token": old.refresh.expose_secret()});
    Grant { version: seen + 1, ..tokens(fleet, app, shown).await }
}

fn refreshes(fleet: &TestFleet) -> u64 {
    fleet.jira().requests().of(Route::OauthToken)
}

async fn version(fleet: &TestFleet) -> u64 {
    tenant(fleet).grant(fleet.instance.id).await.unwrap().version
}

/// A client as a process of its own has it.
async fn client(fleet: &TestFleet) -> jira::Client {
    let credentials = worker::credentials(&tenant(fleet), fleet.instance.id).await.unwrap();
    fleet.clients().client_as(&fleet.instance, credentials).unwrap()
}

#[tokio::test]
async fn a_token_with_scopes_copies_everything_through_the_gateway() {
    let mut fleet = fleet().await;
    let world = fleet.jira();
    world.add_scoped_login("scoped@example.com", "scoped", &world.service_account(), &SCOPES[..2]);
    let login = Login { email: "scoped@example.com".into(), token: "scoped".into() };
    tenant(&fleet).set_credentials(fleet.instance.id, &Credentials::Scoped(login)).await.unwrap();
    fleet.start_worker().await;
    fleet.backfill().await;
    assert_eq!((fleet.dead().await, world.requests().of(Route::TenantInfo)), (0, 1));
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn a_backfill_goes_on_across_the_end_of_an_access_token() {
    let jira = simulator::Config { issues: 900, ..Default::default() };
    let mut fleet = TestFleet::with(FleetOptions { jira, worker: false, ..Default::default() }).await;
    authorise(&fleet).await;
    // Slow enough to be caught in the middle.
    fleet.jira().fail_next(Route::BulkFetch, 100, &Fault::Slow(Duration::from_millis(100)));
    fleet.start_worker().await;
    fleet.start_worker().await;
    let job = Job::Backfill { instance: fleet.instance.id, projects: Vec::new(), since: None };
    fleet.producer.enqueue(job).await.unwrap();
    let under_way = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while fleet.jira().requests().of(Route::BulkFetch) < 3 {
            tick.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), under_way).await.unwrap();
    fleet.jira().advance(HOUR);
    fleet.drain().await;
    assert_eq!((fleet.dead().await, version(&fleet).await, refreshes(&fleet)), (0, 2, 2));
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn processes_that_need_new_tokens_at_once_refresh_once() {
    let fleet = fleet().await;
    authorise(&fleet).await;
    let processes = [client(&fleet).await, client(&fleet).await, client(&fleet).await];
    for process in &processes {
        process.myself().await.unwrap();
    }
    fleet.jira().advance(HOUR);
    let asked = processes.iter().flat_map(|process| [process.myself(), process.myself()]);
    for answer in futures::future::join_all(asked).await {
        answer.unwrap();
    }
    assert_eq!((refreshes(&fleet), version(&fleet).await), (2, 2), "the first pair was for the code");
}

#[tokio::test]
async fn one_of_many_may_refresh_and_what_it_stores_counts() {
    let fleet = fleet().await;
    authorise(&fleet).await;
    let (tenant, id, lease) = (tenant(&fleet), fleet.instance.id, Duration::from_secs(30));
    let names: Vec<String> = (0..8).map(|n| format!("process {n}")).collect();
    let claims = futures::future::join_all(names.iter().map(|name| tenant.claim_grant(id, 1, name, lease))).await;
    let ours: Vec<usize> = (0..8).filter(|n| matches!(claims[*n], Ok(Turn::Ours))).collect();
    let [winner] = ours[..] else { panic!("{claims:?}") };
    assert!(matches!(tenant.claim_grant(id, 1, &names[winner], lease).await.unwrap(), Turn::Ours), "again");
    assert!(matches!(tenant.claim_grant(id, 1, "late", lease).await.unwrap(), Turn::Theirs));
    let old = tenant.grant(id).await.unwrap();
    assert!(!tenant.save_grant(id, &Grant { version: 3, ..old.clone() }).await.unwrap(), "not the next one");
    assert!(tenant.save_grant(id, &Grant { version: 2, ..old.clone() }).await.unwrap());
    assert!(!tenant.save_grant(id, &Grant { version: 2, ..old }).await.unwrap(), "there is one already");
    assert!(
        matches!(tenant.claim_grant(id, 1, "late", lease).await.unwrap(), Turn::Newer(newer) if newer.version == 2)
    );
    assert!(matches!(tenant.claim_grant(id, 2, "late", lease).await.unwrap(), Turn::Ours), "the lease ended");
}

#[tokio::test]
async fn a_process_that_died_before_it_stored_the_new_tokens_stops_nobody() {
    let mut fleet = fleet().await;
    let app = authorise(&fleet).await;
    fleet.jira().advance(HOUR);
    drop(refresh_elsewhere(&fleet, &app, 1, Duration::from_millis(300)).await);
    fleet.start_worker().await;
    fleet.backfill().await;
    // The code, the dead process, and the refresh token of before once more.
    assert_eq!((fleet.dead().await, version(&fleet).await, refreshes(&fleet)), (0, 2, 3));
    fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn a_process_that_died_after_it_stored_them_has_refreshed_for_all() {
    let fleet = fleet().await;
    let app = authorise(&fleet).await;
    let survivor = client(&fleet).await;
    survivor.myself().await.unwrap();
    fleet.jira().advance(HOUR);
    let grant = refresh_elsewhere(&fleet, &app, 1, Duration::from_secs(30)).await;
    assert!(tenant(&fleet).save_grant(fleet.instance.id, &grant).await.unwrap());
    survivor.myself().await.unwrap();
    assert_eq!((refreshes(&fleet), version(&fleet).await), (2, 2));
}

#[tokio::test]
async fn a_grant_that_was_revoked_suspends_with_what_to_do() {
    let mut fleet = fleet().await;
    let app = authorise(&fleet).await;
    fleet.start_worker().await;
    fleet.backfill().await;
    fleet.jira().revoke_app(&app.client_id);
    fleet.poll().await;
    let state = fleet.store.system().instance(fleet.instance.id).await.unwrap().unwrap().state;
    let InstanceState::Suspended { reason } = state else { panic!("{state:?}") };
    for part in ["invalid_grant", "authorise the app again", "jirafleet instance rotate-token"] {
        assert!(reason.contains(part), "{reason}");
    }
}

/// A file of a test's own that holds a secret; gone with it.
struct File(std::path::PathBuf);

impl File {
    fn holding(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("jirafleet-access-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn an_operator_opens_a_site_with_an_oauth_app() {
    let fleet = fleet().await;
    let (cli, world, site) = (Cli::of(&fleet, "oauth"), fleet.jira(), fleet.site());
    let app = world.add_app(&world.service_account());
    let secret = File::holding("oauth-secret", &app.client_secret);
    let code_file = File::holding("oauth-code", &code(&fleet, &app));
    let servers = ["--atlassian-gateway", &site, "--atlassian-auth", &site];
    let add = ["instance", "add", "granted", "--tenant", "acme", "--site", &site, "--auth", "oauth"];
    let given = ["--client-id", &app.client_id, "--client-secret-file", secret.name()];
    let shown = ["--code-file", code_file.name(), "--redirect-uri", "https://jirafleet.example/callback"];
    cli.ok(&[&add[..], &given, &shown, &servers].concat()).await;
    let said = cli.ok(&["instance", "show", "granted", "-o", "json"]).await;
    let row = &serde_json::from_str::<Value>(&said).unwrap()["rows"][0];
    assert_eq!((&row["auth"], row["access_token_ends"].is_string()), (&json!("oauth"), true), "{said}");
    assert!(!said.contains(&app.client_secret) && !said.contains("simulated-"), "{said}");

    world.revoke_app(&app.client_id);
    let said = cli.fails(5, &[&["instance", "test", "granted"][..], &servers].concat()).await;
    assert!(said.contains("jirafleet instance rotate-token"), "{said}");
    let shown = json!({"grant_type": "authorization_code", "code": code(&fleet, &app)});
    let refresh = {
        use secrecy::ExposeSecret;
        let grant = tokens(&fleet, &app, shown).await;
        File::holding("oauth-refresh", grant.refresh.expose_secret())
    };
    let rotate = ["instance", "rotate-token", "granted"];
    cli.fails(2, &rotate).await;
    cli.ok(&[&rotate[..], &["--refresh-token-file", refresh.name()], &servers].concat()).await;
    cli.ok(&[&["instance", "test", "granted"][..], &servers].concat()).await;
}

#[tokio::test]
async fn an_operator_opens_a_site_with_a_token_with_scopes() {
    let fleet = fleet().await;
    let (cli, world, site) = (Cli::of(&fleet, "scoped"), fleet.jira(), fleet.site());
    world.add_scoped_login("scoped@example.com", "scoped", &world.service_account(), &SCOPES[..2]);
    let token = File::holding("scoped-token", "scoped");
    let add = ["instance", "add", "scoped", "--tenant", "acme", "--site", &site, "--atlassian-gateway", &site];
    let login = ["--email", "scoped@example.com", "--token-file", token.name()];
    let said = cli.fails(5, &[&add[..], &login].concat()).await;
    assert!(said.contains("--auth scoped"), "{said}");
    cli.ok(&[&add[..], &login, &["--auth", "scoped"]].concat()).await;
    let said = cli.ok(&["instance", "show", "scoped", "-o", "json"]).await;
    assert!(said.contains(r#""auth":"scoped""#) && said.contains(r#""access_token_ends":null"#), "{said}");
    let elsewhere = ["--auth", "scoped", "--atlassian-auth", "http://auth.example.com"];
    let said = cli.fails(2, &[&add[..], &login, &elsewhere].concat()).await;
    assert!(said.contains("https"), "{said}");
    let said = cli.fails(2, &[&add[..], &["--auth", "oauth"]].concat()).await;
    assert!(said.contains("--client-id"), "{said}");
}
