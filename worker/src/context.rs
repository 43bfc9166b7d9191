//! What every job is given: concrete handles, no globals.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use domain::{Instance, InstanceId, InstanceState, IssueId};
use jira::{Client, Clients, Priority};
use queue::Producer;
use store::Store;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// How long an instance's row is believed. A pause or a new token takes effect after this at the latest.
const REMEMBERED: Duration = Duration::from_secs(5);

/// Everything a job may use.
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) producer: Producer,
    clients: Clients,
    applications: Option<Applications>,
    sites: Mutex<HashMap<InstanceId, (Instant, Arc<Site>)>>,
}

/// One touched issue that was brought up to date.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// The issue.
    pub issue: IssueId,
    /// When it was first touched: for a webhook, when that was received.
    pub touched_at: DateTime<Utc>,
    /// When the rows were committed.
    pub committed_at: DateTime<Utc>,
}

/// Where a worker tells of touched issues that were brought up to date, whoever wants to know.
pub type Applications = mpsc::UnboundedSender<Applied>;

/// An instance for which work is done, and the way to its Jira.
pub(crate) struct Site {
    pub(crate) instance: Instance,
    client: Client,
}

impl Site {
    /// The way to its Jira for work of this urgency.
    pub(crate) fn jira(&self, priority: Priority) -> Client {
        self.client.with_priority(priority)
    }
}

impl Context {
    pub(crate) fn new(store: Store, producer: Producer, clients: Clients, applications: Option<Applications>) -> Self {
        Self { store, producer, clients, applications, sites: Mutex::default() }
    }

    /// The instance, if work is to be done for it: `None` once it was removed, paused or suspended.
    pub(crate) async fn site(&self, id: InstanceId) -> Result<Option<Arc<Site>>, Failure> {
        if let Some(site) = self.remembered(id) {
            return Ok(Some(site));
        }
        let Some(instance) = self.store.system().instance(id).await? else { return Ok(None) };
        if instance.state != InstanceState::Active {
            return Ok(None);
        }
        let site = Arc::new(self.open(instance).await?);
        self.sites().insert(id, (Instant::now(), site.clone()));
        Ok(Some(site))
    }

    /// Stops all work for an instance until an operator has looked.
    pub(crate) async fn suspend(&self, id: InstanceId, reason: &str) -> Result<(), Failure> {
        self.sites().remove(&id);
        let Some(instance) = self.store.system().instance(id).await? else { return Ok(()) };
        tracing::error!(instance.name = %instance.name, reason, "the instance is suspended");
        let state = InstanceState::Suspended { reason: reason.to_owned() };
        self.store.tenant(instance.tenant).set_state(id, &state).await?;
        Ok(())
    }

    /// Tells whoever wants to know.
    pub(crate) fn applied(&self, applied: Applied) {
        let waited = (applied.committed_at - applied.touched_at).to_std().unwrap_or_default();
        metrics::histogram!("jirafleet_webhook_to_row_seconds").record(waited.as_secs_f64());
        if let Some(applications) = &self.applications {
            // Nobody listens any more: nothing to tell.
            let _ = applications.send(applied);
        }
    }

    async fn open(&self, instance: Instance) -> Result<Site, Failure> {
        let tenant = self.store.tenant(instance.tenant);
        let credentials = tenant.credentials(instance.id).await?;
        let client = self.clients.client(&instance, credentials.email, credentials.token)?;
        if instance.account.is_none() {
            let myself = client.with_priority(Priority::Live).myself().await?;
            tenant.set_account(instance.id, &myself.account).await?;
        }
        Ok(Site { instance, client })
    }

    fn remembered(&self, id: InstanceId) -> Option<Arc<Site>> {
        let sites = self.sites();
        let (since, site) = sites.get(&id)?;
        (since.elapsed() < REMEMBERED).then(|| site.clone())
    }

    fn sites(&self) -> std::sync::MutexGuard<'_, HashMap<InstanceId, (Instant, Arc<Site>)>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
