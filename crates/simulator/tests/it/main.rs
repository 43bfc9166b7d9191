//! The simulated site as a client meets it: over HTTP, on a loopback port.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod access;
mod client;
mod comments;
mod creation;
mod faults;
mod garbage;
mod hooks;
mod lateness;
mod lifecycle;
mod limits;
mod links;
mod lists;
mod reads;
mod receiver;
mod retries;
mod search;
mod told;
mod versions;
mod webhooks;
mod worklogs;
mod writes;
mod zones;
