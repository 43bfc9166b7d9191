//! What every use case is given: concrete handles, no globals.

use domain::Instance;
use jira::Clients;
use queue::Producer;
use store::{Store, TenantStore};

use super::{Caller, Error};

/// Sites that a sentence names at most.
const NAMED: usize = 20;

/// What use cases work with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) producer: Producer,
    pub(crate) clients: Clients,
}

impl Context {
    /// The mirror as this caller may see it.
    pub(crate) fn mirror(&self, caller: &Caller) -> TenantStore {
        self.store.tenant(caller.tenant).on_behalf_of(&caller.actor)
    }
}

/// A site of the tenant's by its id or name; without either, its only one.
pub(crate) async fn instance(mirror: &TenantStore, name: Option<&str>) -> Result<Instance, Error> {
    let mut all = mirror.instances().await?;
    if let Some(name) = name {
        return all.into_iter().find(|one| is_called(one, name)).ok_or(Error::NotFound("instance"));
    }
    match all.len() {
        0 => Err(Error::NotFound("instance")),
        1 => Ok(all.remove(0)),
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
