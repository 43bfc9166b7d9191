//! Spans to a collector of OpenTelemetry, over OTLP: from a queue that is bounded, by a thread of its own.
//!
//! Nothing that works ever waits for it: what does not fit is dropped, what the collector does not take is lost, and both are
//! counted. Without an address nothing of this is built.

use std::{
    sync::{Arc, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor},
};
use tokio::{sync::mpsc, time::Instant};
use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::FilterFn, registry::LookupSpan};

use super::VERSION;
use crate::exit::Failed;

/// Spans that wait at most: a few megabytes.
const WAITING: usize = 4096;

/// Spans of one request.
const BATCH: usize = 512;

/// How long the first span of a batch waits for more.
const GATHER: Duration = Duration::from_millis(500);

/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of the process waits for the last spans.
const GOODBYE: Duration = Duration::from_secs(2);

/// Whose spans are sent: not those of libraries.
const OURS: [&str; 8] = ["api", "ingest_gateway", "jira", "jirafleet", "queue", "scheduler", "store", "worker"];

enum Word {
    Span(Box<SpanData>),
    /// Answered when all that came before was sent, or lost.
    Flush(std_mpsc::Sender<()>),
}

/// The way to the collector.
#[derive(Clone)]
pub(crate) struct Spans {
    provider: SdkTracerProvider,
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line(mpsc::Sender<Word>);

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Span(_) => "span",
            Self::Flush(_) => "flush",
        })
    }
}

impl Spans {
    /// Begins to send; `endpoint` is the collector's address, with or without the path of OTLP over HTTP.
    pub(super) fn start(process: &'static str, endpoint: &str) -> Result<Self, Failed> {
        let cannot = |error: String| Failed::configuration(format!("spans cannot be sent to {endpoint}: {error}"));
        if !(endpoint.starts_with("http://") || endpoint.starts_with("https://")) {
            return Err(cannot("give an address like http://127.0.0.1:4318".to_owned()));
        }
        let url = match endpoint.trim_end_matches('/') {
            whole if whole.ends_with("/v1/traces") => whole.to_owned(),
            base => format!("{base}/v1/traces"),
        };
        let exporter = SpanExporter::builder().with_http().with_endpoint(url).with_timeout(PATIENCE).build();
        let mut exporter = exporter.map_err(|error| cannot(error.to_string()))?;
        let resource = Resource::builder()
            .with_service_name(format!("jirafleet-{process}"))
            .with_attributes([
                KeyValue::new("service.namespace", "jirafleet"),
                KeyValue::new("service.version", VERSION),
                KeyValue::new("process.pid", i64::from(std::process::id())),
            ])
            .build();
        exporter.set_resource(&resource);
        let (sender, line) = mpsc::channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failed::bug(format!("the spans' runtime does not start: {error}")))?;
        thread::Builder::new()
            .name("spans".to_owned())
            .spawn(move || runtime.block_on(send(line, exporter)))
            .map_err(|error| Failed::bug(format!("the spans' thread does not start: {error}")))?;
        let line = Arc::new(Line(sender));
        let provider =
            SdkTracerProvider::builder().with_span_processor(Shared(line.clone())).with_resource(resource).build();
        Ok(Self { provider, line })
    }

    /// What turns spans of this program into such that are sent. No event of the log goes along.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + 'static
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let is_ours = |metadata: &tracing::Metadata<'_>| {
            let root = metadata.target().split("::").next().unwrap_or_default();
            metadata.is_span() && *metadata.level() <= Level::DEBUG && OURS.contains(&root)
        };
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("jirafleet"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(FilterFn::new(is_ours).with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Waits a moment for what is still to be sent.
    pub(crate) fn flush(&self) {
        let (told, done) = std_mpsc::channel();
        if self.line.0.try_send(Word::Flush(told)).is_ok() {
            let _ = done.recv_timeout(GOODBYE);
        }
    }
}

/// The SDK wants to own its processor.
#[derive(Debug)]
struct Shared(Arc<Line>);

impl SpanProcessor for Shared {
    fn on_start(&self, _span: &mut Span, _context: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.0.0.try_send(Word::Span(Box::new(span))).is_err() {
            count("dropped", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Sends until nobody can ask for it any more.
async fn send(mut line: mpsc::Receiver<Word>, exporter: SpanExporter) {
    let mut is_away = false;
    while let Some(first) = line.recv().await {
        let (batch, asked) = gather(first, &mut line).await;
        let spans = batch.len() as u64;
        if spans > 0 {
            let sent = tokio::time::timeout(PATIENCE, exporter.export(batch)).await;
            let failed = match sent {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
            };
            count(if failed.is_some() { "failed" } else { "sent" }, spans);
            match &failed {
                Some(error) if !is_away => tracing::warn!(
                    error.code = "collector.unavailable",
                    error,
                    "the collector does not take spans; they are lost"
                ),
                None if is_away => tracing::info!("the collector takes spans again"),
                _ => {}
            }
            is_away = failed.is_some();
        }
        if let Some(asked) = asked {
            let _ = asked.send(());
        }
    }
}

/// As many as come in a moment, and who waits for them to be gone.
async fn gather(first: Word, line: &mut mpsc::Receiver<Word>) -> (Vec<SpanData>, Option<std_mpsc::Sender<()>>) {
    let (mut batch, until) = (Vec::new(), Instant::now() + GATHER);
    let mut next = Some(first);
    while let Some(word) = next {
        match word {
            Word::Span(span) => batch.push(*span),
            Word::Flush(asked) => return (batch, Some(asked)),
        }
        if batch.len() == BATCH {
            break;
        }
        next = tokio::time::timeout_at(until, line.recv()).await.ok().flatten();
    }
    (batch, None)
}

fn count(outcome: &'static str, spans: u64) {
    metrics::counter!("jirafleet_trace_spans_total", "outcome" => outcome).increment(spans);
}
