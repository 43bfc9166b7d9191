//! The private PostgreSQL and Redis: made, found again, refused to a second taker, killed, and gone when let go.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use redis::AsyncCommands as _;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use servers::{Durability, Error, Options, PrivateServers};

/// A folder that is removed at the end. Not one of mode 0700: root's servers run as another account.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("jf-servers-{}", uuid::Uuid::now_v7().simple()));
        Self(path)
    }

    fn options(&self) -> Options {
        Options { durability: Durability::Throwaway, ..Options::new(&self.0) }
    }

    async fn start(&self) -> PrivateServers {
        PrivateServers::start(self.options()).await.expect("private servers start")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn connect(url: &str) -> DatabaseConnection {
    Database::connect(url).await.expect("a login")
}

/// The first column of the first row, as text.
async fn ask(database: &DatabaseConnection, question: &str) -> String {
    let statement = Statement::from_string(database.get_database_backend(), question);
    let row = database.query_one_raw(statement).await.expect("an answer").expect("a row");
    row.try_get_by_index(0).expect("text")
}

async fn redis(servers: &PrivateServers) -> redis::aio::MultiplexedConnection {
    redis::Client::open(servers.redis_url())
        .expect("a URL")
        .get_multiplexed_async_connection()
        .await
        .expect("a connection")
}

/// Has ended; one that its new parent has not reaped yet has ended as well.
fn is_gone(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    }
}

fn both(servers: &PrivateServers) -> [u32; 2] {
    let (postgres, redis) = servers.pids();
    [postgres.expect("PostgreSQL runs"), redis.expect("Redis runs")]
}

