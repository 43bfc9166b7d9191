//! How fresh the mirror is: what was copied, when Jira was last asked for changes, whether webhooks can be relied upon.

use chrono::{DateTime, Utc};
use domain::{Instance, InstanceId, InstanceState, ProjectId, Scope, WebhookHealth};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use store::{BackfillRow, TenantStore};
use utoipa::ToSchema;

use super::{Caller, Context, Error, Listing, context::is_called};

/// Sites that are looked up side by side.
const AT_ONCE: usize = 2;

/// How fresh the mirror of one site is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteSync {
    /// The site.
    instance: InstanceId,
    /// Its name.
    name: String,
    /// Whether work is done for it.
    #[serde(flatten)]
    state: InstanceState,
    /// When the last complete look for changes began; absent before the first.
    polled_at: Option<DateTime<Utc>>,
    /// What is known about its webhook; absent before anything is.
    webhook: Option<SiteWebhook>,
    /// How far each project was copied, in the order of Jira's numbers.
    backfills: Vec<Backfill>,
}

/// The state of a site's webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteWebhook {
    /// Whether it can be relied upon.
    health: WebhookHealth,
    /// Since when.
    health_since: DateTime<Utc>,
    /// `admin` or `dynamic`; absent for one that was made by hand in Jira.
    kind: Option<&'static str>,
    /// Until when it lives, of dynamic ones.
    expires_at: Option<DateTime<Utc>>,
    /// One sentence for an operator, if something is wrong.
    problem: Option<String>,
}

/// How far a project was copied.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Backfill {
    /// Which.
    project: ProjectId,
    /// Its key, or its number while its key is not known.
    project_key: String,
    /// `waiting`, `running`, `done`, `cancelled` or `failed`.
    state: String,
    /// Why it failed.
    reason: Option<String>,
    /// Issues copied so far.
    synced: u64,
    /// How many issues Jira thought there were.
    expected: Option<u64>,
    /// When it was asked for.
    began_at: DateTime<Utc>,
    /// When its last page was written.
    finished_at: Option<DateTime<Utc>>,
}

/// The tenant's sites, or the one named, by name.
pub(crate) async fn status(context: &Context, caller: &Caller, site: Option<&str>) -> Result<Listing<SiteSync>, Error> {
    caller.require(Scope::ReadSync)?;
    let mirror = context.mirror(caller);
    let mut sites = mirror.instances().await?;
    if let Some(name) = site {
        sites.retain(|one| is_called(one, name));
        if sites.is_empty() {
            return Err(Error::NotFound("instance"));
        }
    }
    let each = stream::iter(sites).map(|site| of(&mirror, site)).buffered(AT_ONCE);
    Ok(Listing { items: each.try_collect().await?, next: None, total: None })
}

async fn of(mirror: &TenantStore, site: Instance) -> Result<SiteSync, Error> {
    let webhook = mirror.webhook(site.id).await?;
    Ok(SiteSync {
        instance: site.id,
        polled_at: mirror.poll_mark(site.id).await?.map(|mark| mark.0),
        webhook: webhook.map(SiteWebhook::from),
        backfills: mirror.backfill_progress(site.id).await?.into_iter().map(Backfill::from).collect(),
        name: site.name,
        state: site.state,
    })
}

impl From<store::Webhook> for SiteWebhook {
    fn from(webhook: store::Webhook) -> Self {
        let registration = webhook.registration;
        Self {
            health: webhook.health,
            health_since: webhook.health_since,
            kind: registration.as_ref().map(|registration| registration.kind.name()),
            expires_at: registration.and_then(|registration| registration.expires_at),
            problem: webhook.problem,
        }
    }
}

impl From<BackfillRow> for Backfill {
    fn from(row: BackfillRow) -> Self {
        Self {
            project: row.project,
            project_key: row.project_key,
            state: row.state,
            reason: row.reason,
            synced: row.synced,
            expected: row.expected,
            began_at: row.began_at,
            finished_at: row.finished_at,
        }
    }
}
