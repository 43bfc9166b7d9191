//! What to ask for again when an instance that was at rest goes on.

use domain::InstanceId;
use queue::{Job, Lane};
use store::BackfillRow;

/// Everything that may have been left lying: what was touched meanwhile, what was updated, and unfinished backfills. What is
/// asked for already keeps its key, and nothing happens.
pub fn left_lying(instance: InstanceId, backfills: &[BackfillRow]) -> Vec<Job> {
    let touched = Lane::ALL.into_iter().map(|lane| Job::SyncTouched { instance, lane });
    let updated = Job::PollUpdates { instance, page: None };
    touched.chain([Job::WakeTouched { instance }, updated]).chain(unfinished(instance, backfills)).collect()
}

/// The chains of backfills that have pages left.
pub(crate) fn unfinished(instance: InstanceId, backfills: &[BackfillRow]) -> impl Iterator<Item = Job> {
    backfills.iter().filter(|row| !row.ended()).map(move |row| chain(instance, row))
}

/// The job that goes on with a project's backfill.
pub fn chain(instance: InstanceId, row: &BackfillRow) -> Job {
    Job::BackfillProject { instance, project: row.project, run: row.run, page: row.page }
}
