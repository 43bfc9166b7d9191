//! Traces as a collector gets them: real processes send OTLP over HTTP to a receiver of this test's.

use std::{
    collections::{HashMap, HashSet},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use simulator::{Fault, Route};
use tests::{FleetOptions, TestFleet};

use crate::crash::{binary, command, free_address, until};

/// Spans by whoever sent them.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<(String, Span)>>>);

impl Received {
    fn take(&self, body: &[u8]) {
        let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
        let mut all = self.0.lock().unwrap();
        for of_one in request.resource_spans {
            let service = text(&of_one.resource.unwrap().attributes, "service.name").unwrap();
            let spans = of_one.scope_spans.into_iter().flat_map(|scope| scope.spans);
            all.extend(spans.map(|span| (service.clone(), span)));
        }
    }

    /// The spans of that name, with the service they are from.
    fn named(&self, name: &str) -> Vec<(String, Span)> {
        self.0.lock().unwrap().iter().filter(|(_, span)| span.name == name).cloned().collect()
    }

    fn all(&self) -> Vec<(String, Span)> {
        self.0.lock().unwrap().clone()
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

async fn collector() -> (Received, String) {
    let received = Received::default();
    let app = Router::new()
        .route("/v1/traces", post(async |State(received): State<Received>, body: Bytes| received.take(&body)))
        .with_state(received.clone());
    let listener = listener::Listener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener::serve(listener, app, tokio_util::sync::CancellationToken::new()));
    (received, format!("http://{address}"))
}

struct Process {
    child: Child,
    metrics: SocketAddr,
    key_file: PathBuf,
}

impl Process {
    fn start(fleet: &TestFleet, args: &[&str], collector: &str) -> Self {
        let metrics = free_address();
        let key_file = std::env::temp_dir().join(format!("jirafleet-traces-{}", metrics.port()));
        std::fs::write(&key_file, "5a".repeat(32)).unwrap();
        let child = command(fleet, &key_file, args)
            .args(["--metrics-listen", &metrics.to_string(), "--otlp-endpoint", collector])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, metrics, key_file }
    }

    /// A figure of this process, summed over its labels.
    async fn figure(&self, name: &str) -> f64 {
        let Ok(answer) = reqwest::get(format!("http://{}/metrics", self.metrics)).await else { return 0.0 };
        let page = answer.text().await.unwrap();
        let lines = page.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The collector listens meanwhile: its thread is this one.
    async fn ends_well_within(mut self, patience: Duration) {
        let began = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || self.child.wait()).await.unwrap();
        assert!(ended.unwrap().success());
        assert!(began.elapsed() < patience, "{:?}", began.elapsed());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.key_file);
    }
}

async fn fleet() -> TestFleet {
    TestFleet::with(FleetOptions { worker: false, ..FleetOptions::default() }).await
}

/// A gateway process to which the simulated Jira sends its webhooks.
async fn gateway(fleet: &TestFleet, collector: &str) -> Process {
    let address = free_address();
    let process = Process::start(fleet, &["gateway", "--gateway-listen", &address.to_string()], collector);
    until(|| async { tokio::net::TcpStream::connect(address).await.is_ok() }).await;
    fleet.jira().set_webhook(&format!("http://{address}/webhooks/{}", fleet.instance.name), &fleet.webhook_secret);
    process
}

async fn edit(fleet: &TestFleet, key: &str, words: &str) {
    fleet.jira().edit(key, |issue| issue.summary = words.to_owned()).unwrap();
    fleet.jira().webhooks_idle().await;
}

const WORKER: [&str; 3] = ["worker", "--queues", "live=2"];

#[tokio::test]
async fn a_webhook_is_one_trace_from_the_gateway_to_the_rows() {
    let (fleet, (received, address)) = (fleet().await, collector().await);
    let (_gateway, worker) = (gateway(&fleet, &address).await, Process::start(&fleet, &WORKER, &address));
    let key = fleet.jira().issue_keys()[0].clone();
    edit(&fleet, &key, "one trace").await;
    until(|| async { !received.named("apply").is_empty() && !received.named("webhook").is_empty() }).await;
    fleet.drain().await;
    worker.ends_well_within(Duration::from_secs(10)).await;

    let (service, webhook) = &received.named("webhook")[0];
    assert_eq!(service, "jirafleet-gateway");
    assert_eq!(text(&webhook.attributes, "http.response.status_code").as_deref(), Some("202"));
    assert_eq!(text(&webhook.attributes, "instance.id"), Some(fleet.instance.id.to_string()));
    let spans: HashMap<Vec<u8>, (String, Span)> = received
        .all()
        .into_iter()
        .filter(|(_, span)| span.trace_id == webhook.trace_id)
        .map(|(service, span)| (span.span_id.clone(), (service, span)))
        .collect();
    let of_trace = |name: &str| {
        let found = spans.values().find(|(_, span)| span.name == name);
        found.unwrap_or_else(|| {
            panic!("no {name} in the trace: {:?}", spans.values().map(|(_, s)| &s.name).collect::<Vec<_>>())
        })
    };
    let parent = |name: &str| spans.get(&of_trace(name).1.parent_span_id).map(|(_, span)| span.name.as_str());
    assert_eq!(parent("send"), Some("webhook"));
    assert_eq!(parent("process live"), Some("webhook"));
    assert_eq!(of_trace("process live").0, "jirafleet-worker");
    assert_eq!(parent("/issue/bulkfetch"), Some("process live"));
    // The gateway, too, has one: it reads the secret.
    let transaction = &spans[&of_trace("apply").1.parent_span_id].1;
    assert_eq!(transaction.name, "transaction");
    assert_eq!(spans[&transaction.parent_span_id].1.name, "process live");
    assert_eq!(parent("drop from cache"), Some("transaction"));
    let job = &of_trace("process live").1;
    assert_eq!(text(&job.attributes, "job.kind").as_deref(), Some("sync_touched"));
    assert_eq!(text(&job.attributes, "tenant.id"), Some(fleet.instance.tenant.to_string()));
    for (_, span) in spans.values() {
        let words = format!("{span:?}");
        assert!(!words.contains("one trace") && !words.contains('@'), "contents in a span: {words}");
    }
}