/// A process with nothing to do with the servers, of the account they run as.
fn stranger(beside: &Path) -> Child {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new("sleep");
    command.arg("600").current_dir("/");
    let owner = fs::metadata(beside).expect("a file").uid();
    if owner != fs::metadata("/proc/self").expect("this process").uid() {
        command.uid(owner);
    }
    command.spawn().expect("sleep")
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart_of_everything() {
    let folder = Folder::new();
    let servers = folder.start().await;
    let owner = connect(&servers.owner_url()).await;
    owner
        .execute_unprepared("CREATE TABLE kept (what text); INSERT INTO kept VALUES ('here')")
        .await
        .expect("the owner may make tables");
    owner.close().await.expect("closed");
    let () = redis(&servers).await.set("kept", "here").await.expect("set");
    servers.stop().await.expect("stopped");

    let servers = folder.start().await;
    let owner = connect(&servers.owner_url()).await;
    assert_eq!(ask(&owner, "SELECT what FROM kept").await, "here");
    let kept: String = redis(&servers).await.get("kept").await.expect("get");
    assert_eq!(kept, "here");
}

#[tokio::test]
async fn the_logins_have_the_rights_they_need_and_no_more() {
    let folder = Folder::new();
    let servers = folder.start().await;
    let rights = "SELECT concat_ws(' ', rolname, rolsuper, rolbypassrls, rolcreaterole, \
                  pg_get_userbyid(datdba)) FROM pg_roles, pg_database \
                  WHERE rolname = current_user AND datname = current_database()";
    let app = connect(&servers.app_url()).await;
    assert_eq!(ask(&app, rights).await, "jirafleet f f f jirafleet_owner");
    let owner = connect(&servers.owner_url()).await;
    assert_eq!(ask(&owner, rights).await, "jirafleet_owner f f t jirafleet_owner");
    app.execute_unprepared("CREATE TABLE public.mine ()").await.expect_err("the application owns nothing");

    let superuser = connect(&servers.superuser_url()).await;
    superuser.execute_unprepared("CREATE DATABASE another").await.expect("made");
    let another = connect(&servers.superuser_url_on("another")).await;
    let extensions = "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension";
    assert_eq!(ask(&another, extensions).await, "btree_gin pg_trgm plpgsql uuid-ossp");
}

#[tokio::test]
async fn nothing_is_open_to_others() {
    let folder = Folder::new();
    let servers = folder.start().await;
    let database = connect(&servers.superuser_url()).await;
    let settings = "SELECT concat_ws(' ', current_setting('listen_addresses') = '', \
                    current_setting('data_checksums'), \
                    (SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules))";
    assert_eq!(ask(&database, settings).await, "t on scram-sha-256");
    let mode = |name: &str| {
        let metadata = fs::metadata(folder.0.join(name)).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("secrets.json"), 0o600);
    for private in ["postgres", "redis", "run", "log"] {
        assert_eq!(mode(private), 0o700, "{private}");
    }
    assert!(!folder.0.join("run/password").exists());
    let printed = format!("{servers:?}");
    let (_, password) =
        servers.redis_url().split_once("pass=").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a password");
    assert!(!printed.contains(&password));
    let wrong = servers.redis_url().replace(&password, "wrong");
    let client = redis::Client::open(wrong).expect("a URL");
    client.get_multiplexed_async_connection().await.expect_err("the password counts");
    let policy: Vec<String> = redis::cmd("CONFIG")
        .arg(&["GET", "maxmemory-policy"])
        .query_async(&mut redis(&servers).await)
        .await
        .expect("an answer");
    assert_eq!(policy, ["maxmemory-policy", "noeviction"]);
}

#[tokio::test]
async fn a_second_start_learns_who_has_the_folder() {
    let folder = Folder::new();
    let servers = folder.start().await;
    let refused = PrivateServers::start(folder.options()).await;
    let Err(Error::Held { pid, .. }) = refused else {
        panic!("two had the folder at once");
    };
    assert_eq!(pid, std::process::id());
    drop(servers);
    folder.start().await;
}

#[tokio::test]
async fn dropped_servers_are_gone() {
    let folder = Folder::new();
    let servers = folder.start().await;
    let pids = both(&servers);
    drop(servers);
    for pid in pids {
        assert!(is_gone(pid), "{pid} still runs");
    }
}

#[tokio::test]
async fn killed_servers_come_back_with_what_was_acknowledged() {
    let folder = Folder::new();
    let mut servers = folder.start().await;
    let owner = connect(&servers.owner_url()).await;
    owner.execute_unprepared("CREATE TABLE kept AS SELECT 'here' AS what").await.expect("made");
    let () = redis(&servers).await.set("kept", "here").await.expect("set");
    let before = both(&servers);

    servers.kill_postgres().await.expect("killed");
    servers.kill_redis().await.expect("killed");
    assert_eq!(servers.pids(), (None, None));
    assert!(before.into_iter().all(is_gone));
    // Its session still counts as one until it notices that its server is gone.
    servers.start_postgres().await.expect("started");
    servers.start_redis().await.expect("started");

    let again = connect(&servers.owner_url()).await;
    assert_eq!(ask(&again, "SELECT what FROM kept").await, "here");
    let kept: String = redis(&servers).await.get("kept").await.expect("get");
    assert_eq!(kept, "here");
    servers.restart_postgres().await.expect("restarted");
    servers.restart_redis().await.expect("restarted");
    connect(&servers.app_url()).await;
}

#[tokio::test]
async fn an_end_nobody_asked_for_is_told() {
    let folder = Folder::new();
    let servers = folder.start().await;
    let [_, pid] = both(&servers);
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.expect("kill").success());
    let error = servers.failed().await.to_string();
    assert!(error.starts_with("Redis ended (signal: 9"), "{error}");
}

#[tokio::test]
async fn a_pid_file_that_names_a_stranger_does_not_matter() {
    let folder = Folder::new();
    let mut servers = folder.start().await;
    servers.kill_postgres().await.expect("killed");
    servers.kill_redis().await.expect("killed");
    drop(servers);
    let pid_file = folder.0.join("postgres/postmaster.pid");
    let mut stranger = stranger(&pid_file);
    let pid = stranger.id();
    for file in [pid_file, folder.0.join("run/.s.PGSQL.5432.lock"), folder.0.join("redis/redis.pid")] {
        let text = fs::read_to_string(&file).expect("left behind by the kill");
        let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
        fs::write(&file, format!("{pid}\n{rest}")).expect("written");
    }
    let servers = folder.start().await;
    connect(&servers.app_url()).await;
    assert!(stranger.try_wait().expect("a status").is_none(), "the stranger was ended");
    stranger.kill().expect("killed");
    stranger.wait().expect("ended");
}

#[tokio::test]
async fn a_machine_without_redis_is_told_what_to_install() {
    let folder = Folder::new();
    let options = Options { redis_server: Some("/nonexistent/redis-server".into()), ..folder.options() };
    let error = PrivateServers::start(options).await.expect_err("no Redis");
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    assert!(!folder.0.exists(), "nothing was made before everything was found");
}
