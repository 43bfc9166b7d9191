//! The keys with which programs come in: kept as keyed hashes, and looked up before their tenant is known.

use std::{fmt, net::IpAddr, str::FromStr};

use chrono::{DateTime, Utc};
use domain::{Invalid, Scope, TenantId, valid_name};
use ipnet::IpNet;
use sea_orm::sqlx::{Row, postgres::PgRow};
use secrecy::SecretSlice;
use uuid::Uuid;

use crate::{ApiToken, Error, NotAToken, System, TenantStore, orm::sql};

/// Uses within so many minutes of the last one that was written are not written.
const COARSE_MINUTES: i32 = 5;

/// Names one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ApiKeyId(pub Uuid);

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Unique among the tenant's keys that are not revoked.
    pub name: String,
    /// What the token says it is for, such as `live`; see [`ApiToken::generate`].
    pub environment: String,
    /// At least one.
    pub scopes: Vec<Scope>,
    /// From where it may be used; empty means anywhere.
    pub networks: Vec<IpNet>,
    /// Until when; `None` means until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key without its token, which nobody has any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Which.
    pub id: ApiKeyId,
    /// Whose.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// What may be done with it.
    pub scopes: Vec<Scope>,
    /// From where it may be used; empty means anywhere.
    pub networks: Vec<IpNet>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was used, to within minutes.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// Whether it opens anything at this instant, from this address.
    pub fn admits(&self, now: DateTime<Utc>, from: IpAddr) -> bool {
        let from = from.to_canonical();
        self.revoked_at.is_none()
            && self.expires_at.is_none_or(|end| now < end)
            && (self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&from)))
    }

    /// `active`, `expired` or `revoked`.
    pub fn state(&self, now: DateTime<Utc>) -> &'static str {
        match self {
            Self { revoked_at: Some(_), .. } => "revoked",
            Self { expires_at: Some(end), .. } if *end <= now => "expired",
            _ => "active",
        }
    }
}

