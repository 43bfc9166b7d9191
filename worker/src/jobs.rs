//! The handlers, one file each.

pub(crate) mod backfill;
pub(crate) mod backfill_project;
pub(crate) mod poll_updates;
pub(crate) mod refresh_views;
pub(crate) mod sync_directory;
pub(crate) mod sync_issue;
pub(crate) mod sync_touched;
