//! The tokens of an OAuth grant: refreshed by one process of the fleet at a time, under a lease.
//!
//! A refresh token is good once. Whoever wants to use it claims it in one statement, asks with no transaction open, and
//! stores the pair it was given in the place of the one it had, if that is still there.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use domain::InstanceId;
use entity::oauth_grant::{Entity, Model};
use sea_orm::{EntityTrait, sqlx::Row};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{Credentials, Error, TenantStore, TenantTx, orm::sql, seal::Secret};

/// A pair of tokens.
#[derive(Clone)]
pub struct Grant {
    /// Good for an hour or so.
    pub access: SecretString,
    /// Good once.
    pub refresh: SecretString,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
    /// One more with each pair that is stored.
    pub version: u64,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, expires_at, .. } = self;
        f.debug_struct("Grant").field("version", version).field("expires_at", expires_at).finish_non_exhaustive()
    }
}

/// Whose turn it is to refresh.
#[derive(Clone, Debug)]
pub enum Turn {
    /// Ours, until the lease ends.
    Ours,
    /// Another process's, whose lease has not ended.
    Theirs,
    /// Nobody's: there is a newer pair.
    Newer(Grant),
}

/// What is sealed in `tokens_sealed`.
#[derive(Serialize, Deserialize)]
struct Tokens {
    access: String,
    refresh: String,
}

impl TenantStore {
    /// The newest pair of an instance's grant.
    pub async fn grant(&self, instance: InstanceId) -> Result<Grant, Error> {
        let mut tx = self.read().await?;
        let row = Entity::find_by_id((self.id().0, instance.0)).one(&tx.orm()).await?;
        let grant = tx.open_grant(instance, &row.ok_or(Error::NotFound("grant"))?).await?;
        tx.rollback().await?;
        Ok(grant)
    }

    /// Claims the right to replace version `seen`, for as long as the lease lasts. Whoever holds it gets it again.
    pub async fn claim_grant(
        &self,
        instance: InstanceId,
        seen: u64,
        holder: &str,
        lease: Duration,
    ) -> Result<Turn, Error> {
        let mut tx = self.begin().await?;
        let row = sql("/* grant.claim */ WITH claimed AS (
                UPDATE mirror.oauth_grants
                SET holder = $4, lease_until = clock_timestamp() + make_interval(secs => $5)
                WHERE tenant_id = $1 AND instance_id = $2 AND version <= $3
                    AND (holder IS NULL OR holder = $4 OR lease_until <= clock_timestamp())
                RETURNING version
            )
            SELECT EXISTS (SELECT FROM claimed) AS ours
            FROM mirror.oauth_grants g WHERE g.tenant_id = $1 AND g.instance_id = $2")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(counted(seen))
        .bind(holder)
        .bind(lease.as_secs_f64())
        .fetch_optional(tx.connection())
        .await?;
        tx.commit().await?;
        let row = row.ok_or(Error::NotFound("grant"))?;
        if row.try_get("ours")? {
            return Ok(Turn::Ours);
        }
        // In a transaction of its own: the row and the key that opens it must be of one moment.
        let grant = self.grant(instance).await?;
        Ok(if grant.version > seen { Turn::Newer(grant) } else { Turn::Theirs })
    }

    /// Stores a pair in the place of its predecessor, whose version is one less, and ends the lease; `false` when the
    /// predecessor is not there any more.
    pub async fn save_grant(&self, instance: InstanceId, grant: &Grant) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let sealed = tx.seal_grant(instance, grant).await?;
        let done = sql("/* grant.save */ UPDATE mirror.oauth_grants
            SET version = $3, expires_at = $4, tokens_sealed = $5, holder = NULL, lease_until = NULL
            WHERE tenant_id = $1 AND instance_id = $2 AND version = $3 - 1")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(counted(grant.version))
        .bind(grant.expires_at)
        .bind(sealed)
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}

impl TenantTx {
    /// Keeps the grant that belongs to these credentials, as a newer one than any before, or none.
    pub(crate) async fn keep_grant_of(&mut self, instance: InstanceId, credentials: &Credentials) -> Result<(), Error> {
        let Credentials::OAuth { grant, .. } = credentials else { return self.forget_grant(instance).await };
        let sealed = self.seal_grant(instance, grant).await?;
        sql("/* grant.keep */
            INSERT INTO mirror.oauth_grants AS t (tenant_id, instance_id, version, expires_at, tokens_sealed)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant_id, instance_id) DO UPDATE SET
                version = greatest(t.version + 1, excluded.version), expires_at = excluded.expires_at,
                tokens_sealed = excluded.tokens_sealed, holder = NULL, lease_until = NULL")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(counted(grant.version))
        .bind(grant.expires_at)
        .bind(sealed)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    async fn forget_grant(&mut self, instance: InstanceId) -> Result<(), Error> {
        Entity::delete_by_id((self.tenant.0, instance.0)).exec(&self.orm()).await?;
        Ok(())
    }

    async fn seal_grant(&mut self, instance: InstanceId, grant: &Grant) -> Result<Vec<u8>, Error> {
        let (access, refresh) = (grant.access.expose_secret().to_owned(), grant.refresh.expose_secret().to_owned());
        let plain = serde_json::to_vec(&Tokens { access, refresh }).map_err(|_| Error::sealed())?;
        self.seal(Secret::Grant, instance, &plain).await
    }

    async fn open_grant(&mut self, instance: InstanceId, row: &Model) -> Result<Grant, Error> {
        let plain = self.open(Secret::Grant, instance, &row.tokens_sealed).await?;
        let Tokens { access, refresh } = serde_json::from_slice(&plain).map_err(|_| Error::sealed())?;
        let version = u64::try_from(row.version).map_err(|_| Error::Unreadable("oauth_grants.version"))?;
        Ok(Grant { access: access.into(), refresh: refresh.into(), expires_at: row.expires_at, version })
    }
}

fn counted(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
