//! What a backfill costs, in time and in requests to Jira, the resource that users run out of: `bench backfill`.
//!
//! A worker process of the release build, a gateway, PostgreSQL and Redis against a simulated site, all on this machine; three
//! comments and five changelog entries an issue. The floor of requests is one per hundred issues and the listing of ids.

use std::{
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use clap::Args;
use queue::Job;
use simulator::Fault;
use tests::{FleetOptions, TestFleet};

use crate::{
    folder,
    report::{Found, Report, Row},
};

/// Issues of the sites whose requests are counted.
const COUNTED: usize = 5_000;
/// Issues of the second site with long lists, and how long these are: more than Jira embeds.
const LONG: usize = COUNTED / 50;
const COMMENTS: usize = 150;
const HISTORIES: usize = 60;
/// Issues of the sites against which the clock runs.
const TIMED: usize = 10_000;
/// What Jira takes for an answer, in one of the cases.
const LATENCY: Duration = Duration::from_millis(50);
/// More requests than such a backfill makes.
const REQUESTS: usize = 10_000;
/// Rounds of what is timed.
const ROUNDS: usize = 3;

/// How much is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// Only requests are counted: a minute.
    #[arg(long)]
    quick: bool,
    /// Issues of the large site, to see whether the cost of an issue grows.
    #[arg(long, default_value_t = 100_000)]
    large: usize,
}

/// What a timed backfill took.
struct Taken {
    issues_per_second: f64,
    worker_mib: f64,
}

pub(crate) async fn run(options: &Options) -> ExitCode {
    let mut report = Report::new("backfill");
    for (case, long) in [("requests_per_issue", 0), ("requests_per_issue_long_lists", LONG)] {
        eprintln!("{case} ..");
        let requests = requests(long).await as f64;
        println!(
            "{case}: {requests} requests for {COUNTED} issues, {:.1} per thousand",
            requests * 1_000.0 / COUNTED as f64
        );
        add(&mut report, case, vec![requests / COUNTED as f64], ("requests", "lower"));
    }
    if !options.quick {
        timed(&mut report, options).await;
    }
    report.publish(&folder())
}

async fn timed(report: &mut Report, options: &Options) {
    let (mut plain, mut late, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("backfill of {TIMED} issues, round {round} of {ROUNDS} ..");
        let taken = load(TIMED, Duration::ZERO).await;
        plain.push(taken.issues_per_second);
        memory.push(taken.worker_mib);
        late.push(load(TIMED, LATENCY).await.issues_per_second);
    }
    let growth = growth(options.large, &mut memory).await;
    add(report, "no_latency", plain, ("issues/s", "higher"));
    add(report, "latency_50ms", late, ("issues/s", "higher"));
    add(report, "worker_rss_mib", memory, ("MiB", "lower"));
    add(report, "cost_growth_percent", vec![growth], ("%", "lower"));
}

/// By how much an issue of a large site is dearer than one of a small site, in percent. The small one is copied before and
/// after, since the machine's own speed changes within minutes.
async fn growth(issues: usize, memory: &mut Vec<f64>) -> f64 {
    let before = load(TIMED, Duration::ZERO).await;
    eprintln!("backfill of {issues} issues ..");
    let large = load(issues, Duration::ZERO).await;
    let after = load(TIMED, Duration::ZERO).await;
    memory.push(large.worker_mib);
    let small = 2.0 / (1.0 / before.issues_per_second + 1.0 / after.issues_per_second);
    (small / large.issues_per_second - 1.0) * 100.0
}

fn add(report: &mut Report, case: &str, samples: Vec<f64>, (unit, better): (&'static str, &'static str)) {
    let found = Found::of(samples, unit, better);
    report.rows.push(Row { case: case.to_owned(), subject: "jirafleet", found });
}

fn site(issues: usize, projects: usize) -> simulator::Config {
    simulator::Config {
        issues,
        projects,
        comments_per_issue: 3..=3,
        histories_per_issue: 5..=5,
        ..simulator::Config::default()
    }
}

/// Requests from the first question to the last, the directory's included.
async fn requests(long: usize) -> u64 {
    let fleet = TestFleet::with(FleetOptions { jira: site(COUNTED, 1), ..FleetOptions::default() }).await;
    fleet.lose_webhooks();
    let world = fleet.jira();
    for key in world.issue_keys().iter().take(long) {
        for number in 3..COMMENTS {
            world.comment(key, format!("Comment {number}")).expect("it can be commented on");
        }
        for number in 5..HISTORIES {
            world.edit(key, |issue| issue.summary = format!("Edit {number}")).expect("it can be edited");
        }
    }
    let before = fleet.requests();
    fleet.backfill().await;
    fleet.assert_mirror_equals_jira().await;
    fleet.requests() - before
}

/// Backfills a site without a limit of requests.
async fn load(issues: usize, latency: Duration) -> Taken {
    let options = FleetOptions { jira: site(issues, 4), worker: false, ..FleetOptions::default() };
    let fleet = TestFleet::judging_nothing(options).await;
    fleet.lose_webhooks();
    if !latency.is_zero() {
        fleet.jira().fail_any(REQUESTS, &Fault::Slow(latency));
    }
    let worker = Worker::start(&fleet);
    let began = Instant::now();
    let job = Job::Backfill { instance: fleet.instance.id, projects: Vec::new(), since: None };
    fleet.producer.enqueue(job).await.expect("Redis answers");
    fleet.drain_within(Duration::from_secs(900)).await;
    let seconds = began.elapsed().as_secs_f64();
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    let held = tenant.count_issues(fleet.instance.id).await.expect("PostgreSQL answers");
    assert_eq!(held, issues as u64, "issues in the mirror");
    Taken { issues_per_second: issues as f64 / seconds, worker_mib: worker.peak_mib() }
}

/// A worker process; it ends when it is dropped.
struct Worker(Child);

impl Worker {
    fn start(fleet: &TestFleet) -> Self {
        let program = std::env::current_exe().expect("this program has a path").with_file_name("jirafleet");
        let key_file = std::env::temp_dir().join(format!("jirafleet-bench-{}", std::process::id()));
        std::fs::write(&key_file, "5a".repeat(32)).expect("a key file");
        let child = Command::new(&program)
            .args(["worker", "--queues", "live=4,bulk=4,upkeep=2", "--metrics-listen", "127.0.0.1:0"])
            .env("JIRAFLEET_DATABASE_URL", &fleet.database.app_url)
            .env("JIRAFLEET_REDIS_URL", &fleet.queues.url)
            .env("JIRAFLEET_REDIS_PREFIX", &fleet.queues.prefix)
            .env("JIRAFLEET_MASTER_KEY_FILE", key_file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("{} does not start: {error}", program.display())))
    }

    /// The most memory it ever had.
    fn peak_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
