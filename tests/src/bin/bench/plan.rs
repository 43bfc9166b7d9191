//! Which measurements make the queue's benchmark, and how they are run: subjects in turn, round by round.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, process::Stdio, time::Duration};

use clap::Args;
use tokio::{process::Command, time::timeout};

use crate::{
    folder,
    foreign::{self, Foreign},
    report::{Found, Report, Row},
    server::{Keeps, Server},
};

/// How long one measurement may take.
const LIMIT: Duration = Duration::from_secs(200);

/// How much is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// One round of the short cases, ours and apalis-redis only: a minute.
    #[arg(long)]
    quick: bool,
    /// Only measurements whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Where the figures are written; `target/bench` by default.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// One measurement, and the cases its figures are for.
struct Measurement {
    name: &'static str,
    task: &'static str,
    /// Jobs, or seconds.
    size: usize,
    keeps: Keeps,
    rounds: usize,
    subjects: &'static [&'static str],
    /// Subjects of the same cases that cannot be asked for this much.
    left_out: &'static [(&'static str, &'static str)],
    /// Figure, case, unit, what is better.
    cases: &'static [(&'static str, &'static str, &'static str, &'static str)],
    is_quick: bool,
}

const ALL: &[&str] = &["jirafleet", "redis-streams", "apalis-redis", "celery", "bullmq"];
const RUST: &[&str] = &["jirafleet", "redis-streams", "apalis-redis"];
const OURS: &[&str] = &["jirafleet"];
/// Figures that no reference is asked for.
const OURS_ALONE: &[&str] = &["client_us", "redis_us", "redis_mb", "longest_ms"];
const TOO_SLOW: &[(&str, &str)] = &[
    ("celery", "left out: at its rate of drain_100k it would take minutes a round"),
    ("bullmq", "left out: at its rate of drain_100k it would take minutes a round"),
];
const HIGHER: &str = "higher";
const LOWER: &str = "lower";

