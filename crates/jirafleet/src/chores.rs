//! What operators ask for by command line.

pub(crate) mod backfill;
pub(crate) mod instance;
pub(crate) mod migrate;
pub(crate) mod simulate;
pub(crate) mod sync;
pub(crate) mod tenant;
pub(crate) mod verify;
