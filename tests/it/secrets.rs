//! Secrets at rest: what a dump shows, what opens where, and replacing keys while everybody works.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use secrecy::ExposeSecret;
use store::{App, Config, Credentials, Error, Grant, Login, MasterKey, Store, TenantStore};
use tests::{FleetOptions, TestDatabase, TestFleet};

use crate::{
    cli::Cli,
    store::sample::{Mirror, at, connect, register},
};

async fn open(database: &TestDatabase, master_key: MasterKey, max_connections: u32) -> Result<Store, Error> {
    let (url, application_name) = (database.app_url.clone(), "tests".to_owned());
    Store::connect(Config { url, max_connections, master_key, application_name, cache: None }).await
}

/// A master key in a file, as processes have it.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(name: &str, key: &MasterKey) -> Self {
        let file = std::env::temp_dir().join(format!("jirafleet-key-{name}-{}", std::process::id()));
        let file = Self(file);
        file.write(key);
        file
    }

    fn write(&self, key: &MasterKey) {
        let draft = self.0.with_extension("new");
        std::fs::write(&draft, key.to_hex().expose_secret()).unwrap();
        std::fs::rename(draft, &self.0).unwrap();
    }

    fn read(&self) -> MasterKey {
        MasterKey::from_hex(&std::fs::read_to_string(&self.0).unwrap()).unwrap().kept_in(&self.0)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn as_tenant(database: &TestDatabase, tenant: &TenantStore, sql: &str) {
    let connection = connect(&database.app_url).await;
    let words = format!("BEGIN; SELECT set_config('app.current_tenant_id', '{}', true); {sql}; COMMIT", tenant.id());
    connection.execute_unprepared(&words).await.unwrap();
}

fn grant(word: &str) -> Credentials {
    let app = App { client_id: "app".to_owned(), client_secret: format!("client secret of {word}").into() };
    let (access, refresh) = (format!("access of {word}").into(), format!("refresh of {word}").into());
    Credentials::OAuth { app, grant: Grant { access, refresh, expires_at: at(1), version: 1 } }
}

/// Every byte of every row, as `pg_dump` would write it.
#[tokio::test]
async fn a_dump_shows_no_secret() {
    let mirror = Mirror::new().await;
    let (other, other_instance) = register(&mirror.store, "globex").await;
    other.set_credentials(other_instance, &grant("globex")).await.unwrap();
    other.rotate_data_key().await.unwrap();
    let master = tests::master_key().to_hex();
    let mut secrets = vec![master.expose_secret().to_owned(), "5a".repeat(16)];
    for word in ["token of acme", "secret of acme", "secret of globex", "client secret of globex", "refresh of globex"]
    {
        secrets.extend([word.to_owned(), hex::encode(word)]);
    }
    for tenant in [&mirror.tenant, &other] {
        let tables = ["jira_instances", "oauth_grants", "tenant_keys", "house_keys", "tenants", "audit_log"];
        let mut dump = String::new();
        for table in tables {
            let tx = connect(&mirror.database.app_url).await.begin().await.unwrap();
            let set = format!("SELECT set_config('app.current_tenant_id', '{}', true)", tenant.id());
            tx.execute_unprepared(&set).await.unwrap();
            let sql = format!("SELECT coalesce(string_agg(t::text, E'\n'), '') AS rows FROM mirror.{table} t");
            let row = tx.query_one_raw(Statement::from_string(tx.get_database_backend(), sql)).await.unwrap().unwrap();
            dump += &row.try_get::<String>("", "rows").unwrap();
        }
        assert!(dump.len() > 500);
        for secret in &secrets {
            assert!(!dump.contains(secret.as_str()), "{secret}");
        }
    }
    // With a key of somebody else's the store does not even open.
    let refused = open(&mirror.database, MasterKey::generate(), 1).await.err().unwrap();
    assert!(matches!(&refused, Error::Configuration(why) if why.contains("master key")), "{refused}");
}

#[tokio::test]
async fn what_is_moved_does_not_open() {
    let mirror = Mirror::new().await;
    let (tenant, instance) = (&mirror.tenant, mirror.instance);
    let second = tenant.add_instance(crate::store::sample::new_instance("second")).await.unwrap();
    let (other, other_instance) = register(&mirror.store, "other").await;
    let broken = async |what: &str| {
        let error = tenant.credentials(instance).await.err();
        assert!(matches!(error, Some(Error::Configuration(_))), "{what}: {error:?}");
    };
    // From another row, and from another column of the same one.
    let moved = format!(
        "UPDATE mirror.jira_instances SET credentials_sealed = (SELECT credentials_sealed FROM mirror.jira_instances
        WHERE id = '{}') WHERE id = '{instance}'",
        second.id
    );
    as_tenant(&mirror.database, tenant, &moved).await;
    broken("another row's").await;
    let turned = format!(
        "UPDATE mirror.jira_instances SET credentials_sealed = webhook_secret_sealed,
        webhook_secret_sealed = credentials_sealed WHERE id = '{}'",
        second.id
    );
    as_tenant(&mirror.database, tenant, &turned).await;
    assert!(tenant.credentials(second.id).await.is_err() && tenant.webhook_secret(second.id).await.is_err());
    // From another tenant, together with its data key, by somebody who may write everywhere.
    let text = async |tenant: &TenantStore, sql: &str| {
        let connection = connect(&mirror.database.app_url).await.begin().await.unwrap();
        let set = format!("SELECT set_config('app.current_tenant_id', '{}', true)", tenant.id());
        connection.execute_unprepared(&set).await.unwrap();
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get::<String>("", "text").unwrap()
    };
    let sealed = text(&other, "SELECT encode(credentials_sealed, 'hex') AS text FROM mirror.jira_instances").await;
    let key = text(&other, "SELECT encode(key_sealed, 'hex') AS text FROM mirror.tenant_keys").await;
    let stolen = format!(
        "UPDATE mirror.jira_instances SET credentials_sealed = decode('{sealed}', 'hex') WHERE id = '{instance}';
        UPDATE mirror.tenant_keys SET key_sealed = decode('{key}', 'hex')"
    );
    as_tenant(&mirror.database, tenant, &stolen).await;
    broken("another tenant's").await;
    // Nor in a process that remembers no keys.
    let fresh = tests::store_for(&mirror.database, 1).await;
    assert!(fresh.tenant(tenant.id()).credentials(instance).await.is_err());
    assert!(fresh.tenant(other.id()).credentials(other_instance).await.is_ok());
}

