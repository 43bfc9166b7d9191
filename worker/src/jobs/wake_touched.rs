//! Touch again what was touched soon after a look: by now it has rested, and many touches have become one.

use domain::InstanceId;
use queue::Outcome;

use crate::{context::Context, failure::Failure};

pub(crate) async fn run(ctx: &Context, instance: InstanceId) -> Result<Outcome, Failure> {
    Ok(match ctx.producer.wake_touched(instance).await? {
        Some(wait) => Outcome::Snooze(wait),
        None => Outcome::Done,
    })
}
