//! Begin a backfill: the directory first, then a chain of pages for every project.

use chrono::NaiveDate;
use domain::{InstanceId, Lifecycle, Project, ProjectKey};
use jira::Priority;
use queue::{Job, JobId, Outcome};
use store::BackfillPlan;

use super::sync_directory;
use crate::{
    context::{Context, Site},
    failure::Failure,
};

/// What an operator asked for.
pub(crate) struct Order<'a> {
    /// Names the whole run. It is the job's own id, so that a job delivered twice plans the same run twice.
    pub(crate) run: JobId,
    /// Only these projects; empty means all.
    pub(crate) projects: &'a [ProjectKey],
    /// Only issues created on or after this day.
    pub(crate) since: Option<NaiveDate>,
}

pub(crate) async fn run(ctx: &Context, instance: InstanceId, order: Order<'_>) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    let projects = sync_directory::read(ctx, &site, Priority::Bulk).await?;
    let wanted: Vec<&Project> = projects.iter().filter(|project| order.wants(project)).collect();
    plan(ctx, &site, &order, &wanted).await?;
    let chains =
        wanted.iter().map(|project| Job::BackfillProject { instance, project: project.id, run: order.run.0, page: 0 });
    ctx.producer.enqueue_all(chains.collect()).await?;
    tracing::info!(projects = wanted.len(), "the backfill begins");
    Ok(Outcome::Done)
}

impl Order<'_> {
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
