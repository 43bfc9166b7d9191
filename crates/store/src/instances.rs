//! The Jira sites of a tenant, and their secrets.

use std::time::Duration;

use domain::{AccountId, Instance, InstanceId, InstanceState, Site, TenantId, valid_name};
use entity::jira_instance::{ActiveModel, Column, Entity, Model};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ActiveValue::Unchanged,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder,
    sqlx::{Row, postgres::PgRow},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{Credentials, Error, TenantStore, TenantTx, seal::Secret};

/// A site to be registered.
#[derive(Clone, Debug)]
pub struct NewInstance {
    /// Unique in the whole house.
    pub name: String,
    /// Where Jira is.
    pub site: Site,
    /// What opens it for us.
    pub credentials: Credentials,
    /// What Jira signs webhooks with.
    pub webhook_secret: SecretString,
    /// How often it is polled; whole seconds, at least one.
    pub poll_interval: Duration,
    /// Requests a minute that Jira will take from the whole fleet.
    pub requests_per_minute: u32,
}

impl TenantStore {
    /// Registers a site; [`Error::Conflict`] when its name is taken.
    pub async fn add_instance(&self, new: NewInstance) -> Result<Instance, Error> {
        self.add_instance_in(new, &InstanceState::Active).await
    }

    /// The same, in this state from its first moment: no worker ever sees it in another.
    pub async fn add_instance_in(&self, new: NewInstance, state: &InstanceState) -> Result<Instance, Error> {
        valid_name("instance name", &new.name)?;
        let id = InstanceId::generate();
        let mut tx = self.begin().await?;
        let secret = new.webhook_secret.expose_secret().as_bytes();
        let row = ActiveModel {
            tenant_id: Set(self.id().0),
            id: Set(id.0),
            name: Set(new.name),
            site: Set(new.site.as_str().to_owned()),
            state: Set(state.name().to_owned()),
            state_reason: Set(state.reason().map(str::to_owned)),
            poll_interval_seconds: Set(i64::try_from(new.poll_interval.as_secs()).unwrap_or(i64::MAX).max(1)),
            requests_per_minute: Set(i32::try_from(new.requests_per_minute).unwrap_or(i32::MAX).max(1)),
            credentials_sealed: Set(tx.seal_credentials(id, &new.credentials).await?),
            webhook_secret_sealed: Set(tx.seal(Secret::Webhook, id, secret).await?),
            ..Default::default()
        };
        let row = row.insert(&tx.orm()).await?;
        tx.keep_grant_of(id, &new.credentials).await?;
        tx.note("instance.add", |deed| deed.on(id).about(&row.name).with("auth", new.credentials.kind()));
        tx.commit().await?;
        to_instance(row)
    }

    /// This tenant's sites, by name.
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        let mut tx = self.read().await?;
        let rows =
            Entity::find().filter(Column::TenantId.eq(self.id().0)).order_by_asc(Column::Name).all(&tx.orm()).await?;
        tx.rollback().await?;
        rows.into_iter().map(to_instance).collect()
    }

    /// Remembers who we are there.
    pub async fn set_account(&self, instance: InstanceId, account: &AccountId) -> Result<(), Error> {
        let row = ActiveModel { account_id: Set(Some(account.0.clone())), ..self.row(instance) };
        self.change("instance.identify", row).await
    }

    /// Remembers the zone in which its day is counted; an IANA name, if our account's profile there has one.
    pub async fn set_time_zone(&self, instance: InstanceId, zone: Option<&str>) -> Result<(), Error> {
        let row = ActiveModel { time_zone: Set(zone.map(str::to_owned)), ..self.row(instance) };
        self.change("instance.place", row).await
    }

    /// Whether work is done for it.
    pub async fn set_state(&self, instance: InstanceId, state: &InstanceState) -> Result<(), Error> {
        let action = match state {
            InstanceState::Active => "instance.resume",
            InstanceState::Paused { .. } => "instance.pause",
            InstanceState::Suspended { .. } => "instance.suspend",
        };
        let (name, reason) = (state.name().to_owned(), state.reason().map(str::to_owned));
        self.change(action, ActiveModel { state: Set(name), state_reason: Set(reason), ..self.row(instance) }).await
    }

    /// Forgets a site and everything mirrored from it.
    pub async fn remove_instance(&self, instance: InstanceId) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let done = Entity::delete_by_id((self.id().0, instance.0)).exec(&tx.orm()).await?;
        if done.rows_affected == 0 {
            return Err(Error::NotFound("instance"));
        }
        tx.note("instance.remove", |deed| deed.on(instance));
        tx.commit().await
    }

    /// What Jira signs webhooks with, unsealed.
    pub async fn webhook_secret(&self, instance: InstanceId) -> Result<SecretString, Error> {
        let mut tx = self.read().await?;
        let row = tx.instance_row(instance).await?;
        let plain = tx.open(Secret::Webhook, instance, &row.webhook_secret_sealed).await?;
        tx.rollback().await?;
        String::from_utf8(plain).map(SecretString::from).map_err(|_| Error::sealed())
    }

    pub(crate) fn row(&self, instance: InstanceId) -> ActiveModel {
        ActiveModel { tenant_id: Unchanged(self.id().0), id: Unchanged(instance.0), ..Default::default() }
    }

    async fn change(&self, action: &str, row: ActiveModel) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let row = row.update(&tx.orm()).await.map_err(|error| Error::from(error).of_what("instance"))?;
        tx.note(action, |deed| deed.on(InstanceId(row.id)).about(&row.name));
        tx.commit().await
    }
}

impl TenantTx {
    pub(crate) async fn instance_row(&mut self, instance: InstanceId) -> Result<Model, Error> {
        let row = Entity::find_by_id((self.tenant.0, instance.0)).one(&self.orm()).await?;
        row.ok_or(Error::NotFound("instance"))
    }
}

fn to_instance(row: Model) -> Result<Instance, Error> {
    Ok(Instance {
        id: InstanceId(row.id),
        tenant: TenantId(row.tenant_id),
        name: row.name,
        site: Site::trusted(row.site),
        account: row.account_id.map(AccountId),
        state: to_state(&row.state, row.state_reason)?,
        poll_interval: Duration::from_secs(u64::try_from(row.poll_interval_seconds).unwrap_or_default()),
        requests_per_minute: u32::try_from(row.requests_per_minute).unwrap_or_default(),
        created_at: row.created_at,
        time_zone: row.time_zone,
    })
}

/// A row of the listing across tenants, which has no secrets in it.
pub(crate) fn listed_instance(row: &PgRow) -> Result<Instance, Error> {
    to_instance(Model {
        tenant_id: row.try_get("tenant_id")?,
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        site: row.try_get("site")?,
        account_id: row.try_get("account_id")?,
        state: row.try_get("state")?,
        state_reason: row.try_get("state_reason")?,
        poll_interval_seconds: row.try_get("poll_interval_seconds")?,
        requests_per_minute: row.try_get("requests_per_minute")?,
        credentials_sealed: Vec::new(),
        webhook_secret_sealed: Vec::new(),
        created_at: row.try_get("created_at")?,
        time_zone: row.try_get("time_zone")?,
    })
}

fn to_state(name: &str, reason: Option<String>) -> Result<InstanceState, Error> {
    match name {
        "active" => Ok(InstanceState::Active),
        "paused" => Ok(InstanceState::Paused { reason }),
        "suspended" => Ok(InstanceState::Suspended { reason: reason.unwrap_or_default() }),
        _ => Err(Error::Unreadable("jira_instances.state")),
    }
}
