//! From configuration to handles.

use domain::TenantId;
use jira::{Budgets, Clients};
use queue::Producer;
use store::{Actor, ActorKind, Store, System, TenantStore};

use crate::{
    config::{self, Resolved},
    exit::{self, Failed},
};

/// What is away before anything was asked is not helped by asking again.
fn at_the_door(error: store::Error) -> Failed {
    match error {
        store::Error::Unavailable(why) => Failed::new(
            exit::UNAVAILABLE,
            format!("PostgreSQL does not answer ({why}): check that it runs and that the database's URL is right"),
        ),
        error => error.into(),
    }
}

/// The handles that processes and chores are given.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) producer: Producer,
    pub(crate) queues: queue::Config,
    pub(crate) clients: Clients,
    /// Hosts that may be asked without TLS.
    pub(crate) insecure: Vec<String>,
    operator: Actor,
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
        .map_err(|error| resolved.explain(&resolved.database_url, at_the_door(error)))?;
        let queues = queue::Config { url: resolved.redis_url.clone(), prefix: resolved.redis_prefix.clone() };
        let producer =
            Producer::connect(&queues).await.map_err(|error| resolved.explain(&resolved.redis_url, error))?;
        let budgets = Budgets::connect(&resolved.redis_url, &resolved.redis_prefix).await?;
        let clients = Clients::new(budgets).with_atlassian(resolved.atlassian.clone());
        let operator = Actor::new(ActorKind::Operator, config::operator());
        let insecure = resolved.sites.insecure.clone();
        Ok(Self { store, producer, queues, clients, insecure, operator })
    }

    /// The mirror as this tenant may see it, for an operator: what is changed leaves a line in the audit log.
    pub(crate) fn tenant(&self, tenant: TenantId) -> TenantStore {
        self.store.tenant(tenant).on_behalf_of(&self.operator)
    }

    /// Who is at the command line.
    pub(crate) fn operator(&self) -> &Actor {
        &self.operator
    }

    /// What goes beyond one tenant, for an operator.
    pub(crate) fn system(&self) -> System<'_> {
        self.store.system().on_behalf_of(&self.operator)
    }
}
