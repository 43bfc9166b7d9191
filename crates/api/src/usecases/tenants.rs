//! Tenants: the caller's own, which every good key may see, and all of them, for those who run the house.

use domain::{ChangeTenant, CreateTenant, Scope, Tenant, TenantId, valid_name};
use queue::Job;
use serde::Serialize;
use store::{System, TenantChange};
use utoipa::ToSchema;

use super::{Caller, Context, Error, Listing, Paging};

/// Who the caller is to us.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// Its tenant.
    tenant: Tenant,
    /// The key's id, as the audit log names it.
    key: String,
    /// What may be done with the key.
    scopes: Vec<Scope>,
}

/// The caller's own tenant, and what its key is good for. Every good key may ask.
pub(crate) async fn me(context: &Context, caller: &Caller) -> Result<Me, Error> {
    let tenant = context.store.system().tenant(caller.tenant).await?.ok_or(Error::NotFound("tenant"))?;
    Ok(Me { tenant, key: caller.actor.id.clone(), scopes: caller.scopes.clone() })
}

/// All tenants, by name.
pub(crate) async fn list(context: &Context, caller: &Caller, paging: &Paging) -> Result<Listing<Tenant>, Error> {
    let house = house(context, caller)?;
    let mirror = context.mirror(caller);
    let after: Option<String> = paging.after(&mirror, "tenants")?;
    let tenants = house.tenants_after(after.as_deref(), paging.one_more()).await?;
    paging.cut(&mirror, "tenants", tenants, |tenant| tenant.name.clone())
}

/// One of them, by its id or name.
pub(crate) async fn show(context: &Context, caller: &Caller, name: &str) -> Result<Tenant, Error> {
    find(&house(context, caller)?, name).await
}

/// Makes one, without sites and keys: those who hold what opens a site give it at the command line.
pub(crate) async fn create(context: &Context, caller: &Caller, command: &CreateTenant) -> Result<Tenant, Error> {
    let house = house(context, caller)?;
    command.validate().map_err(Error::Invalid)?;
    Ok(house.create_tenant(&command.name).await?)
}

/// Renames one, stops all work for it, or lets it go on where it stopped.
pub(crate) async fn change(
    context: &Context,
    caller: &Caller,
    name: &str,
    command: ChangeTenant,
) -> Result<Tenant, Error> {
    let house = house(context, caller)?;
    command.validate().map_err(Error::Invalid)?;
    let tenant = find(&house, name).await?;
    if tenant.id == caller.tenant && command.suspended == Some(true) {
        return Err(Error::Conflict(
            "your own tenant cannot be suspended with its key: nothing could resume it".to_owned(),
        ));
    }
    let goes_on = command.suspended == Some(false);
    let change = TenantChange { name: command.name, suspended: command.suspended };
    let changed = house.change_tenant(tenant.id, &change).await?;
    if goes_on {
        go_on(context, tenant.id).await?;
    }
    Ok(changed)
}

/// Everything beyond the caller's own tenant is reached through here.
fn house<'c>(context: &'c Context, caller: &Caller) -> Result<System<'c>, Error> {
    caller.require(Scope::AdminTenants)?;
    Ok(context.store.system().on_behalf_of(&caller.actor))
}

async fn find(house: &System<'_>, name: &str) -> Result<Tenant, Error> {
    let found = match name.parse().map(TenantId) {
        Ok(id) => house.tenant(id).await?,
        Err(_) if valid_name("name", name).is_ok() => house.tenant_by_name(name).await?,
        Err(_) => None,
    };
    found.ok_or(Error::NotFound("tenant"))
}

/// What was left lying is asked for again, site by site. Where that fails the change has been made all the same: the same
/// asked again does the rest.
async fn go_on(context: &Context, tenant: TenantId) -> Result<(), Error> {
    let sites = context.store.tenant(tenant).instances().await?;
    let jobs = sites.into_iter().map(|site| Job::Revisit { instance: site.id }).collect();
    let asked = context.producer.enqueue_all(jobs).await;
    asked
        .map(drop)
        .map_err(|_| Error::Unavailable("it is resumed, and its work could not be asked for: ask again".to_owned()))
}
