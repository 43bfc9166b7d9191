//! What each process can be told by flag or variable.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use queue::QueueName;

use crate::config::MetricsArgs;

/// The gateway's own options.
#[derive(Args, Clone)]
pub(crate) struct GatewayOptions {
    /// Where webhooks are taken.
    #[arg(long, env = "JIRAFLEET_GATEWAY_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) gateway_listen: SocketAddr,
}

/// Where an API is, and whom it believes.
#[derive(Args, Clone)]
pub(crate) struct ApiPlace {
    /// Where the interfaces are.
    #[arg(long, env = "JIRAFLEET_API_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub(crate) api_listen: SocketAddr,
    /// Others whose tokens count: a JSON file, see docs/api.md.
    #[arg(long, env = "JIRAFLEET_ISSUERS_FILE", value_name = "FILE")]
    pub(crate) issuers_file: Option<PathBuf>,
}

/// The API's own options.
#[derive(Args, Clone)]
pub(crate) struct ApiOptions {
    #[command(flatten)]
    pub(crate) place: ApiPlace,
    /// Requests a minute that one key may make.
    #[arg(long, env = "JIRAFLEET_RATE_PER_KEY", default_value_t = 6_000, value_name = "REQUESTS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate_per_key: u32,
    /// Requests a minute that one tenant may make.
    #[arg(long, env = "JIRAFLEET_RATE_PER_TENANT", default_value_t = 30_000, value_name = "REQUESTS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate_per_tenant: u32,
    /// Requests a minute with keys that are not good, of one address; more are refused unread.
    #[arg(long, env = "JIRAFLEET_RATE_OF_GUESSES", default_value_t = 60, value_name = "REQUESTS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate_of_guesses: u32,
}

impl ApiOptions {
    /// The usual ones.
    pub(crate) fn at(api_listen: SocketAddr) -> Self {
        let api::Rates { key: rate_per_key, tenant: rate_per_tenant, attempts: rate_of_guesses } =
            api::Rates::default();
        Self { place: ApiPlace { api_listen, issuers_file: None }, rate_per_key, rate_per_tenant, rate_of_guesses }
    }

    /// How much may be asked.
    pub(crate) fn rates(&self) -> api::Rates {
        api::Rates { key: self.rate_per_key, tenant: self.rate_per_tenant, attempts: self.rate_of_guesses }
    }
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

impl WorkerOptions {
    /// A connection for every job that may run at once, and some for instance rows and health.
    pub(crate) fn connections(&self) -> u32 {
        let slots: usize = self.queues.iter().map(|(_, slots)| slots).sum();
        u32::try_from(slots).unwrap_or(u32::MAX).saturating_add(2)
    }
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
