//! The keys with which callers make a write happen once: the first request under a key does the work, all others are told
//! what came of it.

use std::fmt;

use domain::Came;
use sea_orm::sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use crate::{Error, TenantStore, TenantTx, orm::sql};

/// A right to do what was asked under a key, which nobody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim(pub Uuid);

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known about a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    /// It is new, or older than a day: do the work, then [`end_claim`](TenantStore::end_claim) or
    /// [`release_claim`](TenantStore::release_claim).
    Ours(Claim),
    /// The same was asked before and is still being done, or whoever did it ended in the middle.
    Running,
    /// The same was asked before; this came of it.
    Done(Box<Came>),
    /// Something else was asked under it.
    Other,
}

impl TenantStore {
    /// Takes a caller's key for what has this fingerprint. A key that is older than a day is as good as new; sweeps clear
    /// them away.
    pub async fn claim(&self, caller: &str, key: &str, fingerprint: &[u8; 32]) -> Result<Claimed, Error> {
        let mut tx = self.begin().await?;
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
        let held = tx.held_key(caller, key).await?;
        tx.rollback().await?;
        // Released between the two questions: whoever comes again finds it free.
        held.map_or(Ok(Claimed::Running), |held| claimed(&held, fingerprint))
    }

    /// What is known about a caller's key, which stays as it is; `None` where nothing is.
    pub async fn recall(&self, caller: &str, key: &str, fingerprint: &[u8; 32]) -> Result<Option<Claimed>, Error> {
        let mut tx = self.read().await?;
        let held = tx.held_key(caller, key).await?;
        tx.rollback().await?;
        held.map(|held| claimed(&held, fingerprint)).transpose()
    }

    /// Says what came of it.
    pub async fn end_claim(&self, claim: Claim, came: &Came) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tx.end_claim(claim, came).await?;
        tx.commit().await
    }

    /// Gives the key back: nothing was done, and the same may be asked again.
    pub async fn release_claim(&self, claim: Claim) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tx.release_claim(claim).await?;
        tx.commit().await
    }
}

fn claimed(held: &PgRow, fingerprint: &[u8; 32]) -> Result<Claimed, Error> {
    if held.try_get::<&[u8], _>("fingerprint")? != fingerprint {
        return Ok(Claimed::Other);
    }
    let Some(came) = held.try_get::<Option<String>, _>("outcome")? else { return Ok(Claimed::Running) };
    let came = serde_json::from_str(&came).map_err(|_| Error::Unreadable("idempotency_keys.outcome"))?;
    Ok(Claimed::Done(Box::new(came)))
}

impl TenantTx {
    async fn held_key(&mut self, caller: &str, key: &str) -> Result<Option<PgRow>, Error> {
        let held = sql("/* idempotency.held */ SELECT fingerprint, outcome FROM mirror.idempotency_keys
            WHERE tenant_id = $1 AND caller = $2 AND key = $3 AND began_at >= now() - interval '1 day'")
        .bind(self.tenant.0)
        .bind(caller)
        .bind(key)
        .fetch_optional(self.connection())
        .await?;
        Ok(held)
    }

    /// Says what came of what was done under a claim.
    pub async fn end_claim(&mut self, claim: Claim, came: &Came) -> Result<(), Error> {
        let came = serde_json::to_string(came).map_err(|_| Error::Unreadable("idempotency_keys.outcome"))?;
        sql(
            "/* idempotency.end */ UPDATE mirror.idempotency_keys SET outcome = $3 WHERE tenant_id = $1 AND claim = $2",
        )
        .bind(self.tenant.0)
        .bind(claim.0)
        .bind(came)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Whether a claim still holds, and goes on holding until this transaction ends.
    pub async fn holds_claim(&mut self, claim: Claim) -> Result<bool, Error> {
        let held = sql("/* idempotency.holds */ SELECT FROM mirror.idempotency_keys
            WHERE tenant_id = $1 AND claim = $2 AND outcome IS NULL FOR UPDATE")
        .bind(self.tenant.0)
        .bind(claim.0)
        .fetch_optional(self.connection())
        .await?;
        Ok(held.is_some())
    }

    /// Gives the key of a claim back.
    pub async fn release_claim(&mut self, claim: Claim) -> Result<(), Error> {
        sql("/* idempotency.release */ DELETE FROM mirror.idempotency_keys WHERE tenant_id = $1 AND claim = $2")
            .bind(self.tenant.0)
            .bind(claim.0)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
