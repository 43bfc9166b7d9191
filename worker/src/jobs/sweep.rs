//! Clear away what is of no use any more, and see to what was announced and never ended: writes to Jira are settled site by
//! site, anything else that was left behind is closed as unknown.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::InstanceId;
use queue::{Job, Outcome};
use store::{AuditEntry, Ending, Litter, TenantStore};

use super::settle_writes::{OLDEST, count, is_write};
use crate::{context::Context, failure::Failure};

/// After this long nobody comes back to what an operator began.
const ABANDONED: TimeDelta = TimeDelta::days(1);
/// Open lines of a tenant's that are looked at in one go.
const MOST: u32 = 1000;

pub(crate) async fn run(ctx: &Context) -> Result<Outcome, Failure> {
    let now = Utc::now();
    let given_up = now - ctx.settling.given_up;
    for tenant in ctx.store.system().tenants().await? {
        let tenant = ctx.store.tenant(tenant.id);
        for litter in Litter::ALL {
            let cleared = tenant.clear_away(litter, given_up).await?;
            told(litter, cleared);
        }
        let open = tenant.audit_left_open(&(now - OLDEST..given_up), None, MOST).await?;
        if !open.is_empty() {
            see_to(ctx, &tenant, &open, now).await?;
        }
    }
    Ok(Outcome::Done)
}

fn told(litter: Litter, cleared: u64) {
    metrics::counter!("jirafleet_sweep_cleared_total", "what" => litter.name()).increment(cleared);
}

/// Shows the figures before anything happens.
pub(super) fn show() {
    for litter in Litter::ALL {
        told(litter, 0);
    }
}

async fn see_to(ctx: &Context, tenant: &TenantStore, open: &[AuditEntry], now: DateTime<Utc>) -> Result<(), Failure> {
    let sites: BTreeSet<InstanceId> = tenant.instances().await?.into_iter().map(|instance| instance.id).collect();
    let mut asked = BTreeSet::new();
    for entry in open {
        match entry.instance {
            Some(instance) if is_write(entry) && sites.contains(&instance) => _ = asked.insert(instance),
            _ if entry.at < now - ABANDONED => close(tenant, entry).await?,
            _ => {}
        }
    }
    let jobs = asked.into_iter().map(|instance| Job::SettleWrites { instance }).collect();
    ctx.producer.enqueue_all(jobs).await?;
    Ok(())
}

async fn close(tenant: &TenantStore, entry: &AuditEntry) -> Result<(), Failure> {
    let Some(begun) = entry.to_begun() else { return Ok(()) };
    let mut tx = tenant.begin().await?;
    tx.audit_complete(&begun, Ending::Unknown);
    match tx.commit().await {
        Ok(()) => count(Ending::Unknown),
        // Whoever began it came back after all.
        Err(store::Error::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
