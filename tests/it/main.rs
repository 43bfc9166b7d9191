//! Everything that needs PostgreSQL, Redis or HTTP: one binary, so that the servers start once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod access;
mod backfill;
mod bad_input;
mod budget;
mod cli;
mod conformance;
mod contract;
mod crash;
mod demo;
mod identity;
mod migrations;
mod operate;
mod outage;
mod pitfalls;
mod poll;
mod private_servers;
mod queue;
mod recorded;
mod search;
mod seed;
mod store;
mod tenancy;
mod walls;
mod webhook;
mod zones;
