//! What operators ask for by command line.

pub(crate) mod apikey;
pub(crate) mod audit;
pub(crate) mod backfill;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod dead;
pub(crate) mod doctor;
pub(crate) mod instance;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod migrate;
pub(crate) mod queue;
pub(crate) mod schedule;
pub(crate) mod seed;
pub(crate) mod simulate;
pub(crate) mod sync;
pub(crate) mod tenant;
mod told;
pub(crate) mod verify;
pub(crate) mod webhook;
