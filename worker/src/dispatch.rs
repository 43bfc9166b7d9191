//! From a job to its handler: one arm each.

use queue::{Envelope, Job, Outcome};

use crate::{
    context::Context,
    failure::Failure,
    jobs::{backfill, backfill_project, poll_updates, refresh_views, sync_directory, sync_issue, sync_touched},
};

pub(crate) async fn run(ctx: &Context, envelope: &Envelope) -> Result<Outcome, Failure> {
    match &envelope.job {
        Job::SyncTouched { instance, lane } => sync_touched::run(ctx, *instance, *lane).await,
        Job::SyncIssue { instance, issue } => sync_issue::run(ctx, *instance, *issue).await,
        Job::SyncDirectory { instance } => sync_directory::run(ctx, *instance).await,
        Job::Backfill { instance, projects, since } => {
            let order = backfill::Order { run: envelope.id, projects, since: *since };
            backfill::run(ctx, *instance, order).await
        }
        Job::BackfillProject { instance, project, run, page } => {
            backfill_project::run(ctx, *instance, *project, *run, *page).await
        }
        Job::PollUpdates { instance, page } => poll_updates::run(ctx, *instance, page.as_ref()).await,
        Job::RefreshViews => refresh_views::run(ctx).await,
        Job::Probe { .. } => Ok(Outcome::Done),
    }
}
