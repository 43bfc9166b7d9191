//! Replacing keys while everybody works: in short transactions, each of which leaves everything sealed under keys that are
//! known. Interrupted, it goes on where it stopped, because what is left is what the next batch asks for.

use chrono::{DateTime, Utc};
use domain::{InstanceId, TenantId};
use sea_orm::sqlx::{Row, postgres::PgRow};

use super::{DataKey, Secret, Wrapped, house, place_of_data_key};
use crate::{Error, System, TenantStore, TenantTx, orm::sql};

/// Keys, or secrets, that are sealed again at once.
const BATCH: i64 = 100;

/// A data key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantKey {
    /// Whose.
    pub tenant: TenantId,
    /// Its number, from one; greater is newer.
    pub id: i32,
    /// Which master key seals it.
    pub kek: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// How many secrets are sealed under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCount {
    /// The data key; `None` for what the first releases sealed under the master key itself.
    pub key: Option<i32>,
    /// How many.
    pub secrets: i64,
}

impl System<'_> {
    /// Seals a batch of data keys, and the house's own, under the newest master key; says how many. Zero means that no other
    /// master key seals any of them.
    pub async fn rewrap_keys(&self) -> Result<usize, Error> {
        let newest = self.store().keys().look_again().await.newest().to_owned();
        let house = self.rewrap_house(&newest).await?;
        let mut tenants: Vec<TenantId> =
            self.find_tenant_keys(Some(&newest), None).await?.into_iter().map(|key| key.tenant).collect();
        tenants.dedup();
        let mut done = house;
        for tenant in tenants {
            done += self.in_tenant(tenant).rewrap_keys(&newest).await?;
        }
        Ok(done)
    }

    /// A page of data keys, in the order of their tenants, after the last one of the page before.
    pub async fn tenant_keys(&self, after: Option<&TenantKey>) -> Result<Vec<TenantKey>, Error> {
        self.find_tenant_keys(None, after).await
    }

    /// Which master keys seal the house's own keys.
    pub async fn house_keys(&self) -> Result<Vec<(String, String)>, Error> {
        let rows = sql("/* house_keys.list */ SELECT name, kek FROM mirror.house_keys ORDER BY name")
            .fetch_all(&mut *self.store().connection().await?)
            .await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("kek")?))).collect()
    }

    async fn find_tenant_keys(&self, except: Option<&str>, after: Option<&TenantKey>) -> Result<Vec<TenantKey>, Error> {
        let rows = sql("/* keys.find */ SELECT * FROM mirror.find_tenant_keys($1, $2, $3, $4)")
            .bind(except)
            .bind(after.map(|key| key.tenant.0))
            .bind(after.map(|key| key.id))
            .bind(BATCH)
            .fetch_all(&mut *self.store().connection().await?)
            .await?;
        rows.iter().map(read_listed).collect()
    }

    async fn rewrap_house(&self, newest: &str) -> Result<usize, Error> {
        let mut connection = self.store().connection().await?;
        let rows = sql("/* house_keys.left */ SELECT name, kek, key_sealed FROM mirror.house_keys WHERE kek <> $1")
            .bind(newest)
            .fetch_all(&mut *connection)
            .await?;
        let keys = self.store().keys();
        for row in &rows {
            let name: String = row.try_get("name")?;
            let held = Wrapped::read(row)?;
            let wrapped = keys.wrap(&house::place(&name), &keys.unwrap(&house::place(&name), &held).await?).await?;
            sql("/* house_keys.rewrap */ UPDATE mirror.house_keys SET kek = $3, key_sealed = $4
                WHERE name = $1 AND kek = $2")
            .bind(name)
            .bind(held.kek)
            .bind(wrapped.kek)
            .bind(wrapped.text)
            .execute(&mut *connection)
            .await?;
        }
        connection.commit().await?;
        Ok(rows.len())
    }
}

