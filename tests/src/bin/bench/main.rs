//! Benchmarks, side by side with what people use today: `bench queue [--quick]`, `bench backfill`,
//! `bench freshness`, `bench store`, `bench rest`, `bench day`.
//!
//! Every subject of a case is a process of its own, against a Redis server of its own, in alternating rounds of one run. A
//! table goes to standard output, the figures to `target/bench/queue.json`. A reference that cannot run is reported as
//! missing, with the reason; no figure is ever carried over from another run.

mod apalis_stock;
mod backfill;
mod chaos;
mod day;
mod floor;
mod foreign;
mod freshness;
mod measure;
mod ours;
mod plan;
mod report;
mod rest;
mod server;
mod store;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// As in the product.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(about = "Benchmarks, side by side with what people use today")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The queue against apalis-redis, Celery, BullMQ and what Redis itself can do.
    Queue(plan::Options),
    /// What a backfill costs, in time and in requests to Jira.
    Backfill(backfill::Options),
    /// From a webhook to its row.
    Freshness,
    /// Loading, reading again and searching the mirror, beside plain SQL.
    Store(store::Options),
    /// A long random day, in the evening of which the mirror must equal each site.
    Day(day::Options),
    /// REST at 1,000,000 issues, beside reading Jira through a proxy.
    Rest(rest::Options),
    /// One measurement of one subject; started by the benchmark.
    #[command(hide = true)]
    Measure {
        /// Who is measured.
        subject: String,
        /// What is measured.
        task: String,
        /// The private Redis.
        url: String,
        /// Jobs, or seconds.
        size: usize,
    },
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match Cli::parse().what {
        What::Queue(options) => runtime.block_on(plan::run(&options)),
        What::Backfill(options) => runtime.block_on(backfill::run(&options)),
        What::Freshness => runtime.block_on(freshness::run()),
        What::Store(options) => runtime.block_on(store::run(&options)),
        What::Day(options) => runtime.block_on(day::run(&options)),
        What::Rest(options) => runtime.block_on(rest::run(&options)),
        What::Measure { subject, task, url, size } => {
            // As a task like any other: the main thread would have to be woken for every answer.
            let measured = runtime.spawn(async move {
                match subject.as_str() {
                    "jirafleet" => ours::measure(&task, &url, size).await,
                    "apalis-redis" => apalis_stock::measure(&task, &url, size).await,
                    "redis-streams" => floor::measure(&task, &url, size).await,
                    other => panic!("nobody is called {other}"),
                }
            });
            let figures = runtime.block_on(measured).expect("it says why above");
            println!("{}", serde_json::to_string(&figures).expect("numbers can be written"));
            // What still runs has nothing to say any more.
            runtime.shutdown_background();
            ExitCode::SUCCESS
        }
    }
}

/// Where results and downloads go.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join("bench")
}
