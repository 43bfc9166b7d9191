//! Call the roll of all issues: the roster of projects first, then a chain of steps for every live one.
//!
//! Polling never sees a deletion, and a webhook may be lost. What is archived, in the trash or no longer shown to us is no
//! deletion, so only live projects are called.

use domain::{InstanceId, Lifecycle, Project, ProjectId, ProjectKey};
use queue::{Compared, Job, JobId, Losses, Outcome};

use super::sync_directory;
use crate::{context::Context, failure::Failure};

/// What was asked for.
pub(crate) struct Order<'a> {
    /// Names the whole run. It is the job's own id, so that a job delivered twice plans the same run twice.
    pub(crate) run: JobId,
    /// Only these projects; empty means all.
    pub(crate) projects: &'a [ProjectKey],
    pub(crate) compared: Compared,
    pub(crate) losses: Losses,
}

pub(crate) async fn run(ctx: &Context, instance: InstanceId, order: Order<'_>) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    let roster = sync_directory::read_roster(ctx, &site).await?;
    let wanted: Vec<&Project> = roster.iter().filter(|project| order.wants(project)).collect();
    if let Some(key) = order.projects.iter().find(|key| !wanted.iter().any(|project| project.key == **key)) {
        return Ok(Outcome::GiveUp { reason: format!("Jira shows us no live project {key}") });
    }
    let ids: Vec<ProjectId> = wanted.iter().map(|project| project.id).collect();
    let planned = ctx.store.tenant(site.instance.tenant).census_plan(instance, &ids, order.run.0).await?;
    let (run, compared, losses) = (order.run.0, order.compared, order.losses);
    let chains =
        planned.iter().map(|&project| Job::CensusProject { instance, project, run, page: 0, compared, losses });
    let chains: Vec<Job> = chains.collect();
    tracing::info!(projects = chains.len(), under_way = ids.len() - chains.len(), "the roll is called");
    if !chains.is_empty() {
        ctx.producer.enqueue_all(chains).await?;
    }
    Ok(Outcome::Done)
}

impl Order<'_> {
    fn wants(&self, project: &Project) -> bool {
        project.lifecycle == Lifecycle::Live && (self.projects.is_empty() || self.projects.contains(&project.key))
    }
}
