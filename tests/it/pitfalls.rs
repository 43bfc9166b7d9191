//! Pitfalls that other connectors to Jira fell into, one test each: what went wrong there, and that it does not here.

pub(crate) mod desk;
mod gone;
mod grants;
mod reading;
mod relay;
mod searching;
mod signing_in;
mod writing;
