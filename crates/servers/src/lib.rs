//! Private PostgreSQL and Redis for a laptop, a demo or a test run: started from programs this machine already has,
//! reachable only by unix socket, with random passwords, and gone when the process that asked for them is gone.
//! Nothing is ever downloaded.

mod account;
mod error;
mod folders;
mod keeper;
mod leftovers;
mod postgres;
mod programs;
mod redis;
mod secrets;
mod url;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::Error;
use folders::Folders;
use keeper::Keeper;
use postgres::Postgres;
use programs::{Programs, Search};
use redis::Redis;

/// What the private servers promise after a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A commit is on disk when it is acknowledged.
    #[default]
    Durable,
    /// Nothing waits for the disk: what was acknowledged survives a killed server, but a crash of the machine may destroy
    /// everything. For tests only.
    Throwaway,
}

/// Where the servers live and where their programs are looked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Holds everything: data, sockets, logs, passwords. Made when missing.
    pub data_dir: PathBuf,
    /// See [`Durability`].
    pub durability: Durability,
    /// Folder with `postgres` and `initdb`; `None` searches.
    pub postgres_bin_dir: Option<PathBuf>,
    /// The Redis or Valkey server program; `None` searches.
    pub redis_server: Option<PathBuf>,
    /// Searched first, in the form of `PATH`.
    pub search_path: OsString,
    /// Takes the socket folder when `data_dir` is too long for a socket address.
    pub temp_dir: PathBuf,
}

impl Options {
    /// Durable servers under `data_dir`, programs from the usual places.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            durability: Durability::default(),
            postgres_bin_dir: None,
            redis_server: None,
            search_path: "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin".into(),
            temp_dir: "/tmp".into(),
        }
    }
}

/// The data folder for a user: `$XDG_DATA_HOME/jirafleet`, else `~/.local/share/jirafleet`; for root
/// `/var/lib/jirafleet`, because the account the servers run as cannot reach root's home.
pub fn default_data_dir(xdg_data_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    if account::is_root() {
        return Some("/var/lib/jirafleet".into());
    }
    let base = xdg_data_home
        .filter(|path| path.is_absolute())
        .map(Path::to_path_buf)
        .or_else(|| home.map(|home| home.join(".local/share")))?;
    Some(base.join("jirafleet"))
}

/// A running PostgreSQL and a running Redis. Dropping it stops both at once; [`PrivateServers::stop`] does it in good order.
pub struct PrivateServers {
    // The order matters: the servers go before the thread whose death would signal them, and the lock goes last.
    postgres: Postgres,
    redis: Redis,
    keeper: Keeper,
    folders: Arc<Folders>,
}

impl PrivateServers {
    /// Takes the data folder, fills it the first time, and returns when both servers answer.
    ///
    /// # Errors
    /// [`Error::Held`] when another process has the folder, [`Error::Missing`] when a program is not installed, and
    /// otherwise what went wrong with the last lines of the server's log.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let cluster = folders::cluster_version(&options.data_dir);
        let programs = Programs::find(&Search::new(&options, cluster))?;
        let folders = Arc::new(Folders::open(&options)?);
        leftovers::clear(&folders).await?;
        let keeper = Keeper::start(programs.setpriv, options.search_path)?;
        let mut postgres = Postgres::new(programs.postgres_bin_dir, Arc::clone(&folders), options.durability);
        let mut redis = Redis::new(programs.redis_server, Arc::clone(&folders));
        tokio::try_join!(
            async {
                postgres.prepare(&keeper).await?;
                postgres.start(&keeper).await
            },
            redis.start(&keeper),
        )?;
        tracing::info!(data_dir = %folders.data_dir.display(), "private PostgreSQL and Redis are ready");
        Ok(Self { postgres, redis, keeper, folders })
    }

    /// URL for `jirafleet_owner`, who owns the database and runs migrations. Contains a password.
    pub fn owner_url(&self) -> String {
        self.owner_url_on("jirafleet")
    }

    /// URL for `jirafleet`, the login of the processes: neither superuser nor owner nor exempt from row security.
    pub fn app_url(&self) -> String {
        self.app_url_on("jirafleet")
    }

    /// URL for the superuser on the database `postgres`: for tests that make databases, and for repairs.
    pub fn superuser_url(&self) -> String {
        self.superuser_url_on("postgres")
    }

    /// [`Self::owner_url`] on another database, such as one a test has made.
    pub fn owner_url_on(&self, database: &str) -> String {
        self.url("jirafleet_owner", &self.folders.secrets.owner, database)
    }

    /// [`Self::app_url`] on another database.
    pub fn app_url_on(&self, database: &str) -> String {
        self.url("jirafleet", &self.folders.secrets.app, database)
    }

    /// [`Self::superuser_url`] on another database.
    pub fn superuser_url_on(&self, database: &str) -> String {
        self.url("postgres", &self.folders.secrets.superuser, database)
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        url::postgres(&self.folders.sockets, user, password, database)
    }

    /// URL of Redis, database 0. Contains a password.
    pub fn redis_url(&self) -> String {
        url::redis(&self.folders.redis_socket(), &self.folders.secrets.redis)
    }

    /// The folder everything is in.
    pub fn data_dir(&self) -> &Path {
        &self.folders.data_dir
    }

    /// Process ids of PostgreSQL's postmaster and of Redis; `None` for one that does not run.
    pub fn pids(&self) -> (Option<u32>, Option<u32>) {
        (self.postgres.pid(), self.redis.pid())
    }

    /// Waits until one of the servers ends without having been asked to, and says which.
    pub async fn failed(&self) -> Error {
        tokio::select! {
            error = self.postgres.failed() => error,
            error = self.redis.failed() => error,
        }
    }

    /// Starts PostgreSQL again after [`Self::kill_postgres`]; does nothing when it runs.
    pub async fn start_postgres(&mut self) -> Result<(), Error> {
        self.postgres.start(&self.keeper).await
    }

    /// Kills PostgreSQL without warning (SIGKILL), for fault tests.
    pub async fn kill_postgres(&mut self) -> Result<(), Error> {
        self.postgres.kill().await
    }

    /// Stops PostgreSQL in good order and starts it again.
    pub async fn restart_postgres(&mut self) -> Result<(), Error> {
        self.postgres.stop().await?;
        self.postgres.start(&self.keeper).await
    }

    /// Starts Redis again after [`Self::kill_redis`]; does nothing when it runs.
    pub async fn start_redis(&mut self) -> Result<(), Error> {
        self.redis.start(&self.keeper).await
    }

    /// Kills Redis without warning (SIGKILL), for fault tests.
    pub async fn kill_redis(&mut self) -> Result<(), Error> {
        self.redis.kill().await
    }

    /// Stops Redis in good order and starts it again.
    pub async fn restart_redis(&mut self) -> Result<(), Error> {
        self.redis.stop().await?;
        self.redis.start(&self.keeper).await
    }

    /// Stops both in good order: PostgreSQL ends its sessions and writes a checkpoint, Redis flushes its log.
    pub async fn stop(mut self) -> Result<(), Error> {
        tokio::try_join!(self.postgres.stop(), self.redis.stop())?;
        Ok(())
    }
}

impl fmt::Debug for PrivateServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateServers")
            .field("data_dir", &self.folders.data_dir)
            .field("pids", &self.pids())
            .finish_non_exhaustive()
    }
}
