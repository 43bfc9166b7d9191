//! The keys with which callers make a write happen once: the first request under a key does the work, all others are told
//! what came of it.

use sea_orm::sqlx::Row;
use uuid::Uuid;

use crate::{Error, TenantStore, orm::sql};

/// A right to do what was asked under a key, which nobody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim(Uuid);

/// What is known about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is new, or older than a day: do the work, then [`end_claim`](TenantStore::end_claim) or
    /// [`release_claim`](TenantStore::release_claim).
    Ours(Claim),
    /// The same was asked before and is still being done, or whoever did it ended in the middle.
    Running,
    /// The same was asked before; this came of it.
    Done(String),
    /// Something else was asked under it.
    Other,
}

impl TenantStore {
    /// Takes a caller's key for what has this fingerprint. Keys are forgotten after a day.
    pub async fn claim(&self, caller: &str, key: &str, fingerprint: &[u8; 32]) -> Result<Claimed, Error> {
        let mut tx = self.begin().await?;
        // Some each time, and none that somebody else is at: two who come at once must not wait for each other in a circle.
        sql("/* idempotency.forget */ DELETE FROM mirror.idempotency_keys WHERE ctid = ANY (ARRAY (
                SELECT ctid FROM mirror.idempotency_keys
                WHERE tenant_id = $1 AND began_at < now() - interval '1 day' AND (caller, key) <> ($2, $3)
                LIMIT 100 FOR UPDATE SKIP LOCKED))")
        .bind(self.id().0)
        .bind(caller)
        .bind(key)
        .execute(tx.connection())
        .await?;
        let claim = Uuid::now_v7();
        let ours = sql("/* idempotency.claim */
            INSERT INTO mirror.idempotency_keys AS k (tenant_id, caller, key, fingerprint, claim)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant_id, caller, key) DO UPDATE SET fingerprint = excluded.fingerprint,
                claim = excluded.claim, began_at = now(), outcome = NULL
            WHERE k.began_at < now() - interval '1 day'
            RETURNING claim")
        .bind(self.id().0)
        .bind(caller)
        .bind(key)
        .bind(fingerprint.as_slice())
        .bind(claim)
        .fetch_optional(tx.connection())
        .await?;
        if ours.is_some() {
            tx.commit().await?;
            return Ok(Claimed::Ours(Claim(claim)));
        }
        let held = sql("/* idempotency.held */ SELECT fingerprint, outcome FROM mirror.idempotency_keys
            WHERE tenant_id = $1 AND caller = $2 AND key = $3")
        .bind(self.id().0)
        .bind(caller)
        .bind(key)
        .fetch_optional(tx.connection())
        .await?;
        tx.rollback().await?;
        // Released between the two questions: whoever comes again finds it free.
        let Some(held) = held else { return Ok(Claimed::Running) };
        if held.try_get::<&[u8], _>("fingerprint")? != fingerprint {
            return Ok(Claimed::Other);
        }
        Ok(held.try_get::<Option<String>, _>("outcome")?.map_or(Claimed::Running, Claimed::Done))
    }

    /// Says what came of it.
    pub async fn end_claim(&self, claim: Claim, outcome: &str) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql(
            "/* idempotency.end */ UPDATE mirror.idempotency_keys SET outcome = $3 WHERE tenant_id = $1 AND claim = $2",
        )
        .bind(self.id().0)
        .bind(claim.0)
        .bind(outcome)
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }

    /// Gives the key back: nothing was done, and the same may be asked again.
    pub async fn release_claim(&self, claim: Claim) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql("/* idempotency.release */ DELETE FROM mirror.idempotency_keys WHERE tenant_id = $1 AND claim = $2")
            .bind(self.id().0)
            .bind(claim.0)
            .execute(tx.connection())
            .await?;
        tx.commit().await
    }
}
