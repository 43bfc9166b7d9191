//! Read one sprint again: issues tell of their sprints only when they change themselves.

use domain::{InstanceId, SprintId};
use jira::Priority;
use queue::Outcome;

use crate::{context::Context, failure::Failure};

pub(crate) async fn run(ctx: &Context, instance: InstanceId, sprint: SprintId) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    let told = site.jira(Priority::Live).sprint(sprint).await?;
    let mut tx = ctx.store.tenant(site.instance.tenant).begin().await?;
    match told {
        Some((told, asked_at)) => tx.apply_sprints(instance, &[told], asked_at).await?,
        None => tx.forget_sprint(instance, sprint).await?,
    }
    tx.commit().await?;
    Ok(Outcome::Done)
}
