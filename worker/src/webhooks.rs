//! The life of an instance's webhook: registered, kept, proven by a change made for that purpose, removed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Instance, InstanceId, IssueId, Lifecycle, RawJson};
use jira::{Client, DynamicWebhook, NewWebhook};
use queue::Producer;
use store::{Registration, TenantStore, WebhookKind};

/// What an administrator's webhook is registered for: everything that touches what is mirrored.
const EVENTS: [&str; 38] = [
    "jira:issue_created",
    "jira:issue_updated",
    "jira:issue_deleted",
    "issue_property_set",
    "issue_property_deleted",
    "comment_created",
    "comment_updated",
    "comment_deleted",
    "worklog_created",
    "worklog_updated",
    "worklog_deleted",
    "attachment_created",
    "attachment_deleted",
    "issuelink_created",
    "issuelink_deleted",
    "issuetype_created",
    "issuetype_updated",
    "issuetype_deleted",
    "project_created",
    "project_updated",
    "project_deleted",
    "project_soft_deleted",
    "project_restored_deleted",
    "project_archived",
    "project_restored_archived",
    "jira:version_created",
    "jira:version_updated",
    "jira:version_released",
    "jira:version_unreleased",
    "jira:version_deleted",
    "user_created",
    "user_updated",
    "user_deleted",
    "sprint_created",
    "sprint_updated",
    "sprint_started",
    "sprint_closed",
    "sprint_deleted",
];

/// What Jira takes of an app.
const EVENTS_OF_APPS: [&str; 8] = [
    "jira:issue_created",
    "jira:issue_updated",
    "jira:issue_deleted",
    "comment_created",
    "comment_updated",
    "comment_deleted",
    "issue_property_set",
    "issue_property_deleted",
];

/// Dynamic webhooks live for thirty days; from then on they are refreshed.
const REFRESH_BEFORE: TimeDelta = TimeDelta::days(20);

/// The property whose change proves that webhooks arrive.
const PROBE: &str = "jirafleet.probe";

/// How long a probe's webhook may take. Jira's own aim is 30 s.
const PATIENCE: Duration = Duration::from_secs(45);

/// How often it is looked whether it came.
const LOOK: Duration = Duration::from_millis(250);

/// Why a webhook could not be seen to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Jira said no, or was away.
    #[error(transparent)]
    Jira(#[from] jira::Error),
    /// The mirror is away.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Redis is away.
    #[error(transparent)]
    Queue(#[from] queue::Error),
    /// Jira took the request and not the webhook.
    #[error("Jira does not take the webhook: {0}")]
    Rejected(String),
    /// There is nothing to do it with.
    #[error("{0}")]
    Impossible(&'static str),
}

impl Error {
    /// Its stable name in logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Jira(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Queue(error) => error.code(),
            Self::Rejected(_) => "webhook.rejected",
            Self::Impossible(_) => "webhook.impossible",
        }
    }
}

/// What became of a webhook that was looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// We registered none.
    None,
    /// It is there.
    Fine,
    /// It lives until then now.
    Refreshed(Option<DateTime<Utc>>),
    /// It was gone and is there again.
    Renewed,
}

/// Jira, the mirror, and the instance whose webhook it is.
pub struct Keeper<'a> {
    /// Asked with the instance's credentials.
    pub jira: &'a Client,
    /// The instance's tenant.
    pub tenant: &'a TenantStore,
    /// Whose webhook.
    pub instance: &'a Instance,
    /// What time it is.
    pub now: DateTime<Utc>,
}

