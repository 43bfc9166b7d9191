//! `jirafleet demo`: the whole house on this machine, with simulated Jira sites, from an empty directory to a mirror that
//! is provably equal to Jira.

mod report;
mod sites;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args as ClapArgs;
use queue::QueueName;

use crate::{
    config::MetricsArgs,
    exit::{self, Failed},
    output::{self, say},
    pace::Pace,
    private::{Private, random_hex},
    serve::{Addresses, AllOptions, ApiOptions, Fleet, GatewayOptions, Signals, WorkerOptions},
    wire_up::House,
};
use report::{Backfill, Jobs, Report};
use sites::Sites;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Print a summary and end: 0 when the mirror equals Jira, 1 when not.
    #[arg(long)]
    once: bool,
    /// Print the summary as one JSON object on stdout.
    #[arg(long, requires = "once")]
    json: bool,
    /// Issues in all, over both instances.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(200..=1_000_000))]
    issues: u32,
    /// Where servers and data are kept [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where webhooks are taken.
    #[arg(long, env = "JIRAFLEET_GATEWAY_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDR")]
    gateway_listen: SocketAddr,
    /// Where the interfaces are.
    #[arg(long, env = "JIRAFLEET_API_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDR")]
    api_listen: SocketAddr,
    /// Where /metrics is answered.
    #[arg(long, env = "JIRAFLEET_METRICS_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDR")]
    metrics_listen: SocketAddr,
}

/// How many edits are made in the simulated Jira.
const EDITS: usize = 100;

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let data_dir = args.data_dir.clone().unwrap_or_else(temporary_dir);
    let mut signals = Signals::new()?;
    say!("starting private PostgreSQL and Redis ..");
    let private = Private::start(&data_dir, vec!["127.0.0.1".to_owned()]).await?;
    let shown = tokio::select! {
        shown = show(&args, &private) => shown,
        failed = private.failed() => Err(failed),
        () = signals.next() => Err(Failed::silent(130)),
    };
    let ended = match shown {
        Ok(Some((fleet, _sites))) => tokio::select! {
            ended = fleet.until_signal() => ended,
            failed = private.failed() => Err(failed),
        },
        Ok(None) => Ok(()),
        Err(failed) => Err(failed),
    };
    let stopped = private.stop().await;
    if args.data_dir.is_none() {
        let _ = std::fs::remove_dir_all(&data_dir);
    }
    ended.and(stopped)
}

/// Shows it all; what is to go on running afterwards is returned.
async fn show(args: &Args, private: &Private) -> Result<Option<(Fleet, Sites)>, Failed> {
    let options = options(args);
    let house = House::open(&private.resolved, options.worker.connections() + 10).await?;
    say!("making up two Jira sites with {} issues ..", args.issues);
    let sites = Sites::start(&house, args.issues as usize).await?;
    let (applications, mut applied) = tokio::sync::mpsc::unbounded_channel();
    let mut fleet = Fleet::new(house.clone())?;
    let addresses = fleet.everything(&options, Some(applications)).await?;
    let backfill = backfill(&house, &sites).await?;
    sites.send_webhooks_to(addresses.gateway);
    say!("{EDITS} edits in Jira ..");
    let latencies = sites.edit(EDITS, &mut applied).await?;
    say!("comparing the mirror with Jira, field by field ..");
    let drifts = sites.compare(&house).await?;
    let jobs = Jobs::count(&fleet.figures(), &house).await?;
    let report = Report::new(backfill, &latencies, jobs, drifts);
    let printed = report.print(args.json);
    if !args.once {
        stay(&sites, &addresses, private.data_dir());
        return Ok(Some((fleet, sites)));
    }
    fleet.stop().await?;
    // A mirror that differs is a failure also when nobody reads the report.
    if report.equal() { printed.map(|()| None) } else { Err(Failed::silent(exit::FAILURE)) }
}

async fn backfill(house: &House, sites: &Sites) -> Result<Backfill, Failed> {
    let began = Instant::now();
    sites.begin_backfills(house).await?;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let progress = output::bar(0).with_style(output::bar_style("{bar:40} {pos}/{len} issues{msg}"));
    let mut pace = Pace::new(began, 0);
    while let Some(rest) = sites.rest(house, &progress).await? {
        pace.observe(Instant::now(), progress.position());
        progress.set_message(pace.told(rest));
        tick.tick().await;
    }
    progress.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    sites.counted(house, seconds).await
}

fn stay(sites: &Sites, addresses: &Addresses, data_dir: &Path) {
    say!("");
    for site in sites.iter() {
        say!("  Jira {:8} {}", site.name(), site.url());
    }
    say!("  webhooks      http://{}/webhooks/{{acme,globex}}", addresses.gateway);
    say!("  api           http://{}/openapi.json", addresses.api);
    say!("  figures       http://{}/metrics", addresses.metrics);
    say!("");
    say!("Next, in another terminal:");
    for next in ["sync status", "verify acme --full", "backfill globex --follow"] {
        say!("  jirafleet {next} --data-dir {}", data_dir.display());
    }
    say!("Ctrl-C ends it all.");
}

fn options(args: &Args) -> AllOptions {
    AllOptions {
        gateway: GatewayOptions { gateway_listen: args.gateway_listen },
        api: ApiOptions::at(args.api_listen),
        worker: WorkerOptions {
            queues: vec![(QueueName::Live, 8), (QueueName::Bulk, 4), (QueueName::Upkeep, 2)],
            lease: 30,
            grace: 25,
        },
        metrics: MetricsArgs { metrics_listen: args.metrics_listen, otlp_endpoint: None },
    }
}

fn temporary_dir() -> PathBuf {
    std::env::temp_dir().join(format!("jirafleet-demo-{}", random_hex(6)))
}
