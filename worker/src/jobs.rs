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
pub(crate) mod sync_directory;
pub(crate) mod sync_issue;
pub(crate) mod sync_sprint;
pub(crate) mod sync_touched;
pub(crate) mod wake_touched;
