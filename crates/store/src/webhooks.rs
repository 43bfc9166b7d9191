//! The webhook of each instance: its registration, and whether it can be relied upon.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{InstanceId, WebhookHealth};
use entity::{
    jira_instance::ActiveModel,
    webhook::{Entity, Model},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, sqlx::Row};
use secrecy::{ExposeSecret, SecretString};

use crate::{Credentials, Error, System, TenantStore, orm::sql, seal::Secret};

/// How a webhook is registered in Jira.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookKind {
    /// An administrator's: it lasts.
    Admin,
    /// An OAuth app's own: it dies after thirty days unless it is refreshed.
    Dynamic,
}

impl WebhookKind {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Dynamic => "dynamic",
        }
    }
}

/// A webhook that we registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// How.
    pub kind: WebhookKind,
    /// Where Jira sends events.
    pub url: String,
    /// Jira's numbers.
    pub remote_ids: Vec<i64>,
    /// Of dynamic ones.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is known about an instance's webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Absent for one that was made by hand in Jira.
    pub registration: Option<Registration>,
    /// When it was registered.
    pub registered_at: Option<DateTime<Utc>>,
    /// When Jira was last asked whether it is still there.
    pub checked_at: Option<DateTime<Utc>>,
    /// When a change made for that purpose last arrived.
    pub verified_at: Option<DateTime<Utc>>,
    /// One sentence for an operator, if something is wrong.
    pub problem: Option<String>,
    /// Whether it can be relied upon.
    pub health: WebhookHealth,
    /// Since when.
    pub health_since: DateTime<Utc>,
}

/// The state of a webhook, as it is known before a tenant is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookState {
    /// Whether we registered it.
    pub is_registered: bool,
    /// Of dynamic ones.
    pub expires_at: Option<DateTime<Utc>>,
    /// If something is wrong.
    pub problem: Option<String>,
    /// Whether it can be relied upon.
    pub health: WebhookHealth,
    /// Since when.
    pub health_since: DateTime<Utc>,
}

impl TenantStore {
    /// What is known about the instance's webhook; `None` before anything is.
    pub async fn webhook(&self, instance: InstanceId) -> Result<Option<Webhook>, Error> {
        let mut tx = self.read().await?;
        let row = Entity::find_by_id((self.id().0, instance.0)).one(&tx.orm()).await?;
        tx.rollback().await?;
        row.map(to_webhook).transpose()
    }

    /// Remembers that a webhook was registered, or refreshed, at `now`.
    pub async fn keep_webhook(&self, of: InstanceId, told: &Registration, now: DateTime<Utc>) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql("/* webhooks.keep */ INSERT INTO mirror.webhooks AS t (tenant_id, instance_id, kind, url, remote_ids, expires_at,
                registered_at, checked_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
            ON CONFLICT (tenant_id, instance_id) DO UPDATE SET kind = excluded.kind, url = excluded.url,
                registered_at = CASE WHEN t.remote_ids = excluded.remote_ids THEN t.registered_at
                    ELSE excluded.registered_at END,
                remote_ids = excluded.remote_ids, expires_at = excluded.expires_at, checked_at = excluded.checked_at,
                problem = NULL")
        .bind(self.id().0)
        .bind(of.0)
        .bind(told.kind.name())
        .bind(&told.url)
        .bind(&told.remote_ids)
        .bind(told.expires_at)
        .bind(now)
        .execute(tx.connection())
        .await?;
        tx.note("webhook.register", |deed| deed.on(of).about(&told.url));
        tx.commit().await
    }

    /// Forgets the registration; what is known about the health stays.
    pub async fn forget_webhook(&self, of: InstanceId) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql("/* webhooks.forget */ UPDATE mirror.webhooks SET kind = NULL, url = NULL, remote_ids = '{}', expires_at = NULL,
                registered_at = NULL, checked_at = NULL, verified_at = NULL, problem = NULL
            WHERE tenant_id = $1 AND instance_id = $2")
        .bind(self.id().0)
        .bind(of.0)
        .execute(tx.connection())
        .await?;
        tx.note("webhook.remove", |deed| deed.on(of));
        tx.commit().await
    }

    /// Remembers what is wrong with the webhook; `None` when nothing is.
    pub async fn set_webhook_problem(
        &self,
        of: InstanceId,
        problem: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql("/* webhooks.problem */ UPDATE mirror.webhooks SET problem = $3, checked_at = $4
            WHERE tenant_id = $1 AND instance_id = $2")
        .bind(self.id().0)
        .bind(of.0)
        .bind(problem)
        .bind(now)
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }

    /// Remembers that a change made for that purpose arrived.
    pub async fn webhook_verified(&self, of: InstanceId, at: DateTime<Utc>) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql("/* webhooks.verified */ INSERT INTO mirror.webhooks (tenant_id, instance_id, verified_at) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id, instance_id) DO UPDATE SET verified_at = excluded.verified_at")
        .bind(self.id().0)
        .bind(of.0)
        .bind(at)
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }

    /// What the instance's webhooks may prove themselves with.
    pub async fn webhook_keys(&self, of: InstanceId) -> Result<WebhookKeys, Error> {
        let mut secrets = vec![self.webhook_secret(of).await?];
        secrets.extend(self.previous_webhook_secret(of).await?);
        let app = match self.credentials(of).await? {
            Credentials::OAuth { app, .. } => Some(app.client_secret),
            Credentials::Basic(_) | Credentials::Scoped(_) => None,
        };
        Ok(WebhookKeys { secrets, app })
    }

