//! What a process says of itself: that it lives, what it is, whether it can work and why not; and the order in which it ends.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use queue::Job;
use serde_json::Value;
use simulator::{Fault, Route};
use tests::{FleetOptions, TestFleet, private_servers};

use crate::crash::{command, free_address, until};

/// A process of a fleet, asked at its metrics listener; killed when dropped.
pub(crate) struct Process {
    child: Child,
    address: String,
    /// Where a gateway or an api answers everybody.
    pub(crate) public: String,
    key_file: PathBuf,
}

impl Process {
    pub(crate) fn start(fleet: &TestFleet, name: &str, redis_url: &str) -> Self {
        let (address, public) = (free_address().to_string(), free_address().to_string());
        let of_its_own = format!("jirafleet-health-{name}-{}", public.replace(['.', ':'], "-"));
        let key_file = std::env::temp_dir().join(of_its_own);
        std::fs::write(&key_file, "5a".repeat(32)).unwrap();
        let child = command(fleet, &key_file, &[name, "--metrics-listen", &address])
            .env("JIRAFLEET_REDIS_URL", redis_url)
            .env("JIRAFLEET_GATEWAY_LISTEN", &public)
            .env("JIRAFLEET_API_LISTEN", &public)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address, public, key_file }
    }

    /// Status and body; nothing while nobody listens.
    pub(crate) async fn ask(&self, path: &str) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    async fn ready(&self) -> Option<(u16, Value)> {
        let (status, body) = self.ask("/readyz").await?;
        Some((status, serde_json::from_str(&body).unwrap()))
    }

    pub(crate) async fn until_ready_is(&self, status: u16) -> Value {
        until(|| async { self.ready().await.is_some_and(|(is, _)| is == status) }).await;
        self.ready().await.unwrap().1
    }

    fn signal(&self, what: &str) {
        signal(self.child.id(), what);
    }
}

fn signal(pid: u32, what: &str) {
    assert!(Command::new("kill").args([what, &pid.to_string()]).status().unwrap().success());
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.key_file);
    }
}

async fn fleet() -> TestFleet {
    TestFleet::with(FleetOptions { worker: false, ..FleetOptions::default() }).await
}

#[tokio::test]
async fn every_process_says_what_it_is_and_what_it_needs() {
    let fleet = fleet().await;
    for (name, needs) in [
        ("gateway", &["postgresql", "redis", "running"][..]),
        ("worker", &["postgresql", "redis", "running"]),
        ("api", &["postgresql", "redis", "running"]),
        ("scheduler", &["lead", "postgresql", "redis", "running"]),
    ] {
        let process = Process::start(&fleet, name, &fleet.queues.url);
        let ready = process.until_ready_is(200).await;
        let named: Vec<&str> = ready["checks"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(named, needs, "{name}");
        let (status, body) = process.ask("/healthz").await.unwrap();
        let alive: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &alive["status"], &alive["process"]), (200, &"ok".into(), &name.into()), "{alive}");
        let (_, figures) = process.ask("/metrics").await.unwrap();
        let built = figures.lines().find(|line| line.starts_with("jirafleet_build_info{")).unwrap();
        for label in ["version", "revision"] {
            let told = format!("{label}=\"{}\"", alive[label].as_str().unwrap());
            assert!(built.contains(&told), "{name}: {built} and {alive}");
        }
    }
}

#[tokio::test]
async fn a_process_without_its_redis_lives_and_says_why_it_is_not_ready() {
    let (fleet, servers) = (fleet().await, private_servers().await);
    let process = Process::start(&fleet, "scheduler", &servers.redis_url());
    process.until_ready_is(200).await;
    let redis = servers.pids().1.unwrap();
    signal(redis, "-STOP");
    let ready = process.until_ready_is(503).await;
    let (alive, _) = process.ask("/healthz").await.unwrap();
    signal(redis, "-CONT");
    assert_eq!((&ready["ready"], &ready["checks"]["postgresql"]), (&Value::Bool(false), &"ok".into()), "{ready}");
    assert!(ready["checks"]["redis"].as_str().unwrap().contains("answer"), "{ready}");
    assert_eq!(alive, 200, "a process that cannot work need not be restarted");
    process.until_ready_is(200).await;
}

#[tokio::test]
async fn a_process_that_ends_says_so_and_finishes_what_it_is_at() {
    let fleet = fleet().await;
    let mut process = Process::start(&fleet, "worker", &fleet.queues.url);
    process.until_ready_is(200).await;
    fleet.jira().fail_next(Route::BulkFetch, 1, &Fault::Slow(Duration::from_secs(3)));
    let job = Job::Backfill { instance: fleet.instance.id, projects: Vec::new(), since: None };
    fleet.producer.enqueue(job).await.unwrap();
    until(|| async { fleet.jira().requests().of(Route::BulkFetch) >= 1 }).await;
    process.signal("-TERM");
    let ready = process.until_ready_is(503).await;
    assert_eq!(ready["checks"]["running"], "stopping", "{ready}");
    assert_eq!(process.ask("/healthz").await.unwrap().0, 200);
    assert!(process.ask("/metrics").await.unwrap().1.contains("jirafleet_queue_jobs_total"), "figures to the end");
    let ended = tokio::task::spawn_blocking(move || {
        let ended = process.child.wait().unwrap();
        (ended, process)
    });
    let (ended, process) = tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
    drop(process);
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let synced: u64 = tenant.backfill_progress(fleet.instance.id).await.unwrap().iter().map(|row| row.synced).sum();
    assert!(synced > 0, "the page that was asked for was written");
}
