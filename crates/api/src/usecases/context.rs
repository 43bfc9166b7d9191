//! What every use case is given: concrete handles, no globals.

use std::sync::Arc;

use domain::{Instance, TenantId};
use jira::Clients;
use queue::Producer;
use store::{Store, TenantStore};

use super::{Caller, Error, recent::Recent};

/// Sites that a sentence names at most.
const NAMED: usize = 20;

/// What use cases work with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) producer: Producer,
    pub(crate) clients: Clients,
    sites: Arc<Recent<TenantId, Arc<[Instance]>>>,
}

impl Context {
    pub(crate) fn new(store: Store, producer: Producer, clients: Clients) -> Self {
        Self { store, producer, clients, sites: Arc::default() }
    }

    /// The sites of a caller's tenant as they were less than a second ago: enough for reading.
    pub(crate) async fn sites(&self, caller: &Caller) -> Result<Arc<[Instance]>, Error> {
        let ask = async || Ok(self.mirror(caller).instances().await?.into());
        self.sites.get(caller.tenant, ask).await
    }

    /// The mirror as this caller may see it.
    pub(crate) fn mirror(&self, caller: &Caller) -> TenantStore {
        self.store.tenant(caller.tenant).on_behalf_of(&caller.actor)
    }
}

/// A site of the tenant's by its id or name; without either, its only one.
pub(crate) async fn instance(mirror: &TenantStore, name: Option<&str>) -> Result<Instance, Error> {
    choose(&mirror.instances().await?, name).cloned()
}

/// The same among those that are known.
pub(crate) fn choose<'i>(all: &'i [Instance], name: Option<&str>) -> Result<&'i Instance, Error> {
    if let Some(name) = name {
        return all.iter().find(|one| is_called(one, name)).ok_or(Error::NotFound("instance"));
    }
    match all {
        [] => Err(Error::NotFound("instance")),
        [only] => Ok(only),
        _ => {
            let names: Vec<&str> = all.iter().take(NAMED).map(|one| one.name.as_str()).collect();
            Err(Error::invalid("instance", format!("must be given, since there are several: {}", names.join(", "))))
        }
    }
}

/// Whether a site goes by this id or name.
pub(crate) fn is_called(instance: &Instance, name: &str) -> bool {
    instance.name == name || instance.id.to_string() == name
}
