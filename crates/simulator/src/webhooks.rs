//! Sends what changed to the mirror's gateway: signed, tried again when it fails, at most twenty at a time.

mod mischief;
pub(crate) mod payload;

pub use mischief::Mischief;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use sha2::Sha256;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::world::World;
use mischief::{Fate, Fortune};

/// Jira's limit of parallel primary deliveries per site and receiver (facts 6.3).
const PARALLEL: usize = 20;

/// One webhook on its way; the body's bytes are what is signed.
#[derive(Clone)]
pub(crate) struct Delivery {
    /// The same on every try.
    pub(crate) identifier: String,
    pub(crate) event: &'static str,
    pub(crate) body: Bytes,
}

impl Delivery {
    fn forged(self) -> Self {
        Self { identifier: format!("{:032x}", rand::random::<u128>()), ..self }
    }
}

/// What became of the deliveries so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// Answered with 2xx.
    pub taken: u64,
    /// Answered with a status that Jira does not try again (400, 401, 404 ..).
    pub refused: u64,
    /// Given up after the last try.
    pub lost: u64,
    /// Never sent, by `World::set_mischief`.
    pub dropped: u64,
    /// Tries in all, including the first ones.
    pub tries: u64,
}

#[derive(Clone)]
struct Receiver {
    url: String,
    secret: String,
}

/// Where edits leave their webhooks, in order.
pub(crate) struct Outbox {
    receiver: Mutex<Option<Receiver>>,
    line: mpsc::UnboundedSender<(Delivery, Fate)>,
    /// Taken by the sender when the site is served.
    far_end: Mutex<Option<mpsc::UnboundedReceiver<(Delivery, Fate)>>>,
    fortune: Mutex<Fortune>,
    /// Deliveries posted and not settled; watched by `webhooks_idle`.
    open: watch::Sender<usize>,
    done: Mutex<Deliveries>,
    pauses: Vec<Duration>,
    timeout: Duration,
}

impl Outbox {
    pub(crate) fn new(config: &Config) -> Self {
        let (line, far_end) = mpsc::unbounded_channel();
        Self {
            receiver: Mutex::default(),
            line,
            far_end: Mutex::new(Some(far_end)),
            fortune: Mutex::new(Fortune::new(config.seed)),
            open: watch::Sender::new(0),
            done: Mutex::default(),
            pauses: config.webhook_retries.clone(),
            timeout: config.webhook_timeout,
        }
    }

    pub(crate) fn has_receiver(&self) -> bool {
        lock(&self.receiver).is_some()
    }

    /// Hands a webhook to the sender, as often as its fortune has it.
    pub(crate) fn post(&self, delivery: &Delivery) {
        let fates = lock(&self.fortune).draw();
        if fates.iter().all(|fate| fate.forged) {
            lock(&self.done).dropped += 1;
        }
        for fate in fates {
            self.open.send_modify(|open| *open += 1);
            if self.line.send((delivery.clone(), fate)).is_err() {
                self.settle(|done| done.lost += 1);
            }
        }
    }

    fn settle(&self, count: impl FnOnce(&mut Deliveries)) {
        count(&mut lock(&self.done));
        self.open.send_modify(|open| *open = open.saturating_sub(1));
    }
}

impl World {
    /// Where webhooks go from now on, and the secret they are signed with.
    pub fn set_webhook(&self, url: &str, secret: &str) {
        let receiver = Receiver { url: url.to_owned(), secret: secret.to_owned() };
        *lock(&self.outbox.receiver) = Some(receiver);
    }

    /// Sends no webhooks from now on; those on their way still go out.
    pub fn clear_webhook(&self) {
        *lock(&self.outbox.receiver) = None;
    }