#[tokio::test]
async fn a_job_points_at_every_webhook_that_was_merged_into_it() {
    let (fleet, (received, address)) = (fleet().await, collector().await);
    let _gateway = gateway(&fleet, &address).await;
    let key = fleet.jira().issue_keys()[0].clone();
    for n in 0..3 {
        edit(&fleet, &key, &format!("edit {n}")).await;
    }
    until(|| async { received.named("webhook").len() == 3 }).await;
    let worker = Process::start(&fleet, &WORKER, &address);
    until(|| async { !received.named("process live").is_empty() }).await;
    worker.ends_well_within(Duration::from_secs(10)).await;
    let jobs = received.named("process live");
    let jobs = jobs.iter().filter(|(_, span)| text(&span.attributes, "job.kind").as_deref() == Some("sync_touched"));
    let links = &jobs.map(|(_, span)| span).max_by_key(|span| span.links.len()).unwrap().links;
    for (_, webhook) in received.named("webhook") {
        let points = links.iter().any(|link| link.trace_id == webhook.trace_id && link.span_id == webhook.span_id);
        assert!(points, "no link to one of three webhooks: {links:?}");
    }
    assert_eq!(links.len(), 3);
}

#[tokio::test]
async fn another_try_is_another_span_of_the_same_trace_with_the_same_link() {
    let (fleet, (received, address)) = (fleet().await, collector().await);
    let _gateway = gateway(&fleet, &address).await;
    // Something else than Jira answers once: the job is put off.
    fleet.jira().fail_next(Route::BulkFetch, 1, &Fault::Html);
    let key = fleet.jira().issue_keys()[0].clone();
    edit(&fleet, &key, "tried twice").await;
    let worker = Process::start(&fleet, &WORKER, &address);
    fleet.drain().await;
    worker.ends_well_within(Duration::from_secs(10)).await;
    let (_, webhook) = &received.named("webhook")[0];
    let tries: Vec<Span> = received.named("process live").into_iter().map(|(_, span)| span).collect();
    let is_try = |span: &&Span| text(&span.attributes, "job.kind").as_deref() == Some("sync_touched");
    let tries: Vec<&Span> = tries.iter().filter(is_try).filter(|span| span.trace_id == webhook.trace_id).collect();
    let of = |attribute: &str| tries.iter().filter_map(|span| text(&span.attributes, attribute)).collect::<Vec<_>>();
    assert_eq!((tries.len(), of("error.code")), (2, vec!["jira.not_jira".to_owned()]));
    assert_eq!(of("job.id").iter().collect::<HashSet<_>>().len(), 1);
    for span in tries {
        assert!(span.links.iter().any(|link| link.span_id == webhook.span_id), "no link: {span:?}");
    }
}

#[tokio::test]
async fn a_trace_that_came_with_a_webhook_goes_on() {
    let (fleet, (received, address)) = (fleet().await, collector().await);
    let gateway_address = free_address();
    let args = ["gateway", "--gateway-listen", &gateway_address.to_string()];
    let _gateway = Process::start(&fleet, &args, &address);
    until(|| async { tokio::net::TcpStream::connect(gateway_address).await.is_ok() }).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = reqwest::Client::new()
        .post(format!("http://{gateway_address}/webhooks/{}", fleet.instance.name))
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    until(|| async { !received.named("webhook").is_empty() }).await;
    let (_, webhook) = &received.named("webhook")[0];
    assert_eq!(
        (hex::encode(&webhook.trace_id), hex::encode(&webhook.parent_span_id)),
        (trace.to_owned(), "00f067aa0ba902b7".to_owned())
    );
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_nobody_up() {
    let fleet = fleet().await;
    // Takes connections into its backlog and says nothing.
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", hole.local_addr().unwrap());
    let (_gateway, worker) = (gateway(&fleet, &address).await, Process::start(&fleet, &WORKER, &address));
    until(|| async { worker.figure("jirafleet_build_info").await > 0.0 }).await;
    let keys = fleet.jira().issue_keys();
    for (n, key) in keys.iter().enumerate() {
        edit(&fleet, key, &format!("edit {n}")).await;
    }
    fleet.drain().await;
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(fleet.row(key).await.unwrap().summary, format!("edit {n}"));
    }
    until(|| async { worker.figure("jirafleet_trace_spans_total{outcome=\"failed\"}").await > 0.0 }).await;
    assert_eq!(worker.figure("jirafleet_trace_spans_total{outcome=\"sent\"}").await, 0.0);
    worker.ends_well_within(Duration::from_secs(8)).await;
}

#[tokio::test]
async fn a_collectors_address_that_cannot_be_one_is_refused() {
    let output = Command::new(binary()).args(["worker", "--otlp-endpoint", "collector:4317"]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("http://127.0.0.1:4318"));
}
