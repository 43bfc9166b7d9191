//! The same behind PgBouncer in transaction mode, where a connection changes hands after every transaction. Debian's, which
//! is too old to keep prepared statements apart.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use store::{Config, Store};
use tests::TestDatabase;

use super::{
    interleaved::{Neighbour, neighbours, play},
    texts,
};

const CLIENTS: usize = 40;

/// A PgBouncer of this test's own, which ends with it.
struct Bouncer {
    process: Child,
    folder: PathBuf,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn program() -> PathBuf {
    let found =
        ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];
    found.iter().map(PathBuf::from).find(|path| path.exists()).expect(
        "PgBouncer is not installed: run deploy/install-packages.sh --for-tests (or apt-get install -y \
         --no-install-recommends pgbouncer)",
    )
}

/// User, password, socket folder and database of `postgres://user:password@%2Ffolder/database`.
fn parts(url: &str) -> Option<(&str, &str, String, &str)> {
    let (login, place) = url.split_once("://")?.1.split_once('@')?;
    let ((user, password), (folder, database)) = (login.split_once(':')?, place.split_once('/')?);
    Some((user, password, folder.replace("%2F", "/"), database))
}

async fn bouncer(database: &TestDatabase) -> (Bouncer, TestDatabase) {
    let (user, password, socket, name) = parts(&database.app_url).expect("the private server is reached by a socket");
    let folder = std::env::temp_dir().join(format!("jirafleet-bouncer-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    // Root may not run it; whoever does must reach the folder.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let ini = folder.join("pgbouncer.ini");
    let settings = format!(
        "[databases]\n* = host={socket} user={user} password={password}\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {at}\n\
         listen_port = 6543\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 200\n\
         ignore_startup_parameters = extra_float_digits\nlogfile = {at}/log\npidfile = {at}/pid\nserver_reset_query =\n",
        at = folder.display()
    );
    fs::write(&ini, settings).unwrap();
    let process = start(&ini);
    let bouncer = Bouncer { process, folder };
    listening(&bouncer.folder.join(".s.PGSQL.6543"));
    let through = format!("postgres://{user}:x@localhost:6543/{name}?host={}", bouncer.folder.display());
    (bouncer, TestDatabase { app_url: through, owner_url: database.owner_url.clone() })
}

fn start(ini: &Path) -> Child {
    let mut command = Command::new(program());
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root {
        command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"]).arg(program());
    }
    command.arg("-q").arg(ini).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("PgBouncer starts")
}

fn listening(socket: &Path) {
    let began = Instant::now();
    while UnixStream::connect(socket).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "PgBouncer does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn store_through(database: &TestDatabase) -> Store {
    let config = Config {
        url: database.app_url.clone(),
        max_connections: 1,
        master_key: tests::master_key(),
        application_name: "tests".to_owned(),
        cache: None,
    };
    Store::connect(config).await.expect("the store opens behind PgBouncer")
}

#[tokio::test]
async fn forty_clients_share_four_connections_behind_pgbouncer() {
    let database = tests::database().await;
    let direct = tests::store_for(&database, 2).await;
    let tenants = neighbours(&direct, CLIENTS).await;
    let (bouncer, through) = bouncer(&database).await;
    let mut clients: Vec<Neighbour> = Vec::new();
    for tenant in &tenants {
        clients.push(tenant.through(&store_through(&through).await));
    }
    let began = Instant::now();
    play(&clients, CLIENTS, 4_000).await;
    println!("4,000 transactions of {CLIENTS} clients behind PgBouncer: {:?}", began.elapsed());
    // They did share: no more backends than PgBouncer may open.
    let backends = texts(
        &database.owner_url,
        "SELECT count(*)::text AS text FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'jirafleet' AND application_name <> 'tests'",
    )
    .await;
    let all = texts(
        &database.owner_url,
        "SELECT count(*)::text AS text FROM pg_stat_activity WHERE datname = current_database() AND usename = 'jirafleet'",
    )
    .await;
    let all: usize = all[0].parse().unwrap();
    assert!(all <= 4 + 2, "{all} backends, {backends:?} of them unnamed");
    drop(bouncer);
}
