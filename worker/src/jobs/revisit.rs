//! See whether what suspended an instance is gone; if so, work goes on where it stopped.

use domain::InstanceId;
use queue::{Job, Lane, Outcome};

use super::backfill;
use crate::{context::Context, failure::Failure};

pub(crate) async fn run(ctx: &Context, instance: InstanceId) -> Result<Outcome, Failure> {
    let Some(instance) = ctx.recover(instance).await? else { return Ok(Outcome::Done) };
    let id = instance.id;
    tracing::info!(instance.name = %instance.name, "Jira knows us again: the instance is active");
    let mut jobs: Vec<Job> = Lane::ALL.iter().map(|lane| Job::SyncTouched { instance: id, lane: *lane }).collect();
    jobs.push(Job::PollUpdates { instance: id, page: None });
    ctx.producer.enqueue_all(jobs).await?;
    ctx.store.tenant(instance.tenant).backfill_again(id).await?;
    if let Some(site) = ctx.site(id).await? {
        backfill::revive(ctx, &site).await?;
    }
    Ok(Outcome::Done)
}