    /// Replaces the secret that webhooks are signed with. The one before is taken, too, until `until`: Jira sends for an hour
    /// what it could not deliver.
    pub async fn rotate_webhook_secret(
        &self,
        of: InstanceId,
        new: &SecretString,
        until: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let row = tx.instance_row(of).await?;
        let before = tx.open(Secret::Webhook, of, &row.webhook_secret_sealed).await?;
        let before = tx.seal(Secret::PreviousWebhook, of, &before).await?;
        let sealed = tx.seal(Secret::Webhook, of, new.expose_secret().as_bytes()).await?;
        let row = ActiveModel { webhook_secret_sealed: Set(sealed), ..self.row(of) };
        row.update(&tx.orm()).await?;
        sql("/* webhooks.previous */ INSERT INTO mirror.webhooks (tenant_id, instance_id, previous_secret_sealed,
                previous_secret_until)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant_id, instance_id) DO UPDATE SET previous_secret_sealed = excluded.previous_secret_sealed,
                previous_secret_until = excluded.previous_secret_until")
        .bind(self.id().0)
        .bind(of.0)
        .bind(before)
        .bind(until)
        .execute(tx.connection())
        .await?;
        tx.note("webhook.rotate_secret", |deed| deed.on(of));
        tx.commit().await
    }

    async fn previous_webhook_secret(&self, of: InstanceId) -> Result<Option<SecretString>, Error> {
        let mut tx = self.read().await?;
        let row = sql("/* webhooks.previous */ SELECT previous_secret_sealed FROM mirror.webhooks
            WHERE tenant_id = $1 AND instance_id = $2 AND previous_secret_until > now()
                AND previous_secret_sealed IS NOT NULL")
        .bind(self.id().0)
        .bind(of.0)
        .fetch_optional(tx.connection())
        .await?;
        let Some(row) = row else { return tx.rollback().await.map(|()| None) };
        let sealed: Vec<u8> = row.try_get("previous_secret_sealed")?;
        let plain = tx.open(Secret::PreviousWebhook, of, &sealed).await?;
        tx.rollback().await?;
        String::from_utf8(plain).map(|text| Some(text.into())).map_err(|_| Error::sealed())
    }

    /// Remembers how reliable webhooks are; says what was known before. The same again writes nothing.
    pub async fn set_webhook_health(&self, of: InstanceId, health: WebhookHealth) -> Result<WebhookHealth, Error> {
        let before = self.webhook(of).await?.map_or(WebhookHealth::Unknown, |webhook| webhook.health);
        if before == health {
            return Ok(before);
        }
        let mut tx = self.begin().await?;
        sql("/* webhooks.health */ INSERT INTO mirror.webhooks (tenant_id, instance_id, health) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id, instance_id) DO UPDATE SET health = excluded.health, health_since = now()")
        .bind(self.id().0)
        .bind(of.0)
        .bind(health.name())
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(before)
    }
}

/// What an instance's webhooks may prove themselves with.
#[derive(Clone, Debug)]
pub struct WebhookKeys {
    /// What the body may be signed with, the newest first.
    pub secrets: Vec<SecretString>,
    /// The secret of the OAuth app, which signs the tokens of its own webhooks.
    pub app: Option<SecretString>,
}

impl System<'_> {
    /// The state of every webhook of which something is known.
    pub async fn webhooks(&self) -> Result<HashMap<InstanceId, WebhookState>, Error> {
        let rows = sql("/* webhooks.find */ SELECT * FROM mirror.find_webhooks()")
            .fetch_all(&mut *self.store().connection().await?)
            .await?;
        let state = |row: &sea_orm::sqlx::postgres::PgRow| -> Result<_, Error> {
            let state = WebhookState {
                is_registered: row.try_get::<Option<String>, _>("kind")?.is_some(),
                expires_at: row.try_get("expires_at")?,
                problem: row.try_get("problem")?,
                health: to_health(row.try_get("health")?)?,
                health_since: row.try_get("health_since")?,
            };
            Ok((InstanceId(row.try_get("instance_id")?), state))
        };
        rows.iter().map(state).collect()
    }
}

fn to_webhook(row: Model) -> Result<Webhook, Error> {
    let kind = match row.kind.as_deref() {
        None => None,
        Some("admin") => Some(WebhookKind::Admin),
        Some("dynamic") => Some(WebhookKind::Dynamic),
        Some(_) => return Err(Error::Unreadable("webhooks.kind")),
    };
    let registration = kind.zip(row.url).map(|(kind, url)| Registration {
        kind,
        url,
        remote_ids: row.remote_ids,
        expires_at: row.expires_at,
    });
    Ok(Webhook {
        registration,
        registered_at: row.registered_at,
        checked_at: row.checked_at,
        verified_at: row.verified_at,
        problem: row.problem,
        health: to_health(&row.health)?,
        health_since: row.health_since,
    })
}

fn to_health(name: &str) -> Result<WebhookHealth, Error> {
    WebhookHealth::from_name(name).ok_or(Error::Unreadable("webhooks.health"))
}
