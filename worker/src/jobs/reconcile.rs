//! Compare issues with Jira field by field, count what drifted and by what cause, and put it right.
//!
//! The answer that shows a drift is the answer that repairs it. The cheap comparison of everything is a census that also
//! asks for times; it repairs through here what an answer alone could not.

use domain::{InstanceId, IssueId};
use jira::{Hydrated, Priority};
use queue::Outcome;

use super::sync_touched::quarantine;
use crate::{
    context::{Context, Site},
    drift::{self, Drift, Kind},
    failure::Failure,
};

/// As many issues as Jira answers in one request.
const PAGE: usize = 100;

/// More than a job has time for is not compared in one.
const MOST: u32 = 2000;

pub(crate) async fn run(ctx: &Context, instance: InstanceId, sample: u32) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    let tenant = ctx.store.tenant(site.instance.tenant);
    let myself = site.jira(Priority::Upkeep).myself().await?;
    if myself.time_zone != site.instance.time_zone {
        tenant.set_time_zone(instance, myself.time_zone.as_deref()).await?;
    }
    let ids = tenant.sample_ids(instance, sample.min(MOST)).await?;
    repair(ctx, &site, &ids).await?;
    Ok(Outcome::Done)
}

/// Compares these issues with Jira and puts right what drifted.
pub(super) async fn repair(ctx: &Context, site: &Site, ids: &[IssueId]) -> Result<(), Failure> {
    for page in ids.chunks(PAGE) {
        let answer = site.jira(Priority::Upkeep).hydrate(page).await?;
        put_right(ctx, site, &answer).await?;
    }
    Ok(())
}

async fn put_right(ctx: &Context, site: &Site, answer: &Hydrated) -> Result<(), Failure> {
    let (tenant, instance) = (ctx.store.tenant(site.instance.tenant), site.instance.id);
    quarantine(ctx, instance, answer).await?;
    let drifts = drift::find(&tenant, instance, answer).await?;
    drifts.iter().for_each(tell);
    let by_kind = Kind::ALL.map(|kind| (kind, drifts.iter().filter(|drift| drift.kind == kind).count()));
    count(answer.snapshots.len() + answer.absent.len(), &by_kind);
    ctx.touch_relatives(site, &answer.absent).await?;
    let repaired = drift::repair(&tenant, instance, (answer, &drifts)).await?;
    metrics::counter!("jirafleet_reconcile_repaired_total").increment(repaired as u64);
    if !drifts.is_empty() {
        tracing::warn!(drifted = drifts.len(), repaired, "the mirror had drifted");
    }
    Ok(())
}

fn tell(drift: &Drift) {
    let parts = drift.parts.join(" ");
    tracing::warn!(issue.id = %drift.issue, drift.kind = drift.kind.name(), drift.parts = parts, "an issue had drifted");
}

/// Counts what was compared, and what drifted by its kind.
pub(super) fn count(checked: usize, drifts: &[(Kind, usize)]) {
    metrics::counter!("jirafleet_reconcile_checked_total").increment(checked as u64);
    for (kind, drifted) in drifts {
        metrics::counter!("jirafleet_reconcile_drift_total", "kind" => kind.name()).increment(*drifted as u64);
    }
}