impl Keeper<'_> {
    /// Registers a webhook that sends to `url`, and removes the one that was registered before.
    pub async fn register(&self, kind: WebhookKind, url: &str) -> Result<Registration, Error> {
        let before = self.registration().await?;
        let new = match kind {
            WebhookKind::Admin => self.register_admin(url).await?,
            WebhookKind::Dynamic => self.register_dynamic(url).await?,
        };
        self.tenant.keep_webhook(self.id(), &new, self.now).await?;
        if let Some(before) = before.filter(|before| before.remote_ids != new.remote_ids) {
            self.delete(&before).await?;
        }
        Ok(new)
    }

    /// Makes sure that what was registered is still there and lives for a while; what is wrong is remembered.
    pub async fn keep(&self) -> Result<Kept, Error> {
        let Some(registration) = self.registration().await? else { return Ok(Kept::None) };
        let kept = match registration.kind {
            WebhookKind::Admin => self.keep_admin(&registration).await,
            WebhookKind::Dynamic => self.keep_dynamic(&registration).await,
        };
        let problem = match &kept {
            Ok(_) => None,
            // Says nothing about the webhook.
            Err(Error::Jira(error)) if !error.is_final() => return kept,
            Err(error) => Some(format!("the webhook could not be kept: {error}")),
        };
        self.tenant.set_webhook_problem(self.id(), problem.as_deref(), self.now).await?;
        kept
    }

    /// Removes what was registered; says whether anything was.
    pub async fn remove(&self) -> Result<bool, Error> {
        let Some(registration) = self.registration().await? else { return Ok(false) };
        self.delete(&registration).await?;
        self.tenant.forget_webhook(self.id()).await?;
        Ok(true)
    }

    /// Changes a property of an issue, which nobody sees, and waits for Jira to tell of it. Says how long that took;
    /// `None` when no webhook came in time.
    pub async fn verify(&self, producer: &Producer) -> Result<Option<Duration>, Error> {
        let issue = self.some_issue().await?;
        let before = producer.heard(self.id()).await?;
        let began = tokio::time::Instant::now();
        let value = RawJson::of(&self.now.to_rfc3339()).map_err(|_| Error::Impossible("the time is no JSON"))?;
        self.jira.set_property(issue, PROBE, &value).await?;
        let heard = tokio::time::timeout(PATIENCE, self.listen(producer, before)).await;
        self.jira.delete_property(issue, PROBE).await?;
        let Ok(heard) = heard else { return Ok(None) };
        heard?;
        let took = began.elapsed();
        self.tenant.webhook_verified(self.id(), self.now).await?;
        Ok(Some(took))
    }

    fn id(&self) -> InstanceId {
        self.instance.id
    }

    async fn registration(&self) -> Result<Option<Registration>, Error> {
        Ok(self.tenant.webhook(self.id()).await?.and_then(|webhook| webhook.registration))
    }

    async fn some_issue(&self) -> Result<IssueId, Error> {
        let none = Error::Impossible("the mirror holds no issue to make a change to: run a backfill first");
        self.tenant.issue_ids(self.id(), None, 1).await?.first().copied().ok_or(none)
    }

    /// Gateways note what they hear once a second, so the time of the note tells.
    async fn listen(&self, producer: &Producer, before: Option<DateTime<Utc>>) -> Result<(), Error> {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            if producer.heard(self.id()).await? > before {
                return Ok(());
            }
        }
    }

    async fn register_admin(&self, url: &str) -> Result<Registration, Error> {
        let new = NewWebhook {
            name: format!("jirafleet {}", self.instance.name),
            url: url.to_owned(),
            events: EVENTS.map(str::to_owned).to_vec(),
            jql: None,
            secret: self.tenant.webhook_secret(self.id()).await?,
        };
        let webhook = self.jira.register_webhook(&new).await?;
        let (kind, remote_ids) = (WebhookKind::Admin, vec![webhook.id]);
        Ok(Registration { kind, url: url.to_owned(), remote_ids, expires_at: None })
    }

    async fn register_dynamic(&self, url: &str) -> Result<Registration, Error> {
        let webhook = self.dynamic().await?;
        let results = self.jira.register_dynamic_webhooks(url, &[webhook]).await?;
        let mut remote_ids = Vec::new();
        for result in results {
            remote_ids.push(result.map_err(|reasons| Error::Rejected(reasons.join("; ")))?);
        }
        // Jira says when they end only when it is asked.
        let expires_at = Some(self.jira.refresh_dynamic_webhooks(&remote_ids).await?);
        Ok(Registration { kind: WebhookKind::Dynamic, url: url.to_owned(), remote_ids, expires_at })
    }

    /// Jira wants a filter, and takes none that means everything.
    async fn dynamic(&self) -> Result<DynamicWebhook, Error> {
        let projects = self.tenant.projects(self.id()).await?;
        let live = projects.iter().filter(|project| project.lifecycle == Lifecycle::Live);
        let keys: Vec<&str> = live.map(|project| project.key.as_str()).collect();
        if keys.is_empty() {
            return Err(Error::Impossible("the mirror knows no project to listen to: run a backfill first"));
        }
        let events = EVENTS_OF_APPS.map(str::to_owned).to_vec();
        Ok(DynamicWebhook { events, jql_filter: format!("project in ({})", keys.join(", ")) })
    }

    async fn keep_admin(&self, registration: &Registration) -> Result<Kept, Error> {
        let webhooks = self.jira.webhooks().await?;
        let ours = webhooks.iter().find(|webhook| registration.remote_ids.contains(&webhook.id));
        match ours {
            Some(webhook) if webhook.enabled && webhook.url == registration.url => Ok(Kept::Fine),
            Some(webhook) if !webhook.enabled => Err(Error::Impossible(
                "an administrator switched the webhook off in Jira: switch it on there, or run `jirafleet webhook remove`",
            )),
            _ => self.register(WebhookKind::Admin, &registration.url).await.map(|_| Kept::Renewed),
        }
    }

    async fn keep_dynamic(&self, registration: &Registration) -> Result<Kept, Error> {
        let webhooks = self.jira.dynamic_webhooks().await?;
        let filter = self.dynamic().await?.jql_filter;
        let ours = webhooks.iter().filter(|webhook| registration.remote_ids.contains(&webhook.id));
        let ours: Vec<_> = ours.filter(|webhook| webhook.jql_filter == filter).collect();
        if ours.len() < registration.remote_ids.len() {
            return self.register(WebhookKind::Dynamic, &registration.url).await.map(|_| Kept::Renewed);
        }
        let ends = ours.iter().filter_map(|webhook| webhook.expires_at).min();
        if ends.is_some_and(|ends| ends - self.now > REFRESH_BEFORE) {
            return Ok(Kept::Fine);
        }
        let expires_at = Some(self.jira.refresh_dynamic_webhooks(&registration.remote_ids).await?);
        let refreshed = Registration { expires_at, ..registration.clone() };
        self.tenant.keep_webhook(self.id(), &refreshed, self.now).await?;
        Ok(Kept::Refreshed(expires_at))
    }

    async fn delete(&self, registration: &Registration) -> Result<(), Error> {
        match registration.kind {
            WebhookKind::Admin => {
                for id in &registration.remote_ids {
                    self.jira.delete_webhook(*id).await?;
                }
            }
            WebhookKind::Dynamic => self.jira.delete_dynamic_webhooks(&registration.remote_ids).await?,
        }
        Ok(())
    }
}
