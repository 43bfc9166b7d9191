//! One webhook, from bytes to a promise: read it, prove it, understand which issues it is about, and have Redis say yes.
//!
//! Nothing of its contents goes further than the ids, into no log and into no job.

use std::{sync::Arc, time::Instant};

use axum::extract::{Path, Request, State, rejection::PathRejection};
use bytes::Bytes;
use chrono::Utc;
use domain::{InstanceId, WebhookEvent};
use queue::{Job, Producer};
use store::Store;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    Limits,
    body::Reader,
    deliveries::Deliveries,
    heard::Heard,
    proof::Proof,
    secrets::{Answer, Secrets, Sender},
    verdict::Verdict,
};

/// From this size on, hashing and parsing would hold up the other webhooks of this thread.
const LARGE: usize = 256 * 1024;

/// What every webhook is judged with.
pub(crate) struct Gate {
    reader: Reader,
    secrets: Secrets,
    producer: Producer,
    deliveries: Deliveries,
    heard: Heard,
}

/// `POST /webhooks/{instance}`.
pub(crate) async fn receive(
    State(gate): State<Arc<Gate>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Verdict {
    let began = Instant::now();
    let name = name.map_or_else(|_| String::new(), |Path(name)| name);
    let span = tracing::info_span!(
        "webhook",
        otel.kind = "server",
        request.id = %Uuid::now_v7(),
        instance.id = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
    );
    trace_context::go_on(&span, request.headers().get("traceparent").and_then(|parent| parent.to_str().ok()));
    let verdict = gate.judge(&name, request).instrument(span.clone()).await.unwrap_or_else(|refusal| refusal);
    span.record("http.response.status_code", verdict.status().as_u16());
    span.in_scope(|| {
        tracing::debug!(verdict = verdict.name(), duration_ms = began.elapsed().as_millis(), "a webhook was judged");
    });
    metrics::counter!("jirafleet_webhooks_received_total", "verdict" => verdict.name()).increment(1);
    metrics::histogram!("jirafleet_webhook_ack_seconds", "verdict" => verdict.name()).record(began.elapsed());
    verdict
}

impl Gate {
    /// A gate that knows no secret yet.
    pub(crate) fn new(store: Store, producer: Producer, limits: &Limits) -> Self {
        Self {
            reader: Reader::new(limits),
            secrets: Secrets::new(store),
            producer,
            deliveries: Deliveries::default(),
            heard: Heard::default(),
        }
    }

    async fn judge(&self, name: &str, request: Request) -> Result<Verdict, Verdict> {
        let (head, body) = request.into_parts();
        let body = self.reader.read(&head.headers, body).await.map_err(Verdict::Unread)?;
        let claimed = Proof::of(&head.headers);
        let sender = self.prove(name, &claimed, &body.bytes).await?;
        tracing::Span::current().record("instance.id", tracing::field::display(sender.instance));
        self.heard.note(&self.producer, sender.instance);
        let event = understand(body.bytes.clone()).await?;
        drop(body);
        let delivery = self.deliveries.of(sender.instance, &head.headers, claimed.signature());
        if self.deliveries.came_before(delivery) {
            return Ok(Verdict::Duplicate);
        }
        let verdict = self.pass_on(sender.instance, event).await?;
        self.deliveries.remember(delivery);
        Ok(verdict)
    }

    /// Who sent it. A signature that fails under an answer of some age is tried once more under a fresh one, so that a
    /// rotated secret and a new instance work at once.
    async fn prove(&self, name: &str, claimed: &Proof, body: &Bytes) -> Result<Arc<Sender>, Verdict> {
        let now = Instant::now();
        let remembered = self.secrets.remembered(name, now);
        if let Some(known) = remembered.as_ref().filter(|known| known.is_current(now)) {
            if let Some(sender) = proven(&known.answer, claimed, body).await {
                return Ok(sender);
            }
            if known.is_fresh(now) {
                return Err(Verdict::Unproven);
            }
        }
        match self.secrets.ask(name, now).await {
            Ok(answer) => proven(&answer, claimed, body).await.ok_or(Verdict::Unproven),
            Err(error) => {
                tracing::warn!(error.code = error.code(), error = %error, "a webhook secret could not be looked up");
                let stand_in = remembered.map(|known| known.answer).unwrap_or_default();
                proven(&stand_in, claimed, body).await.ok_or(Verdict::NoSecret)
            }
        }
    }

    /// Says "look again" to Redis, and believes it only when Redis said yes.
    async fn pass_on(&self, instance: InstanceId, event: WebhookEvent) -> Result<Verdict, Verdict> {
        let done = match event {
            WebhookEvent::IssuesTouched { issues } => self.producer.touch(instance, &issues, Utc::now()).await,
            WebhookEvent::DirectoryTouched => self.producer.enqueue(Job::SyncDirectory { instance }).await.map(|_| ()),
            WebhookEvent::SprintTouched { sprint } => {
                self.producer.enqueue(Job::SyncSprint { instance, sprint }).await.map(|_| ())
            }
            WebhookEvent::Ignored => return Ok(Verdict::Ignored),
        };
        done.map(|()| Verdict::Taken).map_err(|error| {
            tracing::warn!(instance.id = %instance, error.code = error.code(), error = %error, "a webhook was not taken; Jira sends it again");
            Verdict::NoQueue
        })
    }
}

/// The sender, if what is shown proves it.
async fn proven(answer: &Answer, claimed: &Proof, body: &Bytes) -> Option<Arc<Sender>> {
    let (sender, claimed, sent) = (answer.clone(), claimed.clone(), body.clone());
    let proves = move || claimed.convinces(sender.as_deref(), &sent);
    let proven = off_the_thread_if_large(body.len(), proves).await;
    answer.clone().filter(|_| proven)
}

async fn understand(body: Bytes) -> Result<WebhookEvent, Verdict> {
    off_the_thread_if_large(body.len(), move || WebhookEvent::parse(&body)).await.map_err(|_| Verdict::NotJson)
}

async fn off_the_thread_if_large<T: Send + 'static>(size: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if size < LARGE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
