//! Tenants, and what may be asked across all of them.

use domain::{Instance, InstanceId, Tenant, TenantId, valid_name};
use entity::tenant;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    FromQueryResult, QueryResult,
    sqlx::{Postgres, Transaction, postgres::PgRow},
};

use crate::{Actor, Error, Store, TenantStore, instances::listed_instance, orm::sql};

/// What is to be different about a tenant; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct TenantChange {
    /// Its name.
    pub name: Option<String>,
    /// Whether nothing is done for it.
    pub suspended: Option<bool>,
}

/// What is known before a tenant is: names and states, never a credential or anything mirrored.
pub struct System<'s> {
    store: &'s Store,
    by: Option<Actor>,
}

impl<'s> System<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Self { store, by: None }
    }

    /// The same on somebody's behalf: what is changed leaves a line in the tenant's audit log.
    pub fn on_behalf_of(self, actor: &Actor) -> Self {
        Self { by: Some(actor.clone()), ..self }
    }

    pub(crate) fn store(&self) -> &'s Store {
        self.store
    }

    pub(crate) fn in_tenant(&self, tenant: TenantId) -> TenantStore {
        let store = self.store.tenant(tenant);
        match &self.by {
            Some(actor) => store.on_behalf_of(actor),
            None => store,
        }
    }

    pub(crate) async fn connection(&self) -> Result<Transaction<'static, Postgres>, Error> {
        self.store.connection().await
    }

    /// All tenants, by name.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, Error> {
        self.find_tenants(None, None).await
    }

    /// At most so many tenants whose names come after this one, by name, as bytes compare.
    pub async fn tenants_after(&self, name: Option<&str>, count: u32) -> Result<Vec<Tenant>, Error> {
        let rows = sql("/* tenants.page */ SELECT * FROM mirror.find_tenants(NULL, NULL)
            WHERE $1::text IS NULL OR name COLLATE \"C\" > $1 ORDER BY name COLLATE \"C\" LIMIT $2")
        .bind(name)
        .bind(i64::from(count))
        .fetch_all(&mut *self.store.connection().await?)
        .await?;
        read_tenants(rows)
    }

    /// The tenant of that name.
    pub async fn tenant_by_name(&self, name: &str) -> Result<Option<Tenant>, Error> {
        Ok(self.find_tenants(None, Some(name)).await?.pop())
    }

    /// The tenant with that id.
    pub async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, Error> {
        Ok(self.find_tenants(Some(id), None).await?.pop())
    }

    /// Makes a tenant; [`Error::Conflict`] when the name is taken.
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant, Error> {
        valid_name("tenant name", name)?;
        let id = TenantId::generate();
        let mut tx = self.in_tenant(id).begin().await?;
        let row = tenant::ActiveModel { id: Set(id.0), name: Set(name.to_owned()), ..Default::default() };
        let row = row.insert(&tx.orm()).await.map_err(|error| Error::from(error).of_name("tenant", name))?;
        tx.note("tenant.create", |deed| deed.about(name));
        tx.commit().await?;
        Ok(to_tenant(row))
    }

    /// Stops all work for a tenant, or lets it go on; its mirror stays.
    pub async fn suspend_tenant(&self, id: TenantId, suspended: bool) -> Result<(), Error> {
        let change = TenantChange { suspended: Some(suspended), ..TenantChange::default() };
        self.change_tenant(id, &change).await.map(drop)
    }

    /// Changes a tenant, and says which it is now; [`Error::Conflict`] when the name is taken.
    pub async fn change_tenant(&self, id: TenantId, change: &TenantChange) -> Result<Tenant, Error> {
        let mut row = tenant::ActiveModel { id: Unchanged(id.0), ..Default::default() };
        if let Some(name) = &change.name {
            valid_name("tenant name", name)?;
            row.name = Set(name.clone());
        }
        if let Some(suspended) = change.suspended {
            row.suspended = Set(suspended);
        }
        let mut tx = self.in_tenant(id).begin().await?;
        let name = change.name.as_deref().unwrap_or_default();
        let changed = row.update(&tx.orm()).await;
        let row = changed.map_err(|error| Error::from(error).of_what("tenant").of_name("tenant", name))?;
        if change.name.is_some() {
            tx.note("tenant.rename", |deed| deed.about(&row.name));
        }
        if let Some(suspended) = change.suspended {
            let action = if suspended { "tenant.suspend" } else { "tenant.resume" };
            tx.note(action, |deed| deed.about(&row.name));
        }
        tx.commit().await?;
        Ok(to_tenant(row))
    }

    /// All instances of all tenants in any state, by name.
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        self.find_instances(None, None).await
    }

    /// The instance with that id.
    pub async fn instance(&self, id: InstanceId) -> Result<Option<Instance>, Error> {
        Ok(self.find_instances(Some(id), None).await?.pop())
    }

    /// The instance of that name, whosever it is.
    pub async fn instance_by_name(&self, name: &str) -> Result<Option<Instance>, Error> {
        Ok(self.find_instances(None, Some(name)).await?.pop())
    }

    async fn find_tenants(&self, id: Option<TenantId>, name: Option<&str>) -> Result<Vec<Tenant>, Error> {
        let rows = sql("/* tenants.find */ SELECT * FROM mirror.find_tenants($1, $2)")
            .bind(id.map(|id| id.0))
            .bind(name)
            .fetch_all(&mut *self.store.connection().await?)
            .await?;
        read_tenants(rows)
    }

    async fn find_instances(&self, id: Option<InstanceId>, name: Option<&str>) -> Result<Vec<Instance>, Error> {
        let rows = sql(
            "/* instances.find */ SELECT i.*, z.time_zone
            FROM mirror.find_instances($1, $2) i LEFT JOIN mirror.find_time_zones($1) z ON z.id = i.id ORDER BY i.name",
        )
        .bind(id.map(|id| id.0))
        .bind(name)
        .fetch_all(&mut *self.store.connection().await?)
        .await?;
        rows.iter().map(listed_instance).collect()
    }
}

fn read_tenants(rows: Vec<PgRow>) -> Result<Vec<Tenant>, Error> {
    let tenants = rows.into_iter().map(|row| tenant::Model::from_query_result(&QueryResult::from(row), ""));
    Ok(tenants.map(|row| row.map(to_tenant)).collect::<Result<_, _>>()?)
}

fn to_tenant(row: tenant::Model) -> Tenant {
    Tenant { id: TenantId(row.id), name: row.name, suspended: row.suspended, created_at: row.created_at }
}