impl TenantStore {
    /// Makes a key; its token is in nobody's hands but the caller's. [`Error::Conflict`] when the name is taken.
    pub async fn create_api_key(&self, new: NewApiKey) -> Result<(ApiKey, ApiToken), Error> {
        valid_name("key name", &new.name)?;
        if new.scopes.is_empty() {
            return Err(Invalid::new("a key", "needs at least one scope").into());
        }
        let token = ApiToken::generate(&new.environment).map_err(|NotAToken| {
            Invalid::new("the environment", "must be one to twelve lower-case letters and digits")
        })?;
        let mut tx = self.begin().await?;
        let row = sql("/* api_keys.create */
            INSERT INTO mirror.api_keys (tenant_id, id, name, token_hash, scopes, networks, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6::text[]::cidr[], $7)
            RETURNING tenant_id, id, name, scopes, networks::text[] AS networks, created_at, expires_at, last_used_at,
                revoked_at")
        .bind(self.id().0)
        .bind(Uuid::now_v7())
        .bind(&new.name)
        .bind(self.keys().token_hash(token.expose()).to_vec())
        .bind(new.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>())
        .bind(new.networks.iter().map(|network| network.trunc().to_string()).collect::<Vec<_>>())
        .bind(new.expires_at)
        .fetch_one(tx.connection())
        .await
        .map_err(|error| Error::from(error).of_name("key", &new.name))?;
        let key = read_key(&row)?;
        let scopes = new.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ");
        tx.note("apikey.create", |deed| deed.about(&new.name).with("key", key.id).with("scopes", scopes));
        tx.commit().await?;
        Ok((key, token))
    }

    /// All keys of this tenant, the revoked ones too, by name.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, Error> {
        let mut tx = self.read().await?;
        let rows =
            sql("/* api_keys.list */ SELECT tenant_id, id, name, scopes, networks::text[] AS networks, created_at,
                expires_at, last_used_at, revoked_at
            FROM mirror.api_keys WHERE tenant_id = $1 ORDER BY name, id")
            .bind(self.id().0)
            .fetch_all(tx.connection())
            .await?;
        tx.rollback().await?;
        rows.iter().map(read_key).collect()
    }

    /// The key with that id, in whatever state; `None` for an unknown one and where the tenant is suspended.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, Error> {
        let mut tx = self.read().await?;
        let row =
            sql("/* api_keys.by_id */ SELECT k.tenant_id, k.id, k.name, k.scopes, k.networks::text[] AS networks,
                k.created_at, k.expires_at, k.last_used_at, k.revoked_at
            FROM mirror.api_keys k JOIN mirror.tenants t ON t.id = k.tenant_id
            WHERE k.tenant_id = $1 AND k.id = $2 AND NOT t.suspended")
            .bind(self.id().0)
            .bind(id.0)
            .fetch_optional(tx.connection())
            .await?;
        tx.rollback().await?;
        row.as_ref().map(read_key).transpose()
    }

    /// Ends a key; from the commit on no lookup finds it good. [`Error::NotFound`] when none of that name is in force.
    pub async fn revoke_api_key(&self, name: &str) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let row = sql("/* api_keys.revoke */ UPDATE mirror.api_keys SET revoked_at = now()
            WHERE tenant_id = $1 AND name = $2 AND revoked_at IS NULL RETURNING id")
        .bind(self.id().0)
        .bind(name)
        .fetch_optional(tx.connection())
        .await?;
        let id: Uuid = row.ok_or(Error::NotFound("key"))?.try_get("id")?;
        tx.note("apikey.revoke", |deed| deed.about(name).with("key", id));
        tx.commit().await
    }

    /// Remembers that a key was used, if that was not written down within the last minutes; says whether it was written.
    pub async fn api_key_used(&self, key: ApiKeyId) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let done = sql("/* api_keys.used */ UPDATE mirror.api_keys SET last_used_at = now()
            WHERE tenant_id = $1 AND id = $2
                AND (last_used_at IS NULL OR last_used_at < now() - make_interval(mins => $3))")
        .bind(self.id().0)
        .bind(key.0)
        .bind(COARSE_MINUTES)
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}

impl System<'_> {
    /// What the key that signs our own tokens in an epoch is made of: 32 bytes, the same in every process.
    pub fn signing_seed(&self, epoch: u64) -> SecretSlice<u8> {
        self.store().keys().signing_seed(epoch).to_vec().into()
    }

    /// The key with this token, whosever it is, in whatever state: see [`ApiKey::admits`]. `None` for an unknown token and
    /// for one of a suspended tenant.
    pub async fn api_key(&self, token: &ApiToken) -> Result<Option<ApiKey>, Error> {
        // A stand-in is read where there is no such key: a refusal takes as long for an unknown token as for a revoked one.
        let row = sql("/* api_keys.find */
            SELECT true AS known, k.* FROM mirror.find_api_key($1) k
            UNION ALL
            SELECT false, t.id, t.id, 'nobody', '{issues:read}', '{}', now(), NULL, NULL, now(), true
            FROM (SELECT '00000000-0000-0000-0000-000000000000'::uuid AS id) t
            LIMIT 1")
        .bind(self.store().keys().token_hash(token.expose()).to_vec())
        .fetch_one(&mut *self.store().connection().await?)
        .await?;
        let (known, suspended): (bool, bool) = (row.try_get("known")?, row.try_get("tenant_suspended")?);
        let key = read_key(&row)?;
        Ok((known && !suspended).then_some(key))
    }
}

fn read_key(row: &PgRow) -> Result<ApiKey, Error> {
    Ok(ApiKey {
        id: ApiKeyId(row.try_get("id")?),
        tenant: TenantId(row.try_get("tenant_id")?),
        name: row.try_get("name")?,
        scopes: parse_all(&row.try_get::<Vec<_>, _>("scopes")?, "api_keys.scopes")?,
        networks: parse_all(&row.try_get::<Vec<_>, _>("networks")?, "api_keys.networks")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        last_used_at: row.try_get("last_used_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}

fn parse_all<T: FromStr>(texts: &[String], column: &'static str) -> Result<Vec<T>, Error> {
    texts.iter().map(|text| text.parse().map_err(|_| Error::Unreadable(column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_in_its_time_from_its_networks() {
        let now = DateTime::UNIX_EPOCH;
        let later = now + chrono::TimeDelta::hours(1);
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let key = ApiKey {
            id: ApiKeyId(Uuid::nil()),
            tenant: TenantId(Uuid::nil()),
            name: "ci".to_owned(),
            scopes: vec![Scope::ReadIssues],
            networks: vec!["10.1.0.0/16".parse().expect("a network")],
            created_at: now,
            expires_at: Some(later),
            last_used_at: None,
            revoked_at: None,
        };
        assert!(key.admits(now, address("10.1.2.3")) && key.admits(now, address("::ffff:10.1.2.3")));
        assert!(!key.admits(now, address("10.2.0.1")) && !key.admits(later, address("10.1.2.3")));
        let revoked = ApiKey { revoked_at: Some(now), ..key.clone() };
        assert!(!revoked.admits(now, address("10.1.2.3")));
        let open = ApiKey { networks: Vec::new(), expires_at: None, ..key.clone() };
        assert!(open.admits(later, address("2001:db8::1")));
        assert_eq!([key.state(now), key.state(later), revoked.state(later)], ["active", "expired", "revoked"]);
    }
}
