//! Processes that are killed: started from the real binary, ended by SIGKILL.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use queue::Job;
use simulator::{Fault, Route};
use tests::{FleetOptions, TestFleet};

/// The binary under test, built beside this test.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(|deps| deps.parent()).unwrap().join("jirafleet");
    assert!(built.exists(), "{} is not built: run `cargo build -p jirafleet` first (make test does)", built.display());
    built
}

/// The binary with a fleet's servers in its environment; it reads nothing.
pub(crate) fn command(fleet: &TestFleet, key_file: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .env("JIRAFLEET_DATABASE_URL", &fleet.database.app_url)
        .env("JIRAFLEET_REDIS_URL", &fleet.queues.url)
        .env("JIRAFLEET_REDIS_PREFIX", &fleet.queues.prefix)
        .env("JIRAFLEET_MASTER_KEY_FILE", key_file)
        .stdin(Stdio::null());
    command
}

/// A process of a fleet that says nothing; killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(fleet: &TestFleet, key_file: &Path, args: &[&str]) -> Self {
        let mut command = command(fleet, key_file, args);
        Self(command.args(["--metrics-listen", "127.0.0.1:0"]).stderr(Stdio::null()).spawn().unwrap())
    }

    /// One that does what waits, of which a few at once, and whose death is noticed after two seconds.
    pub(crate) fn worker(fleet: &TestFleet, key_file: &Path) -> Self {
        Self::start(fleet, key_file, &["worker", "--queues", "live=2,bulk=1,upkeep=1", "--lease", "2"])
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_backfill_survives_the_death_of_its_worker() {
    let fleet = TestFleet::with(FleetOptions {
        jira: simulator::Config { issues: 1500, projects: 1, ..Default::default() },
        worker: false,
        ..Default::default()
    })
    .await;
    let key_file = std::env::temp_dir().join(format!("jirafleet-crash-{}", std::process::id()));
    std::fs::write(&key_file, "5a".repeat(32)).unwrap();
    // Slow enough to be caught in the middle.
    fleet.jira().fail_next(Route::BulkFetch, 1000, &Fault::Slow(Duration::from_millis(60)));
    let job = Job::Backfill { instance: fleet.instance.id, projects: Vec::new(), since: None };
    fleet.producer.enqueue(job).await.unwrap();

    let first = Process::worker(&fleet, &key_file);
    until(|| async { synced(&fleet).await >= 400 }).await;
    drop(first);
    let in_the_middle = synced(&fleet).await;
    assert!(in_the_middle < 1500, "the worker was killed after the end: {in_the_middle}");

    let _second = Process::worker(&fleet, &key_file);
    until(|| async { finished(&fleet).await }).await;
    fleet.drain().await;
    fleet.assert_mirror_equals_jira().await;
    let pages = fleet.jira().requests().of(Route::BulkFetch);
    assert!((15..=17).contains(&pages), "15 pages were read in {pages} requests: more than two of them twice");
    assert_eq!(fleet.dead().await, 0);
    std::fs::remove_file(key_file).unwrap();
}

async fn synced(fleet: &TestFleet) -> u64 {
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    tenant.backfill_progress(fleet.instance.id).await.unwrap().iter().map(|row| row.synced).sum()
}

async fn finished(fleet: &TestFleet) -> bool {
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let rows = tenant.backfill_progress(fleet.instance.id).await.unwrap();
    !rows.is_empty() && rows.iter().all(store::BackfillRow::ended)
}

/// Free a moment ago; whoever takes it in between makes the test fail, not lie.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits for another process, which can only be watched by what it writes.
pub(crate) async fn until<F: Future<Output = bool>>(reached: impl Fn() -> F) {
    until_within(Duration::from_secs(60), reached).await;
}

/// The same with a patience of one's own.
pub(crate) async fn until_within<F: Future<Output = bool>>(patience: Duration, reached: impl Fn() -> F) {
    let watch = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while !reached().await {
            tick.tick().await;
        }
    };
    tokio::time::timeout(patience, watch).await.expect("the other process gets there");
}
