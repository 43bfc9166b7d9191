//! Everything that needs PostgreSQL, Redis or HTTP: one binary, so that the servers start once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod access;
mod audit;
mod backfill;
mod bad_input;
mod budget;
mod cache;
mod census;
mod cli;
mod conformance;
mod contract;
mod convergence;
mod crash;
mod day;
mod demo;
mod hostile;
mod identity;
mod migrations;
mod operate;
mod outage;
mod pitfalls;
mod poll;
mod private_servers;
mod queue;
mod reconcile;
mod recorded;
mod search;
mod secrets;
mod seed;
mod store;
mod tenancy;
mod views;
mod walls;
mod webhook;
mod webhook_life;
mod zones;
