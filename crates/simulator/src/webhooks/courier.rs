//! Sends what is due, side by side within the slots, and decides what a receiver's answer means.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::agenda::LaneKey;
use super::parcel::{Parcel, Seal};
use super::registry::Failed;
use super::{Deliveries, Outbox, lock};
use crate::world::World;

/// Takes parcels as they fall due and sends them until the site stops.
pub(crate) async fn send_all(world: Arc<World>, client: reqwest::Client, stop: CancellationToken) {
    let (outbox, tries) = (&world.outbox, TaskTracker::new());
    while !stop.is_cancelled() {
        while let Some((due, parcel)) = outbox.take(world.now()) {
            let (courier, stop) = (Courier { world: world.clone(), client: client.clone() }, stop.clone());
            tries.spawn(async move { stop.run_until_cancelled(courier.deliver(due, parcel)).await });
        }
        let next = lock(&outbox.agenda).next_due();
        let moment = async {
            match next {
                Some(at) => world.clock.reach(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = outbox.bell.notified() => {}
            () = moment => {}
            () = stop.cancelled() => {}
        }
    }
    tries.close();
    tries.wait().await;
    // Nobody is left to settle what was cut short: whoever waits must not wait for ever.
    lock(&outbox.agenda).close();
    outbox.changed.send_replace(());
}

impl Outbox {
    fn take(&self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Parcel)> {
        lock(&self.agenda).take(now)
    }

    /// Frees the slot in a lane. A parcel to be tried again is in the agenda before, so that nobody sees an empty one.
    fn settle(&self, lane: &LaneKey, count: impl FnOnce(&mut Deliveries)) {
        count(&mut lock(&self.done));
        lock(&self.agenda).finish(lane);
        self.bell.notify_one();
        self.changed.send_replace(());
    }
}

struct Courier {
    world: Arc<World>,
    client: reqwest::Client,
}

enum Outcome {
    Taken,
    Refused,
    TryAgain,
}

impl Courier {
    async fn deliver(self, due: DateTime<Utc>, mut parcel: Parcel) {
        let outbox = &self.world.outbox;
        let at = self.world.clock.happened(due);
        parcel.single = self.is_single(&parcel, at);
        let outcome = self.try_once(&parcel).await;
        match outcome {
            Outcome::Taken => {
                lock(&outbox.registry).succeeded(&parcel.hooks);
                outbox.settle(&parcel.lane(), |done| done.taken += 1);
            }
            Outcome::Refused => outbox.settle(&parcel.lane(), |done| done.refused += 1),
            Outcome::TryAgain => self.try_later(due, parcel),
        }
    }

    /// Whether a first try is the only one.
    fn is_single(&self, parcel: &Parcel, at: DateTime<Utc>) -> bool {
        let registry = lock(&self.world.outbox.registry);
        let hook = parcel.hooks.first().and_then(|id| registry.get(*id));
        if parcel.tries == 0 { hook.is_some_and(|hook| hook.is_given_up(at)) } else { parcel.single }
    }

    /// The administrator's webhook as it is registered now; one that is not any more stays what it was.
    fn look_up(&self, parcel: &mut Parcel) {
        let registry = lock(&self.world.outbox.registry);
        let hook = parcel.hooks.first().and_then(|id| registry.get(*id));
        if let Some(hook) = hook.filter(|hook| hook.admin().is_some() && !parcel.forged) {
            parcel.address = hook.address(&self.world.door.access);
        }
    }

    async fn try_once(&self, parcel: &Parcel) -> Outcome {
        let outbox = &self.world.outbox;
        lock(&outbox.done).tries += 1;
        let mut request = self
            .client
            .post(parcel.url())
            .timeout(outbox.timeout)
            .header(USER_AGENT, "Atlassian Webhook HTTP Client")
            .header("X-Atlassian-Webhook-Identifier", &parcel.identifier)
            .header("X-Atlassian-Webhook-Flow", parcel.flow.name());
        if let Some((name, value)) = self.seal(parcel) {
            request = request.header(name, value);
        }
        if parcel.tries > 0 {
            request = request.header("X-Atlassian-Webhook-Retry", parcel.tries.to_string());
        }
        if let Some(body) = &parcel.body {
            request = request.header(CONTENT_TYPE, "application/json; charset=utf-8").body(body.clone());
        }
        match request.send().await {
            Ok(answer) => judge(answer.status().as_u16()),
            Err(_) => Outcome::TryAgain,
        }
    }

    fn seal(&self, parcel: &Parcel) -> Option<(&'static str, String)> {
        parcel.address.seal.header(parcel.body.as_deref().unwrap_or_default(), self.world.now())
    }

    fn try_later(&self, due: DateTime<Utc>, mut parcel: Parcel) {
        let (outbox, at) = (&self.world.outbox, self.world.clock.happened(due));
        lock(&outbox.registry).failing(&parcel.hooks, at);
        parcel.tries += 1;
        let pause = if parcel.single { None } else { outbox.pause(parcel.tries) };
        let Some(pause) = pause else { return self.give_up(&parcel, at) };
        let lane = parcel.lane();
        self.look_up(&mut parcel);
        let again = lock(&outbox.agenda).add(at + pause, parcel);
        outbox.settle(&lane, |done| done.lost += u64::from(!again));
    }

    fn give_up(&self, parcel: &Parcel, at: DateTime<Utc>) {
        tracing::warn!(webhook.event = parcel.event, "the simulated site gave a webhook up after its last try");
        if let Seal::App { client_id, .. } = &parcel.address.seal {
            let (identifier, app) = (parcel.identifier.clone(), client_id.clone());
            let failed = Failed { identifier, body: parcel.body.clone(), url: parcel.url(), at, app };
            lock(&self.world.outbox.registry).give_up(failed);
        }
        self.world.outbox.settle(&parcel.lane(), |done| done.lost += 1);
    }
}

/// Which answers Jira tries again.
fn judge(status: u16) -> Outcome {
    match status {
        200..300 => Outcome::Taken,
        408 | 409 | 425 | 429 | 500..600 => Outcome::TryAgain,
        _ => Outcome::Refused,
    }
}
