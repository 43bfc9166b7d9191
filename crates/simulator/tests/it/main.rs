//! The simulated site as a client meets it: over HTTP, on a loopback port.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod client;
mod faults;
mod reads;
mod search;
mod webhooks;
