//! One process, or all of them in one: arguments, wiring, signals.

mod fleet;
pub(crate) mod issuers;
mod options;

use std::path::PathBuf;

use clap::Args;
use domain::SiteRules;

use crate::{
    config::{AtlassianArgs, MetricsArgs, Surroundings},
    exit::{self, Failed},
    output::say,
    private::{self, Private},
    wire_up::House,
};

pub(crate) use fleet::{Addresses, Fleet};
pub(crate) use options::{AllOptions, ApiOptions, ApiPlace, GatewayOptions, WorkerOptions};

#[derive(Args)]
pub(crate) struct GatewayArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    gateway: GatewayOptions,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

#[derive(Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    worker: WorkerOptions,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

#[derive(Args)]
pub(crate) struct SchedulerArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

#[derive(Args)]
pub(crate) struct ApiArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    api: ApiOptions,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

#[derive(Args)]
pub(crate) struct AllArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    pub(crate) options: AllOptions,
}

#[derive(Args)]
pub(crate) struct DevArgs {
    /// Where servers and data are kept [default: $XDG_DATA_HOME/jirafleet, for root /var/lib/jirafleet]
    #[arg(long, env = "JIRAFLEET_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Hosts (name or name:port, separated by commas) for which plain http and loopback sites are accepted.
    #[arg(long, env = "JIRAFLEET_ALLOW_INSECURE_SITES", value_delimiter = ',', value_name = "HOSTS")]
    allow_insecure_sites: Vec<String>,
    #[command(flatten)]
    atlassian: AtlassianArgs,
    #[command(flatten)]
    pub(crate) options: AllOptions,
}

pub(crate) async fn gateway(args: GatewayArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open("gateway", &args.surroundings, 4).await?;
    fleet.gateway(args.gateway.gateway_listen).await?;
    fleet.metrics(args.metrics.metrics_listen).await?;
    fleet.until_signal().await
}

pub(crate) async fn worker(args: WorkerArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open("worker", &args.surroundings, args.worker.connections()).await?;
    fleet.worker(&args.worker, None);
    fleet.metrics(args.metrics.metrics_listen).await?;
    fleet.until_signal().await
}

pub(crate) async fn scheduler(args: SchedulerArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open("scheduler", &args.surroundings, 2).await?;
    fleet.scheduler();
    fleet.metrics(args.metrics.metrics_listen).await?;
    fleet.until_signal().await
}

pub(crate) async fn api(args: ApiArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open("api", &args.surroundings, 4).await?;
    fleet.api(&args.api).await?;
    fleet.metrics(args.metrics.metrics_listen).await?;
    fleet.until_signal().await
}

pub(crate) async fn all(args: AllArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open("all", &args.surroundings, args.options.worker.connections() + 6).await?;
    fleet.everything(&args.options, None).await?;
    fleet.until_signal().await
}

pub(crate) async fn dev(args: DevArgs) -> Result<(), Failed> {
    let data_dir = args
        .data_dir
        .or_else(private::default_data_dir)
        .ok_or_else(|| Failed::configuration("no data directory is known: give --data-dir or set HOME"))?;
    let mut signals = Signals::new()?;
    let rules = SiteRules { insecure: args.allow_insecure_sites };
    let atlassian = args.atlassian.resolve(&rules)?;
    let mut private = Private::start(&data_dir, rules.insecure).await?;
    private.resolved.atlassian = atlassian;
    let started = tokio::select! {
        started = start_dev(&private, &args.options) => started,
        failed = private.failed() => Err(failed),
        () = signals.next() => Err(Failed::silent(exit::INTERRUPTED)),
    };
    let ended = match started {
        Ok(fleet) => tokio::select! {
            ended = fleet.until_signal() => ended,
            failed = private.failed() => Err(failed),
        },
        Err(failed) => Err(failed),
    };
    // However it ends, the servers are stopped and their offer is withdrawn.
    ended.and(private.stop().await)
}

async fn start_dev(private: &Private, options: &AllOptions) -> Result<Fleet, Failed> {
    let house = House::open(&private.resolved, options.worker.connections() + 6).await?;
    let mut fleet = Fleet::new(house)?;
    let addresses = fleet.everything(options, None).await?;
    say!("jirafleet runs on private servers in {}", private.data_dir().display());
    say!("  webhooks  http://{}/webhooks/INSTANCE", addresses.gateway);
    say!("  api       http://{}/openapi.json", addresses.api);
    say!("  figures   http://{}/metrics", addresses.metrics);
    say!("Next: jirafleet tenant create acme");
    Ok(fleet)
}

/// Waits for somebody's Ctrl-C.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // It cannot be listened to, and ends the program by itself.
        std::future::pending::<()>().await;
    }
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, Failed> {
        use tokio::signal::unix::{SignalKind, signal};
        let cannot = |error| Failed::bug(format!("signals cannot be listened to: {error}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(cannot)?,
            interrupt: signal(SignalKind::interrupt()).map_err(cannot)?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
