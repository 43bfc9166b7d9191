//! Begin a backfill: the directory first, then a chain of pages for every project.

use std::time::Duration;

use chrono::NaiveDate;
use domain::{InstanceId, Lifecycle, Project, ProjectKey};
use jira::Priority;
use queue::{Enqueued, Job, JobId, Outcome};
use store::{BackfillPlan, BackfillRow};

use super::sync_directory;
use crate::{
    context::{Context, Site},
    failure::Failure,
    wake::{chain, unfinished},
};

/// How long an order waits before it looks again whether its instance is still at rest.
const AT_REST: Duration = Duration::from_secs(60);

/// How long an order waits before it looks again whether a chain that an earlier one left has ended: longer each time.
const EARLIER: Duration = Duration::from_secs(1);
const LONGEST: u32 = 30;

/// What an operator asked for.
pub(crate) struct Order<'a> {
    /// Names the whole run. It is the job's own id, so that a job delivered twice plans the same run twice.
    pub(crate) run: JobId,
    /// How often it waited already.
    pub(crate) looks: u32,
    /// Only these projects; empty means all.
    pub(crate) projects: &'a [ProjectKey],
    /// Only issues created on or after this day.
    pub(crate) since: Option<NaiveDate>,
}

pub(crate) async fn run(ctx: &Context, instance: InstanceId, order: Order<'_>) -> Result<Outcome, Failure> {
    // The order waits: nobody else remembers it.
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Snooze(AT_REST)) };
    let tenant = ctx.store.tenant(site.instance.tenant);
    let mut rows = tenant.backfill_progress(instance).await?;
    // An order that only looks whether an earlier chain ended must not spend requests on every look.
    if !rows.iter().any(|row| order.owns(row)) {
        let projects = sync_directory::read(ctx, &site, Priority::Bulk).await?;
        let wanted: Vec<&Project> = projects.iter().filter(|project| order.wants(project)).collect();
        if let Some(key) = order.projects.iter().find(|key| !wanted.iter().any(|project| project.key == **key)) {
            return Ok(Outcome::GiveUp { reason: format!("Jira shows us no live project {key}") });
        }
        plan(ctx, &site, &order, &wanted).await?;
        rows = tenant.backfill_progress(instance).await?;
    }
    let waiting = rows.iter().filter(|row| order.owns(row) && row.is_waiting());
    let chains: Vec<Job> = waiting.map(|row| chain(instance, row)).collect();
    let begun = chains.len();
    let asked = ctx.producer.enqueue_all(chains).await?;
    if asked.iter().any(|asked| matches!(asked, Enqueued::Already { .. })) {
        // Ours, if we were here before; or the last of an earlier run's, which ends as soon as it sees that this one took its
        // place, and then nobody would go on.
        return Ok(Outcome::Snooze(EARLIER * (order.looks + 1).min(LONGEST)));
    }
    tracing::info!(projects = begun, "the backfill begins");
    Ok(Outcome::Done)
}

/// Asks again for chains that nobody works at although pages are left: Redis may have lost them, or they ended while the
/// instance was at rest. A chain that is alive keeps its key, and nothing happens.
pub(super) async fn revive(ctx: &Context, site: &Site) -> Result<(), Failure> {
    let instance = site.instance.id;
    let rows = ctx.store.tenant(site.instance.tenant).backfill_progress(instance).await?;
    let chains: Vec<Job> = unfinished(instance, &rows).collect();
    if !chains.is_empty() {
        ctx.producer.enqueue_all(chains).await?;
    }
    Ok(())
}

impl Order<'_> {
    fn owns(&self, row: &BackfillRow) -> bool {
        row.run == self.run.0
    }

    /// Searches leave archived and trashed projects out, so a chain for one would end empty.
    fn wants(&self, project: &Project) -> bool {
        project.lifecycle == Lifecycle::Live && (self.projects.is_empty() || self.projects.contains(&project.key))
    }
}

async fn plan(ctx: &Context, site: &Site, order: &Order<'_>, projects: &[&Project]) -> Result<(), Failure> {
    let plans: Vec<BackfillPlan> = projects
        .iter()
        .map(|project| BackfillPlan {
            project: project.id,
            run: order.run.0,
            since: order.since,
            expected: project.issue_count,
        })
        .collect();
    let mut tx = ctx.store.tenant(site.instance.tenant).begin().await?;
    tx.backfill_plan(site.instance.id, &plans).await?;
    tx.commit().await?;
    Ok(())
}
