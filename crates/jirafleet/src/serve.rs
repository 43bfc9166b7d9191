//! One process, or all of them in one: wiring, signals, and the listener for health and figures.

use std::{future::Future, net::SocketAddr, path::PathBuf, time::Duration};

use axum::{Router, routing::get};
use clap::Args;
use listener::{Listener, health::Readiness};
use metrics_exporter_prometheus::PrometheusHandle;
use queue::QueueName;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{MetricsArgs, Surroundings},
    exit::Failed,
    private::{self, Private},
    telemetry,
    wire_up::House,
};

/// The gateway's own options.
#[derive(Args, Clone)]
pub(crate) struct GatewayOptions {
    /// Where webhooks are taken.
    #[arg(long, env = "JIRAFLEET_GATEWAY_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) gateway_listen: SocketAddr,
}

/// The API's own options.
#[derive(Args, Clone)]
pub(crate) struct ApiOptions {
    /// Where the interfaces are.
    #[arg(long, env = "JIRAFLEET_API_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub(crate) api_listen: SocketAddr,
}

/// The worker's own options.
#[derive(Args, Clone)]
pub(crate) struct WorkerOptions {
    /// The queues to serve, each with how many jobs to run at once.
    #[arg(long, env = "JIRAFLEET_QUEUES", default_value = "live=8,bulk=4,upkeep=2", value_delimiter = ',',
          value_name = "QUEUE[=SLOTS]", value_parser = queue_slots)]
    pub(crate) queues: Vec<(QueueName, usize)>,
    /// After how many seconds without a sign of life another worker takes over this one's jobs.
    #[arg(long, env = "JIRAFLEET_LEASE", default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) lease: u64,
    /// How many seconds running jobs may take to end after SIGTERM.
    #[arg(long, env = "JIRAFLEET_GRACE", default_value_t = 25, value_name = "SECONDS")]
    pub(crate) grace: u64,
}

#[derive(Args)]
pub(crate) struct GatewayArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    gateway: GatewayOptions,
    #[command(flatten)]
    metrics: MetricsArgs,
}

#[derive(Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    worker: WorkerOptions,
    #[command(flatten)]
    metrics: MetricsArgs,
}

#[derive(Args)]
pub(crate) struct SchedulerArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    metrics: MetricsArgs,
}

#[derive(Args)]
pub(crate) struct ApiArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    api: ApiOptions,
    #[command(flatten)]
    metrics: MetricsArgs,
}

