//! Touch again what was touched soon after a look: by now it has rested, and many touches have become one.

use std::time::Duration;

use domain::InstanceId;
use queue::{Job, Outcome};

use crate::{context::Context, failure::Failure};

/// Between two looks; in a storm something has rested at any time.
const BETWEEN: Duration = Duration::from_millis(50);

pub(crate) async fn run(ctx: &Context, instance: InstanceId) -> Result<Outcome, Failure> {
    if let Some(wait) = ctx.producer.wake_touched(instance).await? {
        // Not put off: in a storm something always rests, and who puts himself off without end is taken for a loop.
        ctx.producer.enqueue_in(Job::WakeTouched { instance }, wait.max(BETWEEN)).await?;
    }
    Ok(Outcome::Done)
}
