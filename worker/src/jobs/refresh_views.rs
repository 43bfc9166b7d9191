//! Refresh the materialized views, one after the other. Nobody who reads them waits.

use queue::Outcome;
use store::{Refreshed, View};

use crate::{context::Context, failure::Failure};

pub(crate) async fn run(ctx: &Context) -> Result<Outcome, Failure> {
    let system = ctx.store.system();
    for view in View::ALL {
        match system.refresh_view(view).await? {
            Refreshed::Done => tracing::debug!(view = view.name(), "a view was refreshed"),
            // By an operator, or by a run that was given up and whose statement goes on.
            Refreshed::BeingDone => tracing::info!(view = view.name(), "somebody else is refreshing the view"),
        }
    }
    Ok(Outcome::Done)
}
