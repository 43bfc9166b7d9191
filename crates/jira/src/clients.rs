//! One client per instance, made on first use and replaced when its credentials or limits changed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{Instance, InstanceId};
use secrecy::SecretString;

use crate::{Budgets, Client, ClientConfig, Credentials, Error};

/// All clients of this process; clones share them.
#[derive(Clone, Debug)]
pub struct Clients {
    budgets: Budgets,
    made: Arc<Mutex<HashMap<InstanceId, Client>>>,
}

impl Clients {
    /// None yet.
    pub fn new(budgets: Budgets) -> Self {
        Self { budgets, made: Arc::default() }
    }

    /// The instance's client, for live work. It keeps its connections and what it learnt about the account for as long as
    /// site, credentials and limits stay the same.
    pub fn client(&self, instance: &Instance, email: String, token: SecretString) -> Result<Client, Error> {
        let config = ClientConfig::of(instance, Credentials { email, token });
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&instance.id).filter(|client| reusable(client, &config)) {
            return Ok(client.clone());
        }
        let client = Client::new(config, self.budgets.clone())?;
        made.insert(instance.id, client.clone());
        Ok(client)
    }

    /// Drops the client of an instance that was removed.
    pub fn forget(&self, instance: InstanceId) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(&instance);
    }
}

fn reusable(client: &Client, config: &ClientConfig) -> bool {
    let agrees = match (client.known_account(), &config.account) {
        (Some(known), Some(expected)) => known == expected,
        _ => true,
    };
    agrees && client.config().same_as(config)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{AccountId, InstanceState, Site, TenantId};

    use super::*;

    fn instance() -> Instance {
        Instance {
            id: InstanceId::generate(),
            tenant: TenantId::generate(),
            name: "acme".into(),
            site: Site::trusted("https://acme.atlassian.net".into()),
            account: None,
            state: InstanceState::Active,
            poll_interval: Duration::from_secs(60),
            requests_per_minute: 100,
            created_at: "2026-01-01T00:00:00Z".parse().expect("a time"),
        }
    }

    #[test]
    fn a_client_lives_until_its_credentials_change() {
        let clients = Clients::new(Budgets::open().0);
        let mut instance = instance();
        let client = |instance: &Instance, token: &str| {
            clients.client(instance, "bot@example.com".into(), token.to_owned().into()).expect("a client")
        };
        let first = client(&instance, "one");
        instance.account = Some(AccountId("a1".into()));
        assert!(std::ptr::eq(first.config(), client(&instance, "one").config()));
        assert!(!std::ptr::eq(first.config(), client(&instance, "two").config()));
    }
}
