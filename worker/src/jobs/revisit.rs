//! See whether what suspended an instance is gone; if so, work goes on where it stopped.

use domain::InstanceId;
use queue::Outcome;

use crate::{context::Context, failure::Failure, wake::left_lying};

pub(crate) async fn run(ctx: &Context, instance: InstanceId) -> Result<Outcome, Failure> {
    // Also one that is active by now: whoever activated it may have died before anything was asked for.
    let Some(instance) = ctx.recover(instance).await? else { return Ok(Outcome::Done) };
    let tenant = ctx.store.tenant(instance.tenant);
    tenant.backfill_again(instance.id).await?;
    let backfills = tenant.backfill_progress(instance.id).await?;
    ctx.producer.enqueue_all(left_lying(instance.id, &backfills)).await?;
    Ok(Outcome::Done)
}