impl TenantStore {
    /// Seals this tenant's data keys under the newest master key, which has this name.
    async fn rewrap_keys(&self, newest: &str) -> Result<usize, Error> {
        let mut tx = self.begin().await?;
        let rows = sql("/* keys.left */ SELECT id, kek, key_sealed FROM mirror.tenant_keys
            WHERE tenant_id = $1 AND kek <> $2 ORDER BY id FOR UPDATE")
        .bind(self.id().0)
        .bind(newest)
        .fetch_all(tx.connection())
        .await?;
        let keys = tx.keys.clone();
        let (mut ids, mut keks, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let id: i32 = row.try_get("id")?;
            let number = id.to_be_bytes();
            let place = place_of_data_key(self.id(), &number);
            let wrapped = keys.wrap(&place, &keys.unwrap(&place, &Wrapped::read(row)?).await?).await?;
            ids.push(id);
            keks.push(wrapped.kek);
            texts.push(wrapped.text);
        }
        sql("/* keys.rewrap */ UPDATE mirror.tenant_keys AS t SET kek = k.kek, key_sealed = k.key_sealed
            FROM unnest($2::integer[], $3::text[], $4::bytea[]) AS k (id, kek, key_sealed)
            WHERE t.tenant_id = $1 AND t.id = k.id")
        .bind(self.id().0)
        .bind(ids)
        .bind(keks)
        .bind(texts)
        .execute(tx.connection())
        .await?;
        if !rows.is_empty() {
            tx.note("keys.rewrap", |deed| deed.with("keys", rows.len()).with("master_key", newest));
        }
        tx.commit().await?;
        Ok(rows.len())
    }

    /// Makes a newer data key, under which everything is sealed from now on; says its number. What is sealed already is left
    /// to [`reseal`](Self::reseal).
    pub async fn rotate_data_key(&self) -> Result<i32, Error> {
        let mut tx = self.begin().await?;
        // Waits for everybody who is sealing something under the key that is the newest now.
        let row = sql("/* keys.turn */ SELECT FROM mirror.tenants WHERE id = $1 FOR NO KEY UPDATE")
            .bind(self.id().0)
            .fetch_optional(tx.connection())
            .await?;
        row.ok_or(Error::NotFound("tenant"))?;
        let newest = tx.newest_data_key().await?.map_or(0, |key| key.id);
        tx.add_data_key(newest + 1).await?;
        tx.note("keys.rotate", |deed| deed.with("data_key", newest + 1));
        tx.commit().await?;
        Ok(newest + 1)
    }

    /// Seals a batch of secrets again that are not under the newest data key; says how many. Zero means that none is left;
    /// older keys, under which nothing is any more, are then forgotten.
    pub async fn reseal(&self) -> Result<usize, Error> {
        let mut done = 0;
        for secret in Secret::ALL {
            let mut tx = self.begin().await?;
            done += tx.reseal(secret).await?;
            tx.commit().await?;
        }
        if done == 0 {
            self.forget_old_keys().await?;
        }
        Ok(done)
    }

    /// How many secrets each key seals.
    pub async fn sealed_counts(&self) -> Result<Vec<SealedCount>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* keys.count */ SELECT s.key, count(*) AS secrets
            FROM (
                SELECT credentials_sealed AS sealed FROM mirror.jira_instances WHERE tenant_id = $1
                UNION ALL SELECT webhook_secret_sealed FROM mirror.jira_instances WHERE tenant_id = $1
                UNION ALL SELECT tokens_sealed FROM mirror.oauth_grants WHERE tenant_id = $1
                UNION ALL SELECT previous_secret_sealed FROM mirror.webhooks
                    WHERE tenant_id = $1 AND previous_secret_sealed IS NOT NULL
            ) AS t CROSS JOIN LATERAL (
                SELECT CASE WHEN get_byte(t.sealed, 0) = 2
                    THEN ('x' || encode(substring(t.sealed FROM 2 FOR 4), 'hex'))::bit(32)::integer END AS key
            ) AS s GROUP BY s.key ORDER BY s.key NULLS FIRST")
        .bind(self.id().0)
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(|row| Ok(SealedCount { key: row.try_get("key")?, secrets: row.try_get("secrets")? })).collect()
    }

    async fn forget_old_keys(&self) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql("/* keys.turn */ SELECT FROM mirror.tenants WHERE id = $1 FOR NO KEY UPDATE")
            .bind(self.id().0)
            .execute(tx.connection())
            .await?;
        let Some(newest) = tx.newest_data_key().await? else { return tx.rollback().await };
        sql("/* keys.forget */ DELETE FROM mirror.tenant_keys WHERE tenant_id = $1 AND id < $2
            AND NOT EXISTS (SELECT FROM mirror.jira_instances WHERE tenant_id = $1
                AND (substring(credentials_sealed FOR 5) <> $3 OR substring(webhook_secret_sealed FOR 5) <> $3))
            AND NOT EXISTS (SELECT FROM mirror.webhooks
                WHERE tenant_id = $1 AND substring(previous_secret_sealed FOR 5) <> $3)
            AND NOT EXISTS (SELECT FROM mirror.oauth_grants WHERE tenant_id = $1 AND substring(tokens_sealed FOR 5) <> $3)")
        .bind(self.id().0)
        .bind(newest.id)
        .bind(newest.prefix().to_vec())
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }
}

impl TenantTx {
    async fn reseal(&mut self, secret: Secret) -> Result<usize, Error> {
        sql("/* keys.hold */ SELECT FROM mirror.tenants WHERE id = $1 FOR SHARE")
            .bind(self.tenant.0)
            .execute(self.connection())
            .await?;
        let Some(newest) = self.newest_data_key().await? else { return self.reseal_first(secret).await };
        self.reseal_under(secret, &newest).await
    }