/// Sealed by the first release for the tenant and the instance below, under the key of the tests.
const OLD_CREDENTIALS: &str = "014f67b0e074b89624e63a70754d3f49835cfac7d5ebebb7fb4553c5c4b4e0e150b0bc45b1162d8cecc3adf95b\
7afdcebbf89411528e6c9b2e1eac5c9adc882d99e11c710a4dae4b4e81cda48e57a24b8965ba";
const OLD_WEBHOOK: &str = "017174da5343ae68d63604144c354cb98f492e3f84d6dc54ce89d32c09aba0822973a7ac75f2ae60553f7509c8";

/// A row as the first release left it.
async fn old_row(database: &TestDatabase) -> (domain::TenantId, domain::InstanceId) {
    let (tenant, instance) = (domain::TenantId(uuid::Uuid::from_u128(1)), domain::InstanceId(uuid::Uuid::from_u128(2)));
    let connection = connect(&database.app_url).await;
    let words = format!(
        "BEGIN; SELECT set_config('app.current_tenant_id', '{tenant}', true);
        INSERT INTO mirror.tenants (id, name) VALUES ('{tenant}', 'old');
        INSERT INTO mirror.jira_instances (tenant_id, id, name, site, poll_interval_seconds, requests_per_minute,
            credentials_sealed, webhook_secret_sealed)
        VALUES ('{tenant}', '{instance}', 'old', 'https://old.atlassian.test', 300, 100,
            decode('{OLD_CREDENTIALS}', 'hex'), decode('{OLD_WEBHOOK}', 'hex')); COMMIT"
    );
    connection.execute_unprepared(&words).await.unwrap();
    (tenant, instance)
}

async fn opens(tenant: &TenantStore, instance: domain::InstanceId) {
    let Credentials::Basic(Login { email, token }) = tenant.credentials(instance).await.unwrap() else { panic!() };
    assert_eq!((email.as_str(), token.expose_secret()), ("bot@acme.test", "s3cret"));
    assert_eq!(tenant.webhook_secret(instance).await.unwrap().expose_secret(), "hook");
}

