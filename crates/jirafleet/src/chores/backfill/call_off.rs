//! Calling a backfill off: its rows end, so nobody goes on with it, and its jobs end as soon as they see that.

use domain::Instance;
use queue::{Envelope, Job};

use crate::{chores::told::told, exit::Failed, output::say, wire_up::House};

/// All that is unfinished at an instance, also what was interrupted.
pub(super) async fn unfinished(house: &House, instance: &Instance) -> Result<(), Failed> {
    let (tenant, name) = (house.store.tenant(instance.tenant), &instance.name);
    let ended = async {
        let ended = tenant.backfill_cancel(instance.id, None, None).await?;
        if ended.is_empty() {
            let sentence =
                format!("no backfill of {name} has begun and not ended; `jirafleet jobs list` tells what waits");
            return Err(Failed::not_found(sentence));
        }
        Ok(ended)
    };
    let ended = told(house, [instance.id], ("sync.backfill_cancel", name), ended).await?;
    say!(
        "the backfill of {name} is called off, {} of its projects were unfinished; what it brought stays",
        ended.len()
    );
    Ok(())
}

/// What a job was to do, when the job itself was called off: else the next poll would ask for it again.
pub(crate) async fn with_job(house: &House, envelope: Option<&Envelope>) -> Result<(), Failed> {
    let Some(envelope) = envelope else { return Ok(()) };
    let (instance, project, run) = match envelope.job {
        Job::Backfill { instance, .. } => (instance, None, envelope.id.0),
        Job::BackfillProject { instance, project, run, .. } => (instance, Some(project), run),
        _ => return Ok(()),
    };
    if let Some(row) = house.store.system().instance(instance).await? {
        house.store.tenant(row.tenant).backfill_cancel(instance, project, Some(run)).await?;
    }
    Ok(())
}
