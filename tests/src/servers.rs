//! One PostgreSQL and one Redis per test run; one database (a clone of a migrated template) and one key prefix per test.
//!
//! `TEST_DATABASE_URL` (a superuser) and `TEST_REDIS_URL` are used where set; otherwise private servers are started from
//! the programs on this machine, and die with the test run.

use std::{
    env, fs,
    path::PathBuf,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use ::servers::{Durability, Options, PrivateServers};
use sea_orm::{ConnectionTrait, Database};
use store::{CacheConfig, MasterKey, Store};
use tokio::{runtime::Runtime, sync::OnceCell};

/// A database of one test's own.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    /// As the application's login, which row security binds.
    pub app_url: String,
    /// As the schema's owner.
    pub owner_url: String,
}

struct Servers {
    superuser_url: String,
    owner_url: String,
    app_url: String,
    redis_url: String,
    /// Dropped with the process: the servers are told by the kernel.
    _private: Option<PrivateServers>,
}

/// Outlives every test's own runtime, since the servers do too.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime for the servers")
});
static SERVERS: OnceCell<Servers> = OnceCell::const_new();
static TEMPLATE: OnceCell<()> = OnceCell::const_new();
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A fresh, migrated database.
pub async fn database() -> TestDatabase {
    let servers = servers().await;
    TEMPLATE.get_or_init(|| on_servers(make_template())).await;
    clone_of(servers, TEMPLATE_NAME).await
}

/// A fresh database with the extensions and nothing else: for tests of the migrations.
pub async fn empty_database() -> TestDatabase {
    clone_of(servers().await, "template1").await
}

/// The mirror of a fresh database, by a pool of one connection: whoever holds it while Jira is asked is found.
pub async fn store() -> Store {
    store_for(&database().await, 1).await
}

/// The mirror of this database.
pub async fn store_for(database: &TestDatabase, max_connections: u32) -> Store {
    open(database, max_connections, None).await
}

/// The same with a cache, as every process has one.
pub async fn cached_store_for(database: &TestDatabase, max_connections: u32, cache: CacheConfig) -> Store {
    open(database, max_connections, Some(cache)).await
}

/// The mirror behind this address.
pub(crate) async fn open_at(app_url: &str, max_connections: u32) -> Store {
    let database = TestDatabase { app_url: app_url.to_owned(), owner_url: String::new() };
    open(&database, max_connections, None).await
}

async fn open(database: &TestDatabase, max_connections: u32, cache: Option<CacheConfig>) -> Store {
    Store::connect(store::Config {
        url: database.app_url.clone(),
        max_connections,
        master_key: master_key(),
        application_name: "tests".to_owned(),
        cache,
    })
    .await
    .expect("the store opens")
}

/// The key that opens every test's seals.
pub fn master_key() -> MasterKey {
    MasterKey::from_hex(&"5a".repeat(32)).expect("64 digits")
}

/// A key prefix of one test's own.
pub async fn queue_config() -> queue::Config {
    queue::Config { url: servers().await.redis_url.clone(), prefix: format!("test{}-{}", std::process::id(), number()) }
}

/// A cache of one test's own.
pub async fn cache_config() -> CacheConfig {
    let queue::Config { url, prefix } = queue_config().await;
    CacheConfig { url, prefix }
}

/// Servers of one test's own, for tests that stop or kill them; in a folder that the next run removes.
pub async fn private_servers() -> PrivateServers {
    let folder = format!("jirafleet-tests-{}", std::process::id());
    start_private(env::temp_dir().join(folder).with_extension(number().to_string())).await
}

const TEMPLATE_NAME: &str = "jirafleet_template";

async fn servers() -> &'static Servers {
    SERVERS.get_or_init(|| on_servers(start())).await
}

/// Runs on the servers' own runtime.
async fn on_servers<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    RUNTIME.spawn(work).await.expect("the servers' runtime works")
}

async fn start() -> Servers {
    if let (Ok(superuser_url), Ok(redis_url)) = (env::var("TEST_DATABASE_URL"), env::var("TEST_REDIS_URL")) {
        return Servers {
            owner_url: superuser_url.clone(),
            app_url: env::var("TEST_APP_DATABASE_URL").expect("TEST_APP_DATABASE_URL names the application's login"),
            superuser_url,
            redis_url,
            _private: None,
        };
    }
    sweep();
    let private = start_private(env::temp_dir().join(format!("jirafleet-tests-{}", std::process::id()))).await;
    Servers {
        superuser_url: private.superuser_url(),
        owner_url: private.owner_url(),
        app_url: private.app_url(),
        redis_url: private.redis_url(),
        _private: Some(private),
    }
}

async fn start_private(data_dir: PathBuf) -> PrivateServers {
    let mut options = Options::new(data_dir);
    options.durability = Durability::Throwaway;
    options.temp_dir = env::temp_dir();
    if let Some(path) = env::var_os("PATH") {
        options.search_path = path;
    }
    PrivateServers::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Removes what earlier runs left: their servers died with them.
fn sweep() {
    let entries = fs::read_dir(env::temp_dir()).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_stem().and_then(|name| name.to_str());
        let pid = name.and_then(|name| name.strip_prefix("jirafleet-tests-"));
        if pid.is_some_and(|pid| !PathBuf::from("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

async fn make_template() {
    let servers = servers().await;
    run(&servers.superuser_url, &format!("DROP DATABASE IF EXISTS {TEMPLATE_NAME}")).await;
    run(&servers.superuser_url, &create(servers, TEMPLATE_NAME, "template1")).await;
    migration::up(&named(&servers.owner_url, TEMPLATE_NAME)).await.expect("the migrations run");
}

async fn clone_of(servers: &Servers, template: &str) -> TestDatabase {
    let name = format!("test{}_{}", std::process::id(), number());
    run(&servers.superuser_url, &create(servers, &name, template)).await;
    TestDatabase { app_url: named(&servers.app_url, &name), owner_url: named(&servers.owner_url, &name) }
}

fn create(servers: &Servers, name: &str, template: &str) -> String {
    let owner = if servers._private.is_some() { " OWNER jirafleet_owner" } else { "" };
    format!("CREATE DATABASE {name} TEMPLATE {template}{owner}")
}

async fn run(url: &str, sql: &str) {
    let connection = Database::connect(url).await.expect("the superuser connects");
    connection.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    connection.close().await.expect("the superuser leaves");
}

/// The same URL with another database.
fn named(url: &str, database: &str) -> String {
    let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let base = before.rsplit_once('/').map_or(before, |(base, _)| base);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{base}/{database}{query}")
}

fn number() -> u32 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
