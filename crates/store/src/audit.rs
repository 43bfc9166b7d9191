//! The audit log of a tenant: it only grows, and every line carries the hash of the one before it.
//!
//! Lines are collected in a transaction and written with its last words, so that the lock under which a tenant's chain
//! grows is taken last and held briefly. What is rolled back leaves no line, and no line is there without what it tells.

mod chain;
mod deed;
mod reading;

use sea_orm::sqlx::Row;
use uuid::Uuid;

use self::chain::{Hash, Line};
pub use self::{
    chain::Verified,
    deed::{Actor, ActorKind, AuditId, Begun, Deed, Ending},
    reading::{AuditEntry, AuditFilter},
};
use crate::{Error, TenantTx, directory::column, orm::sql};

/// A line that waits for the end of its transaction.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    id: AuditId,
    begun: Option<AuditId>,
    deed: Deed,
    outcome: &'static str,
}

impl TenantTx {
    /// Says that something is about to be done outside this transaction; [`audit_complete`](Self::audit_complete) must
    /// follow, in this transaction or a later one. Written on commit.
    pub fn audit_begin(&mut self, deed: Deed) -> Begun {
        let begun = Begun { id: AuditId(Uuid::now_v7()), deed: deed.clone() };
        self.pending.push(Pending { id: begun.id, begun: None, deed, outcome: "begun" });
        begun
    }

    /// Says how it ended, once: a second end makes the commit fail with [`Error::Conflict`]. Written on commit.
    pub fn audit_complete(&mut self, begun: &Begun, ending: Ending) {
        let deed = begun.deed.clone();
        let id = AuditId(Uuid::now_v7());
        self.pending.push(Pending { id, begun: Some(begun.id), deed, outcome: ending.name() });
    }

    /// Says what this very transaction does: one line, which can neither be missing nor be left open. Written on commit.
    pub fn audit_done(&mut self, deed: Deed) -> AuditId {
        let id = AuditId(Uuid::now_v7());
        self.pending.push(Pending { id, begun: None, deed, outcome: Ending::Done.name() });
        id
    }

    /// [`audit_done`](Self::audit_done) where somebody is known on whose behalf this transaction works.
    pub(crate) fn note(&mut self, action: &str, say: impl FnOnce(Deed) -> Deed) {
        if let Some(actor) = self.by.clone() {
            self.audit_done(say(Deed::new(&actor, action)));
        }
    }

    /// Writes what was collected. Until the commit nobody else's line can follow.
    pub(crate) async fn write_audit(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // The clock is read when the lock is held, so that times never go back along the chain.
        let head = sql("/* audit.head */
            INSERT INTO mirror.audit_heads AS h (tenant_id, seq, hash, mac) VALUES ($1, 0, $2, '')
            ON CONFLICT (tenant_id) DO UPDATE SET seq = h.seq
            RETURNING seq, hash, clock_timestamp() AS at")
        .bind(self.tenant.0)
        .bind(chain::FIRST.as_slice())
        .fetch_one(self.connection())
        .await?;
        let at = head.try_get("at")?;
        let (mut seq, mut hash): (i64, Hash) = (head.try_get("seq")?, chain::read_hash(head.try_get("hash")?)?);
        let mut lines = Vec::with_capacity(self.pending.len());
        for pending in std::mem::take(&mut self.pending) {
            seq += 1;
            let line = Line::new(self.tenant, (seq, at), pending, hash);
            hash = line.hash;
            lines.push(line);
        }
        let mac = self.keys.audit_mac(self.tenant, seq, &hash);
        self.append(&lines, &mac).await
    }

    async fn append(&mut self, lines: &[Line], mac: &[u8]) -> Result<(), Error> {
        let Some(last) = lines.last() else { return Ok(()) };
        sql("/* audit.append */
            WITH appended AS (
                INSERT INTO mirror.audit_log (tenant_id, seq, id, at, begun_id, actor_kind, actor_id, action, instance_id,
                    target, outcome, request_id, trace_id, details, prev_hash, hash)
                SELECT $1, l.seq, l.id, $2, l.begun_id, l.actor_kind, l.actor_id, l.action, l.instance_id, l.target,
                    l.outcome, l.request_id, l.trace_id, l.details::jsonb, l.prev_hash, l.hash
                FROM unnest($3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::uuid[],
                    $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::bytea[])
                    AS l (seq, id, begun_id, actor_kind, actor_id, action, instance_id, target, outcome, request_id,
                        trace_id, details, prev_hash, hash)
            )
            UPDATE mirror.audit_heads SET seq = $17, hash = $18, mac = $19 WHERE tenant_id = $1")
        .bind(self.tenant.0)
        .bind(last.at)
        .bind(column(lines, |line| line.seq))
        .bind(column(lines, |line| line.id))
        .bind(column(lines, |line| line.begun))
        .bind(column(lines, |line| line.actor_kind.as_str()))
        .bind(column(lines, |line| line.actor_id.as_str()))
        .bind(column(lines, |line| line.action.as_str()))
        .bind(column(lines, |line| line.instance))
        .bind(column(lines, |line| line.target.as_deref()))
        .bind(column(lines, |line| line.outcome.as_str()))
        .bind(column(lines, |line| line.request_id.as_deref()))
        .bind(column(lines, |line| line.trace_id.as_deref()))
        .bind(column(lines, Line::details_json))
        .bind(column(lines, |line| line.prev_hash.as_slice()))
        .bind(column(lines, |line| line.hash.as_slice()))
        .bind(last.seq)
        .bind(last.hash.as_slice())
        .bind(mac)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
