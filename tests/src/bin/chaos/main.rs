//! Kills workers and restarts Redis while a queue is drained, and counts what was lost.
//!
//! `cargo run -p tests --bin chaos -- --jobs 100000 --workers 4` starts two private Redis servers (the queue's, with an
//! append-only log, and one that keeps the truth and is never touched), worker processes that are this binary again, and kills
//! one of them every half second. Ends with 1 when a job was lost or its rescue took longer than its lease and a second.

mod fleet;
mod plan;
mod report;
mod run;
mod server;
mod truth;
mod work;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Kills workers and restarts Redis while a queue is drained, and counts what was lost")]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Role {
    /// One worker process; started by the harness.
    #[command(hide = true)]
    Work(work::Work),
}

/// What is done to the queue.
#[derive(Args, Clone)]
struct Options {
    /// Effects that must be seen at the end.
    #[arg(long, default_value_t = 100_000)]
    jobs: usize,
    /// Worker processes.
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Jobs at a time in each.
    #[arg(long, default_value_t = 50)]
    slots: usize,
    /// Lease, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    lease_ms: u64,
    /// Between two kills, in milliseconds.
    #[arg(long, default_value_t = 500)]
    kill_every_ms: u64,
    /// Restarts of the queue's Redis, in turn by SIGKILL and SIGTERM.
    #[arg(long, default_value_t = 2)]
    restarts: usize,
    /// The longest run of a job, in milliseconds.
    #[arg(long, default_value_t = 20)]
    busy_ms: u64,
    /// Decides what every job does, who is killed and who comes back under its old name; drawn when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// After so many seconds, what is missing counts as lost.
    #[arg(long, default_value_t = 600)]
    limit_s: u64,
    /// Where the report goes, beside standard output.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Options {
    fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

/// One thread: the kernel ends the servers when the thread that started them ends.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Work(work)) => {
            work::run(work).await;
            ExitCode::SUCCESS
        }
        None => chaos(cli.options).await,
    }
}

async fn chaos(options: Options) -> ExitCode {
    let seed = options.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let report = run::run(&options, seed).await;
    let text = serde_json::to_string_pretty(&report).expect("figures can be written");
    println!("{text}");
    if let Some(path) = &options.json {
        std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let failures = report.failures(options.lease());
    for failure in &failures {
        eprintln!("FAILED: {failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
