//! One client per instance, made on first use and replaced when its credentials or limits changed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{Instance, InstanceId};
use secrecy::SecretString;

use crate::{Atlassian, Budgets, Client, ClientConfig, Credentials, Error};

/// All clients of this process; clones share them.
#[derive(Clone, Debug)]
pub struct Clients {
    budgets: Budgets,
    atlassian: Atlassian,
    made: Arc<Mutex<HashMap<InstanceId, Client>>>,
}

impl Clients {
    /// None yet.
    pub fn new(budgets: Budgets) -> Self {
        Self { budgets, atlassian: Atlassian::default(), made: Arc::default() }
    }

    /// With Atlassian's own servers at other addresses.
    #[must_use]
    pub fn with_atlassian(self, atlassian: Atlassian) -> Self {
        Self { atlassian, ..self }
    }

    /// What all clients draw from.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// The instance's client with a service account's API token, for live work; see [`client_as`](Self::client_as).
    pub fn client(&self, instance: &Instance, email: String, token: SecretString) -> Result<Client, Error> {
        self.client_as(instance, Credentials::Basic { email, token })
    }

    /// The instance's client, for live work. It keeps its connections and what it learnt about the account for as long as
    /// site, credentials and limits stay the same.
    pub fn client_as(&self, instance: &Instance, credentials: Credentials) -> Result<Client, Error> {
        let config = ClientConfig { atlassian: self.atlassian.clone(), ..ClientConfig::of(instance, credentials) };
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
            time_zone: None,
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
