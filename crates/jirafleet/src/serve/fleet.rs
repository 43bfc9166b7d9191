//! Processes that run in this one: started, watched, stopped.

use std::{future::Future, net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use listener::{
    Listener,
    health::{About, Readiness},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Signals, issuers,
    options::{AllOptions, ApiOptions, WorkerOptions},
};
use crate::{
    config::Surroundings,
    exit::{self, Failed},
    telemetry,
    wire_up::House,
};

/// Processes that run in this one, until the first of them ends or a signal comes.
///
/// They end in this order: first nothing is ready any more, so that load balancers look elsewhere; then all that asks for work
/// or does it ends what it is at; then health and figures, which tell of that; then connections.
pub(crate) struct Fleet {
    house: House,
    figures: PrometheusHandle,
    /// What asks for work or does it.
    running: JoinSet<Result<(), Failed>>,
    shutdown: CancellationToken,
    /// What tells of it.
    watching: JoinSet<Result<(), Failed>>,
    watched: CancellationToken,
    process: &'static str,
}

/// How long connections may take to be closed in good order.
const GOODBYE: Duration = Duration::from_secs(2);

/// Where the processes listen, once they do.
pub(crate) struct Addresses {
    pub(crate) gateway: SocketAddr,
    pub(crate) api: SocketAddr,
    pub(crate) metrics: SocketAddr,
}

impl Fleet {
    pub(super) async fn open(
        process: &'static str,
        surroundings: &Surroundings,
        connections: u32,
    ) -> Result<Self, Failed> {
        Ok(Self::new(House::open(&surroundings.resolve()?, connections).await?)?.called(process))
    }

    pub(crate) fn new(house: House) -> Result<Self, Failed> {
        let figures = telemetry::start_metrics()?;
        Ok(Self {
            house,
            figures,
            running: JoinSet::new(),
            shutdown: CancellationToken::new(),
            watching: JoinSet::new(),
            watched: CancellationToken::new(),
            process: "all",
        })
    }

    /// The same, known by this name.
    pub(super) fn called(self, process: &'static str) -> Self {
        Self { process, ..self }
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
        let api = self.api(&options.api).await?;
        let metrics = self.metrics(options.metrics.metrics_listen).await?;
        self.worker(&options.worker, applications);
        self.scheduler();
        Ok(Addresses { gateway, api, metrics })
    }

    pub(super) async fn gateway(&mut self, address: SocketAddr) -> Result<SocketAddr, Failed> {
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

    pub(super) async fn api(&mut self, options: &ApiOptions) -> Result<SocketAddr, Failed> {
        let gate = self.gate(options).await?;
        let listener = Listener::bind(options.place.api_listen).await?;
        let address = listener.local_addr();
        let api = api::Api {
            listener,
            store: self.house.store.clone(),
            producer: self.house.producer.clone(),
            clients: self.house.clients.clone(),
            // Without Redis it still reads, only not as fast, and does not count.
            readiness: self.store_answers(),
            gate,
        };
        self.spawn("the api", api::serve(api, self.shutdown.clone()));
        tracing::info!(%address, "the api answers");
        Ok(address)
    }

    async fn gate(&self, options: &ApiOptions) -> Result<api::Gate, Failed> {
        let queue::Config { url, prefix } = &self.house.queues;
        let mut gate = api::Gate::new(url, prefix, options.rates()).map_err(Failed::configuration)?;
        if let Some(file) = &options.place.issuers_file {
            gate.issuers = issuers::read(file, &self.house.store, &self.house.insecure).await?;
        }
        Ok(gate)
    }

    pub(super) async fn metrics(&mut self, address: SocketAddr) -> Result<SocketAddr, Failed> {
        let listener = Listener::bind(address).await?;
        let address = listener.local_addr();
        let figures = self.figures.clone();
        let routes = Router::new()
            .route("/metrics", get(move || std::future::ready(figures.render())))
            .merge(listener::health::routes(self.own_readiness()));
        let shutdown = self.watched.clone();
        self.watching.spawn(async move {
            listener::serve(listener, routes, shutdown).await;
            Ok(())
        });
        self.upkeep_of_figures();
        Ok(address)
    }

    /// Histograms keep their samples until somebody drains them, whether or not Prometheus comes by.
    fn upkeep_of_figures(&mut self) {
        let (figures, shutdown) = (self.figures.clone(), self.watched.clone());
        self.watching.spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(5));
            while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
                figures.run_upkeep();
            }
            Ok(())
        });
    }

    pub(super) fn worker(&mut self, options: &WorkerOptions, applications: Option<worker::Applications>) {
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
                settling: worker::Settling::default(),
            },
        };
        self.spawn("the worker", worker::run(worker, self.shutdown.clone()));
    }

    pub(super) fn scheduler(&mut self) {
        let scheduler = scheduler::Scheduler {
            store: self.house.store.clone(),
            producer: self.house.producer.clone(),
            // Two pods may have the same process id, and no host name.
            name: format!("{}/{:08x}", consumer_name(), rand::random::<u32>()),
        };
        self.spawn("the scheduler", scheduler::run(scheduler, self.shutdown.clone()));
    }

    fn readiness(&self) -> Readiness {
        let producer = self.house.producer.clone();
        self.store_answers().check("redis", move || {
            let producer = producer.clone();
            async move { producer.ping().await.map_err(|error| error.to_string()) }
        })
    }

    fn store_answers(&self) -> Readiness {
        let store = self.house.store.clone();
        Readiness::new().until(self.shutdown.clone()).check("postgresql", move || {
            let store = store.clone();
            async move { store.ping().await.map_err(|error| error.to_string()) }
        })
    }

    /// Of the process as a whole, with what it is.
    fn own_readiness(&self) -> Readiness {
        let about = About { process: self.process, version: telemetry::VERSION, revision: telemetry::REVISION };
        let readiness = self.readiness().telling(about);
        if !matches!(self.process, "scheduler" | "all") {
            return readiness;
        }
        let producer = self.house.producer.clone();
        readiness.check("lead", move || {
            let producer = producer.clone();
            async move {
                let lead = producer.leader().await.map_err(|error| error.to_string())?;
                lead.leader.map(|_| ()).ok_or_else(|| "no scheduler leads".to_owned())
            }
        })
    }

    fn spawn<E: std::fmt::Display>(
        &mut self,
        what: &'static str,
        process: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.running.spawn(async move {
            process.await.map_err(|error| Failed::new(exit::FAILURE, format!("{what} ended: {error}")))
        });
    }

    /// Runs until SIGTERM or SIGINT, or until a process ends by itself; then stops the others. A second signal leaves at
    /// once.
    pub(crate) async fn until_signal(mut self) -> Result<(), Failed> {
        let mut signals = Signals::new()?;
        let first = tokio::select! {
            () = signals.next() => Ok(()),
            Some(ended) = self.running.join_next() => flatten(ended),
            Some(ended) = self.watching.join_next() => flatten(ended),
        };
        tokio::select! {
            stopped = self.stop() => first.and(stopped),
            () = signals.next() => std::process::exit(exit::INTERRUPTED.into()),
        }
    }

    /// Tells all processes to stop and waits until they have.
    pub(crate) async fn stop(&mut self) -> Result<(), Failed> {
        self.shutdown.cancel();
        let mut result = Ok(());
        while let Some(ended) = self.running.join_next().await {
            result = result.and(flatten(ended));
        }
        self.watched.cancel();
        while let Some(ended) = self.watching.join_next().await {
            result = result.and(flatten(ended));
        }
        if tokio::time::timeout(GOODBYE, self.house.store.close()).await.is_err() {
            tracing::debug!("connections to PostgreSQL were cut");
        }
        tracing::info!("all has ended in good order");
        result
    }
}

fn flatten(ended: Result<Result<(), Failed>, tokio::task::JoinError>) -> Result<(), Failed> {
    ended.unwrap_or_else(|error| Err(Failed::bug(format!("a process ended by a panic: {error}"))))
}

/// The pod's name, so that a restarted pod finds what it held; the process id tells several on one machine apart.
fn consumer_name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "worker".to_owned());
    format!("{host}-{}", std::process::id())
}
