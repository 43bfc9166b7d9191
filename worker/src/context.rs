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
use way_in::credentials;

use crate::{Options, Settling, failure::Failure, precedence::Precedence};

/// How long an instance's row is believed. A pause or a new token takes effect after this at the latest.
const REMEMBERED: Duration = Duration::from_secs(5);

/// Everything a job may use.
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) producer: Producer,
    clients: Clients,
    pub(crate) settling: Settling,
    applications: Option<Applications>,
    pub(crate) precedence: Precedence,
    sites: Mutex<HashMap<InstanceId, Slot>>,
}

/// What came of suspending an instance.
pub(crate) enum Suspension {
    /// No more work until an operator has looked, or it is gone.
    Done,
    /// Jira knows us after all: the token was replaced meanwhile, or the answer was a stray one.
    NotNeeded,
}

/// Where an instance is remembered, and since when.
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Arc<Site>)>>>;

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

/// From here on, the attempt's log lines and its span say whose work it is.
fn note(instance: &Instance) {
    tracing::Span::current().record("tenant.id", tracing::field::display(instance.tenant));
}

impl Context {
    pub(crate) fn new(store: Store, producer: Producer, clients: Clients, options: &Options) -> Self {
        let (settling, applications) = (options.settling, options.applications.clone());
        let precedence = Precedence::new();
        Self { store, producer, clients, settling, applications, precedence, sites: Mutex::default() }
    }

    /// The instance, if work is to be done for it: `None` once it or its tenant was removed, paused or suspended. Whoever
    /// asks while it is being opened waits for that one opening.
    pub(crate) async fn site(&self, id: InstanceId) -> Result<Option<Arc<Site>>, Failure> {
        let slot = self.slot(id);
        let mut slot = slot.lock().await;
        if let Some((_, site)) = slot.as_ref().filter(|(since, _)| since.elapsed() < REMEMBERED) {
            note(&site.instance);
            return Ok(Some(site.clone()));
        }
        *slot = None;
        let Some(instance) = self.active(id).await? else { return Ok(None) };
        note(&instance);
        let site = Arc::new(self.open(instance).await?);
        *slot = Some((Instant::now(), site.clone()));
        Ok(Some(site))
    }

    /// Stops all work for an instance until an operator has looked, if Jira still does not know us when it is asked once
    /// more with the credentials that hold now.
    pub(crate) async fn suspend(&self, id: InstanceId, reason: &str) -> Result<Suspension, Failure> {
        *self.slot(id).lock().await = None;
        let Some(instance) = self.active(id).await? else { return Ok(Suspension::Done) };
        let tenant = self.store.tenant(instance.tenant);
        let client = self.clients.client_as(&instance, credentials(&tenant, id).await?)?;
        match client.with_priority(Priority::Live).myself().await {
            Ok(_) => return Ok(Suspension::NotNeeded),
            Err(jira::Error::NotOurselves { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        tracing::error!(error.code = "instance.suspended", instance.name = %instance.name, reason, "the instance is suspended");
        tenant.set_state(id, &InstanceState::Suspended { reason: reason.to_owned() }).await?;
        Ok(Suspension::Done)
    }

    /// Activates a suspended instance if Jira knows us there again. `None` if it does not, or if the instance is paused or
    /// gone.
    pub(crate) async fn recover(&self, id: InstanceId) -> Result<Option<Instance>, Failure> {
        let Some(instance) = self.store.system().instance(id).await? else { return Ok(None) };
        match instance.state {
            InstanceState::Suspended { .. } => {}
            InstanceState::Active => return Ok(Some(instance)),
            InstanceState::Paused { .. } => return Ok(None),
        }
        let tenant = self.store.tenant(instance.tenant);
        let client = self.clients.client_as(&instance, credentials(&tenant, id).await?)?;
        match client.with_priority(Priority::Upkeep).myself().await {
            Ok(_) => {}
            Err(jira::Error::NotOurselves { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        tenant.set_state(id, &InstanceState::Active).await?;
        tracing::info!(instance.name = %instance.name, "Jira knows us again: the instance is active");
        *self.slot(id).lock().await = None;
        Ok(Some(instance))
    }

    /// Asks again for what points to issues that are gone. Before they are marked: a worker that dies in between does both
    /// again.
    pub(crate) async fn touch_relatives(&self, site: &Site, gone: &[IssueId]) -> Result<(), Failure> {
        let instance = &site.instance;
        let relatives = self.store.tenant(instance.tenant).relatives(instance.id, gone).await?;
        if !relatives.is_empty() {
            self.producer.touch(instance.id, &relatives, Utc::now()).await?;
        }
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
        let client = self.clients.client_as(&instance, credentials(&tenant, instance.id).await?)?;
        if instance.account.is_none() {
            let myself = client.with_priority(Priority::Live).myself().await?;
            tenant.set_account(instance.id, &myself.account).await?;
            tenant.set_time_zone(instance.id, myself.time_zone.as_deref()).await?;
        }
        Ok(Site { instance, client })
    }

    async fn active(&self, id: InstanceId) -> Result<Option<Instance>, Failure> {
        let system = self.store.system();
        let instance = system.instance(id).await?.filter(|instance| instance.state == InstanceState::Active);
        let Some(instance) = instance else { return Ok(None) };
        let tenant = system.tenant(instance.tenant).await?;
        Ok(tenant.filter(|tenant| !tenant.suspended).map(|_| instance))
    }

    fn slot(&self, id: InstanceId) -> Slot {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone()
    }
}