#[rustfmt::skip]
const MEASUREMENTS: &[Measurement] = &[
    Measurement { name: "one", task: "one", size: 2, keeps: Keeps::Nothing, rounds: 2, subjects: ALL, left_out: &[], is_quick: true, cases: &[
        ("enqueue_one", "enqueue_one", "jobs/s", HIGHER),
    ] },
    Measurement { name: "drain_100k", task: "backlog", size: 100_000, keeps: Keeps::Nothing, rounds: 2, subjects: ALL, left_out: &[], is_quick: true, cases: &[
        ("enqueue_bulk", "enqueue_bulk", "jobs/s", HIGHER),
        ("drain", "drain_100k", "jobs/s", HIGHER),
        ("bytes_per_job", "bytes_per_job", "B", LOWER),
        ("client_us", "drain_100k_client_us", "us", LOWER),
        ("redis_us", "drain_100k_redis_us", "us", LOWER),
    ] },
    Measurement { name: "drain_100k_aof", task: "backlog", size: 100_000, keeps: Keeps::Log, rounds: 2, subjects: RUST, left_out: &[], is_quick: true, cases: &[
        ("enqueue_bulk", "enqueue_bulk_aof", "jobs/s", HIGHER),
        ("drain", "drain_100k_aof", "jobs/s", HIGHER),
    ] },
    Measurement { name: "drain_1m", task: "backlog", size: 1_000_000, keeps: Keeps::Nothing, rounds: 2, subjects: RUST, left_out: TOO_SLOW, is_quick: false, cases: &[
        ("drain", "drain_1m", "jobs/s", HIGHER),
        ("rss_mib", "worker_rss_mib", "MiB", LOWER),
        ("redis_mb", "redis_mb_1m", "MB", LOWER),
        ("longest_ms", "drain_1m_longest_command_ms", "ms", LOWER),
    ] },
    Measurement { name: "drain_1m_aof", task: "backlog", size: 1_000_000, keeps: Keeps::Log, rounds: 2, subjects: OURS, left_out: &[], is_quick: false, cases: &[
        ("drain", "drain_1m_aof", "jobs/s", HIGHER),
    ] },
    Measurement { name: "meaning", task: "meaning", size: 100_000, keeps: Keeps::Nothing, rounds: 2, subjects: OURS, left_out: &[], is_quick: true, cases: &[
        ("drain", "drain_100k_meaning", "jobs/s", HIGHER),
        ("enqueue_bulk", "enqueue_bulk_meaning", "jobs/s", HIGHER),
        ("client_us", "drain_100k_meaning_client_us", "us", LOWER),
        ("redis_us", "drain_100k_meaning_redis_us", "us", LOWER),
    ] },
    Measurement { name: "latency", task: "latency", size: 10, keeps: Keeps::Nothing, rounds: 2, subjects: OURS, left_out: &[], is_quick: true, cases: &[
        ("p50_ms", "start_latency_p50_ms", "ms", LOWER),
        ("p99_ms", "start_latency_p99_ms", "ms", LOWER),
    ] },
    Measurement { name: "idle", task: "idle", size: 10, keeps: Keeps::Nothing, rounds: 2, subjects: OURS, left_out: &[], is_quick: true, cases: &[
        ("commands_per_s", "idle_commands_per_s", "commands/s", LOWER),
        ("cpu_percent", "idle_cpu_percent", "% of a core", LOWER),
        ("redis_cpu_percent", "idle_redis_cpu_percent", "% of a core", LOWER),
    ] },
    Measurement { name: "due", task: "due", size: 20_000, keeps: Keeps::Nothing, rounds: 2, subjects: OURS, left_out: &[], is_quick: true, cases: &[
        ("p99_ms", "due_20k_p99_ms", "ms", LOWER),
    ] },
    Measurement { name: "promote_1m", task: "promote", size: 1_000_000, keeps: Keeps::Nothing, rounds: 2, subjects: OURS, left_out: &[], is_quick: false, cases: &[
        ("rate", "promote_1m", "jobs/s", HIGHER),
        ("longest_ms", "promote_1m_longest_command_ms", "ms", LOWER),
    ] },
    Measurement { name: "chaos", task: "chaos", size: 100_000, keeps: Keeps::Nothing, rounds: 1, subjects: OURS, left_out: &[], is_quick: false, cases: &[
        ("lost", "chaos_lost", "jobs", LOWER),
        ("doubled_effects", "chaos_doubled_effects", "effects", LOWER),
        ("dead", "chaos_buried", "jobs", LOWER),
        ("duplicates", "chaos_run_twice", "jobs", LOWER),
        ("rescue_p99_s", "rescue_p99_s", "s", LOWER),
    ] },
    Measurement { name: "promote_1m_and_drain", task: "promote_and_drain", size: 1_000_000, keeps: Keeps::Nothing, rounds: 2, subjects: OURS, left_out: &[], is_quick: false, cases: &[
        ("rate", "promote_1m_while_draining", "jobs/s", HIGHER),
        ("longest_ms", "promote_1m_while_draining_longest_command_ms", "ms", LOWER),
    ] },
];

/// Figures of one subject by their names, sample by sample, or why there are none.
type Samples = BTreeMap<&'static str, Result<BTreeMap<String, Vec<f64>>, String>>;

pub(crate) async fn run(options: &Options) -> ExitCode {
    let folder = options.folder.clone().unwrap_or_else(folder);
    let references = References::find(options, &folder.join("scratch")).await;
    let mut report = Report::new("queue");
    for measurement in MEASUREMENTS.iter().filter(|measurement| options.wants(measurement)) {
        eprintln!("{} ..", measurement.name);
        let samples = measure(measurement, options, &references).await;
        report.rows.extend(rows(measurement, samples));
    }
    let published = report.publish(&folder);
    let ours = |row: &Row| row.subject == "jirafleet" && matches!(row.found, Found::Missing { .. });
    if report.rows.iter().any(ours) { ExitCode::FAILURE } else { published }
}

