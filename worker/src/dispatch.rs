//! From a job to its handler: one arm each.

use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use queue::{Envelope, Job, Outcome, QueueName};

use crate::{
    context::Context,
    failure::Failure,
    jobs::{
        backfill, backfill_project, census, census_project, keep_webhook, poll_updates, reconcile, refresh_views,
        revisit, settle_writes, sweep, sync_directory, sync_issue, sync_sprint, sync_touched, verify_audit,
        wake_touched,
    },
};

/// Whether somebody waits for the rows that a job writes. A poll is in the live queue because it must be on time, but it only
/// asks: what it finds is written by jobs of their own. With a poll a second, as fifty sites have, no backfill would go fast.
fn is_awaited(job: &Job) -> bool {
    job.policy().queue == QueueName::Live && !matches!(job, Job::PollUpdates { .. })
}

pub(crate) async fn run(ctx: &Context, envelope: &Envelope) -> Result<Outcome, Failure> {
    if is_awaited(&envelope.job) {
        ctx.precedence.live();
    }
    // Boxed: nested as they are, the compiler would give up on the size of all of them in one.
    let work: BoxFuture<'_, Result<Outcome, Failure>> = match &envelope.job {
        Job::SyncTouched { instance, lane } => sync_touched::run(ctx, *instance, *lane).boxed(),
        Job::WakeTouched { instance } => wake_touched::run(ctx, *instance).boxed(),
        Job::SyncIssue { instance, issue } => sync_issue::run(ctx, *instance, *issue).boxed(),
        Job::SyncSprint { instance, sprint } => sync_sprint::run(ctx, *instance, *sprint).boxed(),
        Job::SyncDirectory { instance } => sync_directory::run(ctx, *instance).boxed(),
        Job::Backfill { instance, projects, since } => {
            let order = backfill::Order { run: envelope.id, looks: envelope.snoozes, projects, since: *since };
            backfill::run(ctx, *instance, order).boxed()
        }
        Job::BackfillProject { instance, project, run, page } => {
            backfill_project::run(ctx, *instance, *project, *run, *page).boxed()
        }
        Job::PollUpdates { instance, page } => poll_updates::run(ctx, *instance, page.as_ref()).boxed(),
        Job::KeepWebhook { instance } => keep_webhook::run(ctx, *instance).boxed(),
        Job::Census { instance, projects, compared, losses } => {
            let order = census::Order { run: envelope.id, projects, compared: *compared, losses: *losses };
            census::run(ctx, *instance, order).boxed()
        }
        Job::CensusProject { instance, project, run, page, compared, losses } => {
            let (instance, project, run, page) = (*instance, *project, *run, *page);
            let turn = census_project::Turn { instance, project, run, page, compared: *compared, losses: *losses };
            census_project::run(ctx, turn).boxed()
        }
        Job::Reconcile { instance, sample } => reconcile::run(ctx, *instance, *sample).boxed(),
        Job::Revisit { instance } => revisit::run(ctx, *instance).boxed(),
        Job::RefreshViews => refresh_views::run(ctx).boxed(),
        Job::Sweep => sweep::run(ctx).boxed(),
        Job::VerifyAudit { after, page } => verify_audit::run(ctx, after.as_deref(), *page).boxed(),
        Job::SettleWrites { instance } => settle_writes::run(ctx, *instance).boxed(),
        Job::Probe { .. } => ready(Ok(Outcome::Done)).boxed(),
    };
    work.await
}

#[cfg(test)]
mod tests {
    use domain::{InstanceId, IssueId};
    use queue::Lane;

    use super::*;

    #[test]
    fn a_poll_slows_no_backfill_and_what_it_touched_goes_first() {
        let instance = InstanceId::generate();
        assert!(is_awaited(&Job::SyncTouched { instance, lane: Lane::of(IssueId(7)) }));
        assert!(!is_awaited(&Job::PollUpdates { instance, page: None }));
        assert!(!is_awaited(&Job::Backfill { instance, projects: Vec::new(), since: None }));
    }
}
