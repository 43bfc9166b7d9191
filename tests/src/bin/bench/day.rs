//! The long random day: `bench day [--seed N]`. Three sites that change in every way Jira knows while webhooks get lost, servers
//! restart and workers are killed; in the evening the mirror must equal each site, field by field.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use tests::day::{self, live};

use crate::{
    folder,
    report::{Found, Report, Row},
};

/// Which day.
#[derive(Args)]
pub(crate) struct Options {
    /// The same seed makes the same changes.
    #[arg(long, default_value_t = 20_261_127)]
    seed: u64,
    /// Changes in all.
    #[arg(long, default_value_t = 30_000)]
    edits: usize,
}

/// Sites, and issues of each at dawn.
const SITES: usize = 3;
const ISSUES: usize = 6_700;

pub(crate) async fn run(options: &Options) -> ExitCode {
    eprintln!("{} changes of {} issues at {SITES} sites, seed {} ..", options.edits, SITES * ISSUES, options.seed);
    let day = live(&day::Options {
        seed: options.seed,
        sites: SITES,
        issues: ISSUES,
        edits: options.edits,
        bulk: 2_000,
        pace: 100,
        index_lag: Duration::from_secs(300),
        workers: 2,
        kill_every: Duration::from_secs(20),
        program: program(),
    })
    .await;
    day.differences.iter().for_each(|difference| eprintln!("{difference}"));
    let mut report = Report::new("day");
    let count = |figure: usize| u32::try_from(figure).map_or(f64::INFINITY, f64::from);
    let dead = usize::try_from(day.dead).unwrap_or(usize::MAX);
    let requests = usize::try_from(day.requests).unwrap_or(usize::MAX);
    for (case, figure, unit) in [
        ("differences", count(day.differences.len()), "issues"),
        ("dead_jobs", count(dead), "jobs"),
        ("compared", count(day.compared), "issues"),
        ("edits", count(day.edits), "changes"),
        ("kills", count(day.kills), "workers"),
        ("requests", count(requests), "requests"),
        ("settled_in", day.settled_in.as_secs_f64(), "s"),
    ] {
        let found = Found::of(vec![figure], unit, "lower");
        report.rows.push(Row { case: case.to_owned(), subject: "jirafleet", found });
    }
    let published = report.publish(&folder());
    if day.differences.is_empty() && day.dead == 0 { published } else { ExitCode::FAILURE }
}

/// The binary beside ours.
fn program() -> PathBuf {
    std::env::current_exe().expect("a program has a path").with_file_name("jirafleet")
}
