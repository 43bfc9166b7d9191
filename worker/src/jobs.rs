//! The handlers, one file each.

pub(crate) mod backfill;
pub(crate) mod backfill_project;
pub(crate) mod census;
pub(crate) mod census_project;
pub(crate) mod keep_webhook;
pub(crate) mod poll_updates;
pub(crate) mod reconcile;
pub(crate) mod refresh_views;
pub(crate) mod revisit;
pub(crate) mod settle_writes;
pub(crate) mod sweep;
pub(crate) mod sync_directory;
pub(crate) mod sync_issue;
pub(crate) mod sync_sprint;
pub(crate) mod sync_touched;
pub(crate) mod verify_audit;
pub(crate) mod wake_touched;

/// Shows the figures of what hardly ever happens, before it does: a rate does not see the step to a figure's first value.
pub(crate) fn show_rare_figures() {
    jira::show_rare_figures();
    store::show_rare_figures();
    reconcile::count(0, &crate::drift::Kind::ALL.map(|kind| (kind, 0)));
    census_project::show();
    poll_updates::show();
    sweep::show();
    metrics::counter!("jirafleet_webhook_problems_total").increment(0);
    settle_writes::show();
    verify_audit::show();
}
