//! Who did what to what.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{InstanceId, Scope};
use serde::Serialize;
use store::{AuditEntry, AuditFilter};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Caller, Context, Error, Listing, Paging, context::instance};

/// One line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditLine {
    /// Which.
    id: Uuid,
    /// Its place in the tenant's chain, from one.
    seq: i64,
    /// When it was written.
    at: DateTime<Utc>,
    /// The line that it completes.
    begun: Option<Uuid>,
    /// `operator`, `api_key`, `user` or `process`.
    actor_kind: String,
    /// Who of them.
    actor_id: String,
    /// What was done.
    action: String,
    /// On which site.
    instance: Option<InstanceId>,
    /// What it was done to.
    target: Option<String>,
    /// `begun`, `done`, `not_done` or `unknown`.
    outcome: String,
    /// As part of which request.
    request_id: Option<String>,
    /// And of which trace.
    trace_id: Option<String>,
    /// Its circumstances.
    details: BTreeMap<String, String>,
}

/// Which lines are wanted.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// A site's id or name.
    pub(crate) site: Option<String>,
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) before: Option<DateTime<Utc>>,
    pub(crate) actor: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) target: Option<String>,
}

/// Lines of the tenant's log, newest first.
pub(crate) async fn lines(
    context: &Context,
    caller: &Caller,
    wanted: Lines,
    paging: &Paging,
) -> Result<Listing<AuditLine>, Error> {
    caller.require(Scope::ReadAudit)?;
    let mirror = context.mirror(caller);
    let name = format!("audit {wanted:?}");
    let site = match &wanted.site {
        Some(site) => Some(instance(&mirror, Some(site)).await?.id),
        None => None,
    };
    let filter = AuditFilter {
        since: wanted.from,
        until: wanted.before,
        actor: wanted.actor,
        action: wanted.action,
        target: wanted.target,
        instance: site,
        before: paging.after(&mirror, &name)?,
    };
    let lines = mirror.audit(&filter, paging.one_more()).await?.into_iter().map(AuditLine::from).collect();
    paging.cut(&mirror, &name, lines, |line| line.seq)
}

impl From<AuditEntry> for AuditLine {
    fn from(line: AuditEntry) -> Self {
        Self {
            id: line.id.0,
            seq: line.seq,
            at: line.at,
            begun: line.begun.map(|id| id.0),
            actor_kind: line.actor_kind,
            actor_id: line.actor_id,
            action: line.action,
            instance: line.instance,
            target: line.target,
            outcome: line.outcome,
            request_id: line.request_id,
            trace_id: line.trace_id,
            details: line.details,
        }
    }
}
