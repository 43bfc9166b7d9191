//! What `jirafleet keys list` shows: names, numbers, ages and counts.

use std::collections::HashMap;

use serde::Serialize;
use store::TenantKey;

use super::tenants;
use crate::{
    config::Resolved,
    exit::Failed,
    output::{self, Format},
    wire_up::House,
};

#[derive(Default, Serialize)]
struct Row {
    /// `master`, `house`, `data`, or `secret` for what the first releases sealed under the master key itself.
    kind: &'static str,
    name: String,
    tenant: Option<String>,
    sealed_by: Option<String>,
    /// Keys or secrets.
    seals: Option<i64>,
    created_at: Option<String>,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.keys/1";
}

pub(super) async fn print(
    house: &House,
    resolved: &Resolved,
    tenant: Option<&str>,
    output: Format,
) -> Result<(), Failed> {
    let keys = all_keys(house).await?;
    let house_keys = house.store.system().house_keys().await?;
    let mut rows = Vec::new();
    if tenant.is_none() {
        for name in resolved.master_key()?.names() {
            let of_tenants = keys.iter().filter(|key| key.kek == name).count();
            let of_house = house_keys.iter().filter(|(_, kek)| *kek == name).count();
            let seals = i64::try_from(of_tenants + of_house).ok();
            rows.push(Row { kind: "master", name, seals, ..Row::default() });
        }
        let own = house_keys.into_iter();
        rows.extend(own.map(|(name, kek)| Row { kind: "house", name, sealed_by: Some(kek), ..Row::default() }));
    }
    for tenant in tenants(house, tenant).await? {
        let counts = house.tenant(tenant.id).sealed_counts().await?;
        let counts: HashMap<Option<i32>, i64> = counts.into_iter().map(|count| (count.key, count.secrets)).collect();
        let owner = || Some(tenant.name.clone());
        if let Some(count) = counts.get(&None) {
            let name = "first releases".to_owned();
            rows.push(Row { kind: "secret", name, tenant: owner(), seals: Some(*count), ..Row::default() });
        }
        rows.extend(keys.iter().filter(|key| key.tenant == tenant.id).map(|key| Row {
            kind: "data",
            name: key.id.to_string(),
            tenant: owner(),
            sealed_by: Some(key.kek.clone()),
            seals: Some(counts.get(&Some(key.id)).copied().unwrap_or_default()),
            created_at: Some(output::instant(key.created_at)),
        }));
    }
    output::print(output, &rows)
}

/// How many secrets no data key seals yet.
pub(super) async fn sealed_by_master_keys(house: &House) -> Result<i64, Failed> {
    let mut sum = 0;
    for tenant in house.store.system().tenants().await? {
        let counts = house.tenant(tenant.id).sealed_counts().await?;
        sum += counts.iter().filter(|count| count.key.is_none()).map(|count| count.secrets).sum::<i64>();
    }
    Ok(sum)
}

async fn all_keys(house: &House) -> Result<Vec<TenantKey>, Failed> {
    let mut keys: Vec<TenantKey> = Vec::new();
    loop {
        let page = house.store.system().tenant_keys(keys.last()).await?;
        if page.is_empty() {
            return Ok(keys);
        }
        keys.extend(page);
    }
}
