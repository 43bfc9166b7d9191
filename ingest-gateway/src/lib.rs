//! Takes Jira's webhooks: proves who sent them, keeps which issues they are about, and forgets the rest.
//!
//! A webhook is a hint that says *look again*. It is taken when Redis has the hint, and not before.

mod body;
mod deliveries;
mod gap;
mod heard;
mod limits;
mod proof;
mod secrets;
mod signature;
mod token;
mod verdict;
mod webhook;

use std::{convert::Infallible, sync::Arc};

use axum::{Router, routing::post};
use listener::{
    Listener,
    health::{self, Readiness},
};
use queue::Producer;
use store::Store;
use tokio_util::sync::CancellationToken;

pub use limits::Limits;

use crate::webhook::Gate;

/// What the gateway works with.
pub struct Gateway {
    /// A bound port.
    pub listener: Listener,
    /// Where webhook secrets are.
    pub store: Store,
    /// Where touched issues go.
    pub producer: Producer,
    /// How much is taken at once.
    pub limits: Limits,
}

/// Answers `POST /webhooks/{instance}`, `/healthz` and `/readyz` until `shutdown`; then requests that are open are still
/// answered, within the listener's drain time. Servers that are away are answers (503), not errors.
pub async fn serve(gateway: Gateway, shutdown: CancellationToken) -> Result<(), Infallible> {
    let Gateway { listener, store, producer, limits } = gateway;
    let readiness = readiness(producer.clone()).until(shutdown.clone());
    let gaps = gap::watch(store.clone(), producer.clone(), shutdown.clone());
    let gate = Arc::new(Gate::new(store, producer, &limits));
    let app = Router::new()
        .route("/webhooks/{instance}", post(webhook::receive))
        .with_state(gate)
        .merge(health::routes(readiness));
    tokio::join!(listener::serve(listener, app, shutdown), gaps);
    Ok(())
}

/// PostgreSQL is not asked: without it, webhooks of senders that are remembered are still taken.
fn readiness(producer: Producer) -> Readiness {
    Readiness::new().check("redis", move || {
        let producer = producer.clone();
        async move { producer.ping().await.map_err(|_| "away".to_owned()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_run_beside_others() {
        fn spawnable<F: Future + Send + 'static>(_: fn(Gateway, CancellationToken) -> F) {}
        spawnable(serve);
    }
}
