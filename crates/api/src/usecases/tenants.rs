//! The caller's own tenant.

use domain::{Scope, Tenant};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Caller, Context, Error};

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
