//! The simulated site as a client meets it: over HTTP, on a loopback port.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod access;
mod client;
mod faults;
mod garbage;
mod hooks;
mod lateness;
mod limits;
mod reads;
mod receiver;
mod retries;
mod search;
mod webhooks;