    /// A tenant without a data key may have secrets that the first releases sealed.
    async fn reseal_first(&mut self, secret: Secret) -> Result<usize, Error> {
        self.add_data_key(1).await?;
        match self.newest_data_key().await? {
            Some(key) => self.reseal_under(secret, &key).await,
            None => Ok(0),
        }
    }

    async fn reseal_under(&mut self, secret: Secret, newest: &DataKey) -> Result<usize, Error> {
        let rows = sql(select(secret))
            .bind(self.tenant.0)
            .bind(newest.prefix().to_vec())
            .bind(BATCH)
            .fetch_all(self.connection())
            .await?;
        let (mut instances, mut texts) = (Vec::new(), Vec::new());
        for row in &rows {
            let (instance, sealed): (_, Vec<u8>) = (InstanceId(row.try_get("instance_id")?), row.try_get("sealed")?);
            let plain = self.open(secret, instance, &sealed).await?;
            instances.push(instance.0);
            texts.push(newest.seal(secret, (self.tenant, instance), &plain)?);
        }
        if !rows.is_empty() {
            sql(update(secret)).bind(self.tenant.0).bind(instances).bind(texts).execute(self.connection()).await?;
        }
        Ok(rows.len())
    }
}

fn select(secret: Secret) -> &'static str {
    match secret {
        Secret::Credentials => {
            "/* reseal.read */ SELECT id AS instance_id, credentials_sealed AS sealed FROM mirror.jira_instances
            WHERE tenant_id = $1 AND substring(credentials_sealed FOR 5) <> $2 ORDER BY id LIMIT $3 FOR NO KEY UPDATE"
        }
        Secret::Webhook => {
            "/* reseal.read */ SELECT id AS instance_id, webhook_secret_sealed AS sealed FROM mirror.jira_instances
            WHERE tenant_id = $1 AND substring(webhook_secret_sealed FOR 5) <> $2 ORDER BY id LIMIT $3 FOR NO KEY UPDATE"
        }
        Secret::Grant => {
            "/* reseal.read */ SELECT instance_id, tokens_sealed AS sealed FROM mirror.oauth_grants
            WHERE tenant_id = $1 AND substring(tokens_sealed FOR 5) <> $2 ORDER BY instance_id LIMIT $3
            FOR NO KEY UPDATE"
        }
        Secret::PreviousWebhook => {
            "/* reseal.read */ SELECT instance_id, previous_secret_sealed AS sealed FROM mirror.webhooks
            WHERE tenant_id = $1 AND substring(previous_secret_sealed FOR 5) <> $2 ORDER BY instance_id LIMIT $3
            FOR NO KEY UPDATE"
        }
    }
}

fn update(secret: Secret) -> &'static str {
    match secret {
        Secret::Credentials => {
            "/* reseal.write */ UPDATE mirror.jira_instances AS t SET credentials_sealed = s.sealed
            FROM unnest($2::uuid[], $3::bytea[]) AS s (id, sealed) WHERE t.tenant_id = $1 AND t.id = s.id"
        }
        Secret::Webhook => {
            "/* reseal.write */ UPDATE mirror.jira_instances AS t SET webhook_secret_sealed = s.sealed
            FROM unnest($2::uuid[], $3::bytea[]) AS s (id, sealed) WHERE t.tenant_id = $1 AND t.id = s.id"
        }
        Secret::Grant => {
            "/* reseal.write */ UPDATE mirror.oauth_grants AS t SET tokens_sealed = s.sealed
            FROM unnest($2::uuid[], $3::bytea[]) AS s (id, sealed) WHERE t.tenant_id = $1 AND t.instance_id = s.id"
        }
        Secret::PreviousWebhook => {
            "/* reseal.write */ UPDATE mirror.webhooks AS t SET previous_secret_sealed = s.sealed
            FROM unnest($2::uuid[], $3::bytea[]) AS s (id, sealed) WHERE t.tenant_id = $1 AND t.instance_id = s.id"
        }
    }
}

fn read_listed(row: &PgRow) -> Result<TenantKey, Error> {
    Ok(TenantKey {
        tenant: TenantId(row.try_get("tenant_id")?),
        id: row.try_get("id")?,
        kek: row.try_get("kek")?,
        created_at: row.try_get("created_at")?,
    })
}
