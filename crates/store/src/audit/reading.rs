//! Reading the audit log: what was done, by whom, when; and what was begun and never ended.

use std::{collections::BTreeMap, ops::Range};

use chrono::{DateTime, Utc};
use domain::InstanceId;

use super::{AuditId, Begun, Deed, chain::Line};
use crate::{Error, TenantStore, orm::sql};

/// Which lines are wanted, newest first. What is not given does not restrict.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
    /// By whom: the actor's id.
    pub actor: Option<String>,
    /// What was done: an action, or the part of it before a dot.
    pub action: Option<String>,
    /// What it was done to.
    pub target: Option<String>,
    /// On which site.
    pub instance: Option<InstanceId>,
    /// The next page: lines before the last one of the page before.
    pub before: Option<i64>,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Which.
    pub id: AuditId,
    /// Its place in the tenant's chain, from one.
    pub seq: i64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The line that it completes.
    pub begun: Option<AuditId>,
    /// `operator`, `api_key`, `user` or `process`.
    pub actor_kind: String,
    /// Who of them.
    pub actor_id: String,
    /// What was done.
    pub action: String,
    /// On which site.
    pub instance: Option<InstanceId>,
    /// What it was done to.
    pub target: Option<String>,
    /// `begun`, `done`, `not_done` or `unknown`.
    pub outcome: String,
    /// As part of which request.
    pub request_id: Option<String>,
    /// And of which trace.
    pub trace_id: Option<String>,
    /// Its circumstances.
    pub details: BTreeMap<String, String>,
}

impl AuditEntry {
    /// What completes it, if it is the beginning of something.
    pub fn to_begun(&self) -> Option<Begun> {
        let deed = Deed {
            actor_kind: self.actor_kind.clone(),
            actor_id: self.actor_id.clone(),
            action: self.action.clone(),
            instance: self.instance,
            target: self.target.clone(),
            request_id: self.request_id.clone(),
            trace_id: self.trace_id.clone(),
            details: self.details.clone(),
        };
        (self.outcome == "begun").then_some(Begun { id: self.id, deed })
    }
}

impl From<Line> for AuditEntry {
    fn from(line: Line) -> Self {
        Self {
            id: AuditId(line.id),
            seq: line.seq,
            at: line.at,
            begun: line.begun.map(AuditId),
            actor_kind: line.actor_kind,
            actor_id: line.actor_id,
            action: line.action,
            instance: line.instance.map(InstanceId),
            target: line.target,
            outcome: line.outcome,
            request_id: line.request_id,
            trace_id: line.trace_id,
            details: line.details,
        }
    }
}

impl TenantStore {
    /// A page of at most so many lines, newest first.
    pub async fn audit(&self, filter: &AuditFilter, at_most: u32) -> Result<Vec<AuditEntry>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* audit.query */ SELECT tenant_id, seq, id, at, begun_id, actor_kind, actor_id, action,
                instance_id, target, outcome, request_id, trace_id, details::text AS details, prev_hash, hash
            FROM mirror.audit_log
            WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
                AND ($4::text IS NULL OR actor_id = $4)
                AND ($5::text IS NULL OR action = $5 OR starts_with(action, $5 || '.'))
                AND ($6::text IS NULL OR target = $6) AND ($7::uuid IS NULL OR instance_id = $7)
                AND ($8::bigint IS NULL OR seq < $8)
            ORDER BY seq DESC LIMIT $9")
        .bind(self.id().0)
        .bind(filter.since)
        .bind(filter.until)
        .bind(filter.actor.as_deref())
        .bind(filter.action.as_deref())
        .bind(filter.target.as_deref())
        .bind(filter.instance.map(|instance| instance.0))
        .bind(filter.before)
        .bind(i64::from(at_most))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(|row| Line::read(row).map(AuditEntry::from)).collect()
    }

    /// What was begun before this instant and has not ended, oldest first, at most so many.
    pub async fn audit_open(&self, begun_before: DateTime<Utc>, at_most: u32) -> Result<Vec<AuditEntry>, Error> {
        self.audit_left_open(&(DateTime::UNIX_EPOCH..begun_before), None, at_most).await
    }

    /// What was begun in this span, on this site or on any, and has not ended, oldest first, at most so many.
    pub async fn audit_left_open(
        &self,
        begun: &Range<DateTime<Utc>>,
        instance: Option<InstanceId>,
        at_most: u32,
    ) -> Result<Vec<AuditEntry>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* audit.open */ SELECT a.tenant_id, a.seq, a.id, a.at, a.begun_id, a.actor_kind, a.actor_id,
                a.action, a.instance_id, a.target, a.outcome, a.request_id, a.trace_id, a.details::text AS details,
                a.prev_hash, a.hash
            FROM mirror.audit_log a
            WHERE a.tenant_id = $1 AND a.outcome = 'begun' AND a.at >= $2 AND a.at < $3
                AND ($4::uuid IS NULL OR a.instance_id = $4)
                AND NOT EXISTS (SELECT FROM mirror.audit_log c WHERE c.tenant_id = $1 AND c.begun_id = a.id)
            ORDER BY a.at, a.seq LIMIT $5")
        .bind(self.id().0)
        .bind(begun.start)
        .bind(begun.end)
        .bind(instance.map(|instance| instance.0))
        .bind(i64::from(at_most))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(|row| Line::read(row).map(AuditEntry::from)).collect()
    }
}