impl Options {
    fn wants(&self, measurement: &Measurement) -> bool {
        let is_named = self.only.as_ref().is_none_or(|part| measurement.name.contains(part.as_str()));
        is_named && (measurement.is_quick || !self.quick)
    }

    fn rounds(&self, measurement: &Measurement) -> usize {
        if self.quick { 1 } else { measurement.rounds }
    }
}

/// Where the references are, or why they are not.
struct References {
    celery: Result<Foreign, String>,
    bullmq: Result<Foreign, String>,
}

impl References {
    async fn find(options: &Options, scratch: &std::path::Path) -> Self {
        if options.quick {
            let left_out = || Err("left out of the quick run".to_owned());
            return Self { celery: left_out(), bullmq: left_out() };
        }
        Self { celery: foreign::celery(scratch).await, bullmq: foreign::bullmq(scratch).await }
    }

    fn command(&self, subject: &str, task: &str, url: &str, size: usize) -> Result<Command, String> {
        let foreign = match subject {
            "celery" => &self.celery,
            "bullmq" => &self.bullmq,
            _ => {
                let program = std::env::current_exe().map_err(|error| error.to_string())?;
                let mut command = Command::new(program);
                command.args(["measure", subject, task, url]).arg(size.to_string());
                return Ok(command);
            }
        };
        foreign.as_ref().map(|foreign| foreign.command(task, url, size)).map_err(Clone::clone)
    }
}

async fn measure(measurement: &Measurement, options: &Options, references: &References) -> Samples {
    let mut samples: Samples = measurement.subjects.iter().map(|subject| (*subject, Ok(BTreeMap::new()))).collect();
    for (subject, why) in measurement.left_out {
        samples.insert(subject, Err((*why).to_owned()));
    }
    for round in 0..options.rounds(measurement) {
        for subject in measurement.subjects {
            if round > 0 && *subject == "celery" && measurement.task == "backlog" {
                continue; // one round takes minutes
            }
            let Some(Ok(figures)) = samples.get_mut(subject) else { continue };
            match once(measurement, subject, references).await {
                Ok(found) => found.into_iter().for_each(|(name, figure)| figures.entry(name).or_default().push(figure)),
                Err(why) => {
                    samples.insert(subject, Err(why));
                }
            }
        }
    }
    samples
}

/// One measurement of one subject, against a server of its own.
async fn once(
    measurement: &Measurement,
    subject: &str,
    references: &References,
) -> Result<BTreeMap<String, f64>, String> {
    let server = Server::start(measurement.keeps).await;
    let mut command = references.command(subject, measurement.task, &server.url, measurement.size)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(|error| format!("could not be started: {error}"))?;
    let output = timeout(LIMIT, child.wait_with_output()).await;
    let output =
        output.map_err(|_| format!("did not end within {} s", LIMIT.as_secs()))?.map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| format!("gave no figures: {}", output.status))
}

fn rows(measurement: &Measurement, mut samples: Samples) -> Vec<Row> {
    let subjects = ALL.iter().filter(|subject| samples.contains_key(**subject)).copied().collect::<Vec<_>>();
    let mut rows = Vec::new();
    for (name, case, unit, better) in measurement.cases {
        for &subject in &subjects {
            let found = match samples.get_mut(subject) {
                Some(Ok(figures)) => match figures.remove(*name) {
                    Some(samples) => Found::of(samples, unit, better),
                    // Not every subject is asked for every figure.
                    None => continue,
                },
                Some(Err(_)) if OURS_ALONE.contains(name) => continue,
                Some(Err(why)) => Found::Missing { missing: why.clone() },
                None => continue,
            };
            rows.push(Row { case: (*case).to_owned(), subject, found });
        }
    }
    rows
}
