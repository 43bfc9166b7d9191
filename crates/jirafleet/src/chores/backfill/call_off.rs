//! Calling a backfill off: its rows end, so nobody goes on with it, and its jobs end as soon as they see that.

use std::collections::BTreeSet;

use domain::Instance;
use queue::{Envelope, Job};

use crate::{chores::told::told, exit::Failed, output::say, wire_up::House};

/// All that is unfinished at an instance, also what was interrupted.
pub(super) async fn unfinished(house: &House, instance: &Instance) -> Result<(), Failed> {
    let tenant = house.store.tenant(instance.tenant);
    let mut rows = tenant.backfill_progress(instance.id).await?;
    rows.retain(|row| !row.ended() || row.has_failed());
    if rows.is_empty() {
        let name = &instance.name;
        let sentence = format!("no backfill of {name} has begun and not ended; `jirafleet jobs list` tells what waits");
        return Err(Failed::not_found(sentence));
    }
    let runs: BTreeSet<_> = rows.iter().map(|row| row.run).collect();
    let ended = async {
        for run in runs {
            tenant.backfill_cancel(instance.id, None, run).await?;
        }
        Ok(())
    };
    told(house, [instance.id], ("sync.backfill_cancel", &instance.name), ended).await?;
    let projects: Vec<&str> = rows.iter().map(|row| row.project_key.as_str()).collect();
    say!("the backfill of {} is called off at {}; what it brought stays", instance.name, projects.join(", "));
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
        house.store.tenant(row.tenant).backfill_cancel(instance, project, run).await?;
    }
    Ok(())
}
