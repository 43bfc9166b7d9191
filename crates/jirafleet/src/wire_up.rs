//! From configuration to handles.

use jira::{Budgets, Clients};
use queue::Producer;
use store::Store;

use crate::{config::Resolved, exit::Failed};

/// The handles that processes and chores are given.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) producer: Producer,
    pub(crate) queues: queue::Config,
    pub(crate) clients: Clients,
}

impl House {
    /// Connects to PostgreSQL and Redis; both must answer.
    pub(crate) async fn open(resolved: &Resolved, connections: u32) -> Result<Self, Failed> {
        let store = Store::connect(store::Config {
            url: resolved.database_url.clone(),
            max_connections: connections,
            master_key: resolved.master_key()?,
            application_name: "jirafleet".to_owned(),
            cache: resolved.cache(),
        })
        .await
        .map_err(|error| resolved.explain(&resolved.database_url, error))?;
        let queues = queue::Config { url: resolved.redis_url.clone(), prefix: resolved.redis_prefix.clone() };
        let producer =
            Producer::connect(&queues).await.map_err(|error| resolved.explain(&resolved.redis_url, error))?;
        let budgets = Budgets::connect(&resolved.redis_url, &resolved.redis_prefix).await?;
        let clients = Clients::new(budgets).with_atlassian(resolved.atlassian.clone());
        Ok(Self { store, producer, queues, clients })
    }
}