#[tokio::test]
async fn what_the_first_release_sealed_opens_and_is_sealed_again() {
    let database = tests::database().await;
    let (tenant, instance) = old_row(&database).await;
    let first = tests::master_key();
    let file = KeyFile::new("old", &first);
    let store = open(&database, file.read(), 2).await.unwrap();
    opens(&store.tenant(tenant), instance).await;
    assert_eq!(store.tenant(tenant).sealed_counts().await.unwrap()[0].key, None);
    file.write(&first.renewed());
    while store.system().rewrap_keys().await.unwrap() > 0 {}
    let store = open(&database, file.read(), 2).await.unwrap();
    opens(&store.tenant(tenant), instance).await;
    assert_eq!(store.tenant(tenant).reseal().await.unwrap(), 2);
    assert_eq!(store.tenant(tenant).reseal().await.unwrap(), 0);
    let counts = store.tenant(tenant).sealed_counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| (count.key, count.secrets)).collect::<Vec<_>>(), [(Some(1), 2)]);
    // The first release's key is not needed any more.
    let text = file.read().to_hex();
    let newest = MasterKey::from_hex(text.expose_secret().lines().next().unwrap()).unwrap();
    opens(&open(&database, newest, 1).await.unwrap().tenant(tenant), instance).await;
}

#[tokio::test]
async fn peppers_outlive_every_master_key() {
    let database = tests::database().await;
    let file = KeyFile::new("pepper", &tests::master_key());
    let store = open(&database, file.read(), 2).await.unwrap();
    let (tenant, instance) = register(&store, "acme").await;
    let hash = async |store: &Store, minute: i64| {
        let mut issue = crate::store::sample::said(1, (minute, minute), "a");
        let mut mia = crate::store::sample::person("mia", "Mia");
        mia.email = Some(domain::EmailAddress::new("mia@acme.test").unwrap());
        issue.people = vec![mia];
        let tenant = store.tenant(tenant.id());
        let mut tx = tenant.begin().await.unwrap();
        tx.apply(instance, &[issue]).await.unwrap();
        tx.commit().await.unwrap();
        let connection = connect(&database.app_url).await.begin().await.unwrap();
        let set = format!("SELECT set_config('app.current_tenant_id', '{}', true)", tenant.id());
        connection.execute_unprepared(&set).await.unwrap();
        let sql = "SELECT encode(email_hash, 'hex') AS text FROM mirror.users";
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get::<String>("", "text").unwrap()
    };
    let key = store::NewApiKey {
        name: "ci".to_owned(),
        environment: "live".to_owned(),
        scopes: vec![domain::Scope::ReadIssues],
        networks: Vec::new(),
        expires_at: None,
    };
    let (_, token) = tenant.create_api_key(key).await.unwrap();
    let before = hash(&store, 1).await;
    for _ in 0..2 {
        file.write(&file.read().renewed());
        while store.system().rewrap_keys().await.unwrap() > 0 {}
        let text = file.read().to_hex();
        file.write(&MasterKey::from_hex(text.expose_secret().lines().next().unwrap()).unwrap());
    }
    let store = open(&database, file.read(), 2).await.unwrap();
    assert_eq!(hash(&store, 2).await, before);
    assert!(store.system().api_key(&token).await.unwrap().is_some());
}