    /// Waits until every delivery is taken, refused or given up. Only a served site delivers.
    pub async fn webhooks_idle(&self) {
        // The sender lives as long as the world: waiting cannot fail.
        let _ = self.outbox.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// What became of the webhooks so far.
    pub fn deliveries(&self) -> Deliveries {
        *lock(&self.outbox.done)
    }
}

/// Takes deliveries in order and sends them side by side until the site stops.
pub(crate) async fn send_all(world: Arc<World>, client: reqwest::Client, stop: CancellationToken) {
    let Some(mut line) = lock(&world.outbox.far_end).take() else { return };
    let (slots, tries) = (Arc::new(Semaphore::new(PARALLEL)), TaskTracker::new());
    loop {
        let next = tokio::select! {
            next = line.recv() => next,
            () = stop.cancelled() => None,
        };
        let Some((delivery, fate)) = next else { break };
        // Waiting for a slot here keeps the first tries in the order of the edits; who is held back waits later.
        let slot = if fate.delay.is_zero() { slots.clone().acquire_owned().await.ok() } else { None };
        let courier = Courier { world: world.clone(), client: client.clone(), slots: slots.clone() };
        let stop = stop.clone();
        tries.spawn(async move { stop.run_until_cancelled(courier.deliver(delivery, fate, slot)).await });
    }
    tries.close();
    tries.wait().await;
    // Nobody is left to settle what was cut short: whoever waits must not wait for ever.
    world.outbox.open.send_replace(0);
}

struct Courier {
    world: Arc<World>,
    client: reqwest::Client,
    slots: Arc<Semaphore>,
}

enum Outcome {
    Taken,
    Refused,
    TryAgain,
}

impl Courier {
    async fn deliver(self, delivery: Delivery, fate: Fate, mut first: Option<OwnedSemaphorePermit>) {
        let (delivery, secret) = match fate.forged {
            true => (delivery.forged(), Some("not the secret")),
            false => (delivery, None),
        };
        if !fate.delay.is_zero() {
            tokio::time::sleep(fate.delay).await;
        }
        let pauses = self.world.outbox.pauses.clone();
        for (tries, pause) in pauses.into_iter().map(Some).chain([None]).enumerate() {
            let slot = match first.take() {
                Some(slot) => Some(slot),
                None => self.slots.clone().acquire_owned().await.ok(),
            };
            let outcome = self.try_once(&delivery, secret, tries).await;
            drop(slot);
            match (outcome, pause) {
                (Outcome::Taken, _) => return self.world.outbox.settle(|done| done.taken += 1),
                (Outcome::Refused, _) => return self.world.outbox.settle(|done| done.refused += 1),
                (Outcome::TryAgain, Some(pause)) => tokio::time::sleep(pause).await,
                (Outcome::TryAgain, None) => break,
            }
        }
        tracing::warn!(webhook.event = delivery.event, "the simulated site gave a webhook up after its last try");
        self.world.outbox.settle(|done| done.lost += 1);
    }

    async fn try_once(&self, delivery: &Delivery, secret: Option<&str>, tries: usize) -> Outcome {
        let outbox = &self.world.outbox;
        lock(&outbox.done).tries += 1;
        let Some(receiver) = lock(&outbox.receiver).clone() else { return Outcome::Refused };
        let mut request = self
            .client
            .post(&receiver.url)
            .timeout(outbox.timeout)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(USER_AGENT, "Atlassian Webhook HTTP Client")
            .header("X-Atlassian-Webhook-Identifier", &delivery.identifier)
            .header("X-Atlassian-Webhook-Flow", "Primary")
            .header("X-Hub-Signature", signature(secret.unwrap_or(&receiver.secret), &delivery.body));
        if tries > 0 {
            request = request.header("X-Atlassian-Webhook-Retry", tries.to_string());
        }
        match request.body(delivery.body.clone()).send().await {
            Ok(answer) => judge(answer.status().as_u16()),
            Err(_) => Outcome::TryAgain,
        }
    }
}

/// Which answers Jira tries again (facts 6.3).
fn judge(status: u16) -> Outcome {
    match status {
        200..300 => Outcome::Taken,
        408 | 409 | 425 | 429 | 500..600 => Outcome::TryAgain,
        _ => Outcome::Refused,
    }
}

/// `sha256=<hex>`: HMAC of exactly these bytes.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_agrees_with_the_published_vector() {
        let expected = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
        assert_eq!(signature("It's a Secret to Everybody", b"Hello World!"), expected);
    }
}
