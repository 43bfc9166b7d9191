//! The file that names others whose tokens count.

use std::{fs, path::Path, sync::Arc};

use api::Issuer;
use domain::Scope;
use jwks::KeySet;
use serde::Deserialize;
use store::Store;

use crate::exit::Failed;

/// One of them, as an operator names it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    issuer: String,
    audience: String,
    jwks: String,
    tenant: String,
    scopes: Vec<Scope>,
}

/// Reads the file; every tenant in it must be there.
pub(crate) async fn read(file: &Path, store: &Store, insecure: &[String]) -> Result<Vec<Issuer>, Failed> {
    let wrong = |why: String| Failed::configuration(format!("{}: {why}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let named: Vec<Named> =
        serde_json::from_str(&text).map_err(|error| wrong(format!("is not understood: {error}")))?;
    let mut issuers = Vec::with_capacity(named.len());
    for Named { issuer, audience, jwks, tenant, scopes } in named {
        if scopes.contains(&Scope::AdminTenants) {
            return Err(wrong(format!("{issuer} may speak for its tenant only: leave out {}", Scope::AdminTenants)));
        }
        let tenant = store
            .system()
            .tenant_by_name(&tenant)
            .await?
            .ok_or_else(|| wrong(format!("there is no tenant {tenant:?}: `jirafleet tenant list` shows them")))?;
        let keys = Arc::new(KeySet::at(&jwks, insecure).map_err(|error| wrong(error.to_string()))?);
        issuers.push(Issuer { issuer, audience, tenant: tenant.id, scopes, keys });
    }
    Ok(issuers)
}