/// Readers and writers in three processes of which none is told, while both kinds of keys are replaced again and again.
#[tokio::test]
async fn keys_are_replaced_under_load_without_a_failure() {
    let database = tests::database().await;
    let file = KeyFile::new("load", &tests::master_key());
    let operator = open(&database, file.read(), 2).await.unwrap();
    let mut sites = Vec::new();
    for n in 0..6 {
        let (tenant, instance) = register(&operator, &format!("tenant-{n}")).await;
        if n % 2 == 0 {
            tenant.set_credentials(instance, &grant("first")).await.unwrap();
        }
        sites.push((tenant.id(), instance));
    }
    let (over, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let process = async |seed: usize| {
        let store = open(&database, file.read(), 2).await.unwrap();
        let mut round = seed;
        while !over.load(Relaxed) {
            let (tenant, instance) = sites[round % sites.len()];
            let tenant = store.tenant(tenant);
            let credentials = tenant.credentials(instance).await.unwrap();
            tenant.webhook_secret(instance).await.unwrap();
            if let Credentials::OAuth { grant, .. } = credentials {
                let newer = Grant { version: grant.version + 1, ..grant };
                tenant.save_grant(instance, &newer).await.unwrap();
            } else if round.is_multiple_of(7) {
                tenant.set_credentials(instance, &credentials).await.unwrap();
            }
            reads.fetch_add(2, Relaxed);
            round += 1;
        }
    };
    let rotate = async || {
        for _ in 0..5 {
            file.write(&file.read().renewed());
            while operator.system().rewrap_keys().await.unwrap() > 0 {}
            for (tenant, _) in &sites {
                let tenant = operator.tenant(*tenant);
                tenant.rotate_data_key().await.unwrap();
                while tenant.reseal().await.unwrap() > 0 {}
            }
        }
        over.store(true, Relaxed);
    };
    tokio::join!(process(0), process(2), process(4), rotate());
    println!("{} secrets were opened while keys were replaced", reads.load(Relaxed));
    assert!(reads.load(Relaxed) > 50);
    let keys = operator.system().tenant_keys(None).await.unwrap();
    assert_eq!(keys.len(), sites.len(), "older data keys are forgotten: {keys:?}");
    assert!(keys.iter().all(|key| key.kek == file.read().names()[0]));
}

#[tokio::test]
async fn a_rotation_that_was_killed_goes_on() {
    let database = tests::database().await;
    let file = KeyFile::new("killed", &tests::master_key());
    let store = open(&database, file.read(), 2).await.unwrap();
    let (tenant, instance) = register(&store, "acme").await;
    for n in 0..120 {
        tenant.add_instance(crate::store::sample::new_instance(&format!("site-{n}"))).await.unwrap();
    }
    file.write(&file.read().renewed());
    // Killed before anything was committed, and in the middle of the secrets.
    let rotating = open(&database, file.read(), 1).await.unwrap();
    let begun = tokio::time::timeout(std::time::Duration::from_micros(300), async {
        while rotating.system().rewrap_keys().await.unwrap() > 0 {}
    });
    let _ = begun.await;
    rotating.tenant(tenant.id()).rotate_data_key().await.unwrap();
    assert!(rotating.tenant(tenant.id()).reseal().await.unwrap() > 0);
    drop(rotating);
    let counts = tenant.sealed_counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| count.key).collect::<Vec<_>>(), [Some(1), Some(2)], "it is half done");
    assert!(tenant.credentials(instance).await.is_ok());
    // A process that knows nothing of the first one goes on.
    let again = open(&database, file.read(), 1).await.unwrap();
    while again.system().rewrap_keys().await.unwrap() > 0 {}
    while again.tenant(tenant.id()).reseal().await.unwrap() > 0 {}
    let counts = tenant.sealed_counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| (count.key, count.secrets)).collect::<Vec<_>>(), [(Some(2), 242)]);
    assert!(again.system().tenant_keys(None).await.unwrap().iter().all(|key| key.kek == file.read().names()[0]));
    for listed in tenant.instances().await.unwrap() {
        tenant.credentials(listed.id).await.unwrap();
    }
}

#[tokio::test]
async fn an_operator_replaces_the_master_key() {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await;
    let cli = Cli::of(&fleet, "keys");
    let keys = async || {
        let listed = cli.ok(&["keys", "list", "-o", "json"]).await;
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed["schema"], "jirafleet.keys/1");
        listed["rows"].as_array().unwrap().clone()
    };
    let sealed = |rows: &[serde_json::Value]| -> Vec<i64> {
        rows.iter().filter(|row| row["kind"] == "master").filter_map(|row| row["seals"].as_i64()).collect()
    };
    let before = keys().await;
    assert_eq!(sealed(&before).len(), 1);
    cli.ok(&["keys", "rotate", "--new-key"]).await;
    let after = keys().await;
    assert_eq!(sealed(&after), [sealed(&before)[0], 0], "the older key seals nothing");
    assert!(!format!("{after:?}").contains("5a5a5a"), "no key is shown");
    cli.ok(&["keys", "rotate", "--data-keys"]).await;
    assert!(keys().await.iter().any(|row| row["kind"] == "data" && row["name"] == "2" && row["seals"] == 2));
    cli.ok(&["instance", "show", "acme"]).await;
}