/// The options of all four processes.
#[derive(Args, Clone)]
pub(crate) struct AllOptions {
    #[command(flatten)]
    pub(crate) gateway: GatewayOptions,
    #[command(flatten)]
    pub(crate) api: ApiOptions,
    #[command(flatten)]
    pub(crate) worker: WorkerOptions,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

#[derive(Args)]
pub(crate) struct AllArgs {
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    options: AllOptions,
}

#[derive(Args)]
pub(crate) struct DevArgs {
    /// Where servers and data are kept [default: $XDG_DATA_HOME/jirafleet, for root /var/lib/jirafleet]
    #[arg(long, env = "JIRAFLEET_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Hosts (host[:port], separated by commas) for which plain http and loopback sites are accepted.
    #[arg(long, env = "JIRAFLEET_ALLOW_INSECURE_SITES", value_delimiter = ',', value_name = "HOSTS")]
    allow_insecure_sites: Vec<String>,
    #[command(flatten)]
    options: AllOptions,
}

pub(crate) async fn gateway(args: GatewayArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open(&args.surroundings, 4).await?;
    fleet.gateway(args.gateway.gateway_listen).await?;
    fleet.metrics(args.metrics.metrics_listen).await?;
    fleet.until_signal().await
}

pub(crate) async fn worker(args: WorkerArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open(&args.surroundings, connections(&args.worker)).await?;
    fleet.worker(&args.worker, None);
    fleet.metrics(args.metrics.metrics_listen).await?;
    fleet.until_signal().await
}

pub(crate) async fn scheduler(args: SchedulerArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open(&args.surroundings, 2).await?;
    fleet.scheduler();
    fleet.metrics(args.metrics.metrics_listen).await?;
    fleet.until_signal().await
}

pub(crate) async fn api(args: ApiArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open(&args.surroundings, 4).await?;
    fleet.api(args.api.api_listen).await?;
    fleet.metrics(args.metrics.metrics_listen).await?;
    fleet.until_signal().await
}

pub(crate) async fn all(args: AllArgs) -> Result<(), Failed> {
    let mut fleet = Fleet::open(&args.surroundings, connections(&args.options.worker) + 6).await?;
    fleet.everything(&args.options, None).await?;
    fleet.until_signal().await
}

pub(crate) async fn dev(args: DevArgs) -> Result<(), Failed> {
    let data_dir = args
        .data_dir
        .or_else(private::default_data_dir)
        .ok_or_else(|| Failed::configuration("no data directory is known: give --data-dir or set HOME"))?;
    let private = Private::start(&data_dir, args.allow_insecure_sites).await?;
    let house = House::open(&private.resolved, connections(&args.options.worker) + 6).await?;
    let mut fleet = Fleet::new(house)?;
    let addresses = fleet.everything(&args.options, None).await?;
    eprintln!("jirafleet runs on private servers in {}", data_dir.display());
    eprintln!("  webhooks  http://{}/webhooks/INSTANCE", addresses.gateway);
    eprintln!("  figures   http://{}/metrics", addresses.metrics);
    eprintln!("Next: jirafleet tenant create acme");
    let ended = tokio::select! {
        ended = fleet.until_signal() => ended,
        failed = private.failed() => Err(failed),
    };
    private.stop().await?;
    ended
}

/// Processes that run in this one, until the first of them ends or a signal comes.
pub(crate) struct Fleet {
    house: House,
    figures: PrometheusHandle,
    shutdown: CancellationToken,
    running: JoinSet<Result<(), Failed>>,
}

/// Where the processes listen, once they do.
pub(crate) struct Addresses {
    pub(crate) gateway: SocketAddr,
    pub(crate) api: SocketAddr,
    pub(crate) metrics: SocketAddr,
}

impl Fleet {
    async fn open(surroundings: &Surroundings, connections: u32) -> Result<Self, Failed> {
        Self::new(House::open(&surroundings.resolve()?, connections).await?)
    }

    pub(crate) fn new(house: House) -> Result<Self, Failed> {
        let figures = telemetry::start_metrics()?;
        Ok(Self { house, figures, shutdown: CancellationToken::new(), running: JoinSet::new() })
    }

    /// The figures as Prometheus would read them now.
    pub(crate) fn figures(&self) -> String {
        self.figures.render()
    }

    pub(crate) async fn everything(
        &mut self,
        options: &AllOptions,
        applications: Option<worker::Applications>,
    ) -> Result<Addresses, Failed> {
        let gateway = self.gateway(options.gateway.gateway_listen).await?;
        let api = self.api(options.api.api_listen).await?;
        let metrics = self.metrics(options.metrics.metrics_listen).await?;
        self.worker(&options.worker, applications);
        self.scheduler();
        Ok(Addresses { gateway, api, metrics })
    }

    async fn gateway(&mut self, address: SocketAddr) -> Result<SocketAddr, Failed> {
        let listener = Listener::bind(address).await?;
        let address = listener.local_addr();
        let gateway = ingest_gateway::Gateway {
            listener,
            store: self.house.store.clone(),
            producer: self.house.producer.clone(),
            limits: ingest_gateway::Limits::default(),
        };
        self.spawn("the gateway", ingest_gateway::serve(gateway, self.shutdown.clone()));
        tracing::info!(%address, "the gateway takes webhooks");
        Ok(address)
    }

    async fn api(&mut self, address: SocketAddr) -> Result<SocketAddr, Failed> {
        let listener = Listener::bind(address).await?;
        let address = listener.local_addr();
        self.spawn("the api", api::serve(listener, self.readiness(), self.shutdown.clone()));
        tracing::info!(%address, "the api answers");
        Ok(address)
    }

    async fn metrics(&mut self, address: SocketAddr) -> Result<SocketAddr, Failed> {
        let listener = Listener::bind(address).await?;
        let address = listener.local_addr();
        let figures = self.figures.clone();
        let routes = Router::new()
            .route("/metrics", get(move || std::future::ready(figures.render())))
            .merge(listener::health::routes(self.readiness()));
        let shutdown = self.shutdown.clone();
        self.running.spawn(async move {
            listener::serve(listener, routes, shutdown).await;
            Ok(())
        });
        self.upkeep_of_figures();
        Ok(address)
    }

