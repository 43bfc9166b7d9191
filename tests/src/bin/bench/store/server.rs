//! A private PostgreSQL, and a fresh database in it for each measurement.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use servers::{Durability, Options, PrivateServers};
use store::Store;

/// A server, its folder removed afterwards unless it is kept.
pub(crate) struct Server {
    servers: PrivateServers,
    kept: bool,
    number: AtomicU32,
}

impl Server {
    /// As `jirafleet dev` starts it: a commit is on disk when it is acknowledged.
    pub(crate) async fn fresh() -> Self {
        let folder = std::env::temp_dir().join(format!("jirafleet-bench-store-{}", std::process::id()));
        Self { servers: start(folder, Durability::Durable).await, kept: false, number: AtomicU32::new(0) }
    }

    /// With data that stays in this folder; nothing waits for the disk, since only reading is measured there.
    pub(crate) async fn kept(folder: PathBuf) -> Self {
        Self { servers: start(folder, Durability::Throwaway).await, kept: true, number: AtomicU32::new(0) }
    }

    /// An empty database; its name.
    pub(crate) async fn database(&self) -> String {
        let name = format!("bench{}", self.number.fetch_add(1, Ordering::Relaxed));
        self.make(&name).await;
        name
    }

    pub(crate) async fn make(&self, database: &str) {
        run(&mut self.superuser("postgres").await, &format!("CREATE DATABASE {database} OWNER jirafleet_owner")).await;
    }

    pub(crate) async fn drop(&self, database: &str) {
        run(&mut self.superuser("postgres").await, &format!("DROP DATABASE {database} WITH (FORCE)")).await;
    }

    /// The login of the processes.
    pub(crate) fn app_url(&self, database: &str) -> String {
        self.servers.app_url_on(database)
    }

    /// The Redis beside it.
    pub(crate) fn redis_url(&self) -> String {
        self.servers.redis_url()
    }

    /// A connection that no row security binds.
    pub(crate) async fn superuser(&self, database: &str) -> PgConnection {
        let url = self.servers.superuser_url_on(database);
        PgConnection::connect(&url).await.expect("the superuser connects")
    }

    pub(crate) async fn migrate(&self, database: &str) {
        migration::up(&self.servers.owner_url_on(database)).await.expect("the migrations run");
    }

    pub(crate) async fn store(&self, database: &str, max_connections: u32) -> Store {
        Store::connect(store::Config {
            url: self.servers.app_url_on(database),
            max_connections,
            master_key: tests::master_key(),
            application_name: "bench".to_owned(),
            cache: None,
        })
        .await
        .expect("the store opens")
    }

    /// Writes a checkpoint, so that no measurement pays for the one before it; the position in the write-ahead log.
    pub(crate) async fn settle(&self) -> i64 {
        let mut connection = self.superuser("postgres").await;
        run(&mut connection, "CHECKPOINT").await;
        log_position(&mut connection).await
    }

    /// Bytes written to the write-ahead log since then, by anybody.
    pub(crate) async fn logged_since(&self, position: i64) -> i64 {
        log_position(&mut self.superuser("postgres").await).await - position
    }

    pub(crate) async fn stop(self) {
        let folder = self.servers.data_dir().to_owned();
        self.servers.stop().await.expect("the servers stop");
        if !self.kept {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Runs statements of our own making.
pub(crate) async fn run(connection: &mut PgConnection, sql: &str) {
    let done = connection.execute(AssertSqlSafe(sql.to_owned())).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn log_position(connection: &mut PgConnection) -> i64 {
    let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
    let row = connection.fetch_one(sql).await.expect("a position");
    row.try_get(0).expect("a number")
}

async fn start(folder: PathBuf, durability: Durability) -> PrivateServers {
    let mut options = Options::new(folder);
    options.durability = durability;
    options.temp_dir = std::env::temp_dir();
    if let Some(path) = std::env::var_os("PATH") {
        options.search_path = path;
    }
    PrivateServers::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}