    /// Histograms keep their samples until somebody drains them, whether or not Prometheus comes by.
    fn upkeep_of_figures(&mut self) {
        let (figures, shutdown) = (self.figures.clone(), self.shutdown.clone());
        self.running.spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(5));
            while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
                figures.run_upkeep();
            }
            Ok(())
        });
    }

    fn worker(&mut self, options: &WorkerOptions, applications: Option<worker::Applications>) {
        let house = self.house.clone();
        let worker = worker::Worker {
            store: house.store,
            producer: house.producer,
            queues: house.queues,
            clients: house.clients,
            options: worker::Options {
                slots: options.queues.clone(),
                name: consumer_name(),
                lease: Duration::from_secs(options.lease),
                grace: Duration::from_secs(options.grace),
                applications,
            },
        };
        self.spawn("the worker", worker::run(worker, self.shutdown.clone()));
    }

    fn scheduler(&mut self) {
        let scheduler = scheduler::Scheduler { store: self.house.store.clone(), producer: self.house.producer.clone() };
        self.spawn("the scheduler", scheduler::run(scheduler, self.shutdown.clone()));
    }

    fn readiness(&self) -> Readiness {
        let (store, producer) = (self.house.store.clone(), self.house.producer.clone());
        Readiness::new()
            .until(self.shutdown.clone())
            .check("postgresql", move || {
                let store = store.clone();
                async move { store.ping().await.map_err(|error| error.to_string()) }
            })
            .check("redis", move || {
                let producer = producer.clone();
                async move { producer.ping().await.map_err(|error| error.to_string()) }
            })
    }

    fn spawn<E: std::fmt::Display>(
        &mut self,
        what: &'static str,
        process: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.running.spawn(async move {
            process.await.map_err(|error| Failed::new(crate::exit::FAILURE, format!("{what} ended: {error}")))
        });
    }

    /// Runs until SIGTERM or SIGINT, or until a process ends by itself; then stops the others. A second signal leaves at
    /// once.
    pub(crate) async fn until_signal(mut self) -> Result<(), Failed> {
        let mut signals = Signals::new()?;
        let first = tokio::select! {
            () = signals.next() => Ok(()),
            Some(ended) = self.running.join_next() => flatten(ended),
        };
        tokio::select! {
            stopped = self.stop() => first.and(stopped),
            () = signals.next() => std::process::exit(130),
        }
    }

    /// Tells all processes to stop and waits until they have.
    pub(crate) async fn stop(&mut self) -> Result<(), Failed> {
        self.shutdown.cancel();
        let mut result = Ok(());
        while let Some(ended) = self.running.join_next().await {
            result = result.and(flatten(ended));
        }
        result
    }
}

fn flatten(ended: Result<Result<(), Failed>, tokio::task::JoinError>) -> Result<(), Failed> {
    ended.unwrap_or_else(|error| Err(Failed::bug(format!("a process ended by a panic: {error}"))))
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

/// A connection for every job that may run at once, and some for instance rows and health.
fn connections(options: &WorkerOptions) -> u32 {
    let slots: usize = options.queues.iter().map(|(_, slots)| slots).sum();
    u32::try_from(slots).unwrap_or(u32::MAX).saturating_add(2)
}

/// The pod's name, so that a restarted pod finds what it held; the process id tells several on one machine apart.
fn consumer_name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "worker".to_owned());
    format!("{host}-{}", std::process::id())
}

fn queue_slots(text: &str) -> Result<(QueueName, usize), String> {
    let (name, slots) = text.split_once('=').unwrap_or((text, "4"));
    let queue = name.parse::<QueueName>().map_err(|_| format!("{name:?} is no queue: live, bulk and upkeep are"))?;
    match slots.parse() {
        Ok(slots @ 1..=1000) => Ok((queue, slots)),
        _ => Err(format!("{slots:?} is no number of slots from 1 to 1000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read() {
        assert_eq!(queue_slots("live=8"), Ok((QueueName::Live, 8)));
        assert_eq!(queue_slots("bulk"), Ok((QueueName::Bulk, 4)));
        for bad in ["slow", "live=0", "live=x", "live=1001", ""] {
            assert!(queue_slots(bad).is_err(), "{bad}");
        }
    }
}
