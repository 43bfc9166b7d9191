//! What real processes show while they work for a thousand tenants: no more than for one, what `docs/metrics.md` tells, and
//! everything that alerts and dashboards ask for.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use futures::{StreamExt, stream};
use queue::Job;
use reqwest::Client;
use simulator::{Config, Fault, Route};
use store::NewApiKey;
use tests::{FleetOptions, TestFleet};
use tokio::sync::OnceCell;

use super::{
    documented,
    series::{Selector, Series, selectors, series},
};
use crate::{bad_input::signature, crash::until_within, health::Process};

const TENANTS: usize = 1_000;

/// What one process may show, whoever it works for.
const MOST_SERIES: usize = 5_000;

/// Values of one label of one metric: routes are the most.
const MOST_VALUES: usize = 40;

/// Tenants whose work is under way at once.
const AT_ONCE: usize = 8;

/// For so many of them a worker has worked when its page is read.
const WORKED_FOR: f64 = 250.0;

/// A thousand tenants' work takes a busy machine a while.
const PATIENCE: Duration = Duration::from_secs(240);

/// Documented, and not shown by this fleet, which sends its traces nowhere.
const ONLY_WITH_A_COLLECTOR: [&str; 1] = ["jirafleet_trace_spans_total"];

/// One process's page.
struct Page {
    process: &'static str,
    text: String,
    series: Vec<Series>,
}

/// The pages of one fleet's four processes; the processes are gone when somebody reads them.
static PAGES: OnceCell<Vec<Page>> = OnceCell::const_new();

async fn pages() -> &'static [Page] {
    PAGES.get_or_init(after_a_day).await
}

#[tokio::test]
async fn a_thousand_tenants_make_no_page_longer() {
    for Page { process, series, .. } in pages().await {
        assert!(series.len() > 20, "{process} shows {} series", series.len());
        assert!(series.len() <= MOST_SERIES, "{process} shows {} series", series.len());
        let mut values: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for one in series {
            for (label, value) in &one.labels {
                let names_somebody = value.contains("tenant") || value.contains("ACME-") || is_an_id(value);
                assert!(!names_somebody, "{process}: {label} of {} is {value:?}", one.name);
                values.entry((&one.name, label)).or_default().insert(value);
            }
        }
        for ((name, label), values) in values {
            assert!(values.len() <= MOST_VALUES, "{process}: {label} of {name} has {} values", values.len());
        }
    }
}

#[tokio::test]
async fn pages_and_documentation_tell_of_the_same() {
    let documented = documented();
    let mut seen = BTreeSet::new();
    for Page { process, text, .. } in pages().await {
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            let known =
                documented.get(name).unwrap_or_else(|| panic!("{process} shows {name}, which nobody documented"));
            assert_eq!(kind, known.0, "{name} of {process}");
            assert!(text.contains(&format!("# HELP {name} ")), "{process} does not say what {name} is");
            seen.insert(name);
        }
    }
    let unseen: Vec<&str> = documented.keys().map(String::as_str).filter(|name| !seen.contains(name)).collect();
    assert_eq!(unseen, ONLY_WITH_A_COLLECTOR, "documented, and shown by nobody");
}

#[tokio::test]
async fn alerts_and_dashboards_find_what_they_ask_for() {
    let shown: Vec<&Series> = pages().await.iter().flat_map(|page| &page.series).collect();
    let asked: BTreeSet<Selector> = super::queries().iter().flat_map(|query| selectors(query)).collect();
    assert!(asked.len() > 60, "the queries were not read: {}", asked.len());
    let unanswered: Vec<&Selector> =
        asked.iter().filter(|selector| !shown.iter().any(|series| selector.takes(series))).collect();
    assert!(unanswered.is_empty(), "no process shows anything for {unanswered:?}");
}

#[tokio::test]
async fn promtool_takes_every_page() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("SKIPPED: promtool is missing (Debian: apt-get install prometheus), so no page was judged");
        return;
    }
    for Page { process, text, .. } in pages().await {
        let mut promtool = Command::new("promtool");
        promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut promtool = promtool.spawn().unwrap();
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said)).concat();
        assert!(output.status.success() && said.is_empty(), "{process}: {said}");
    }
}

/// As ids of tenants, instances and jobs look.
fn is_an_id(value: &str) -> bool {
    value.split(['/', ':', ' ']).any(|part| uuid::Uuid::parse_str(part).is_ok())
}

async fn after_a_day() -> Vec<Page> {
    let jira = Config { issues: 4, projects: 1, ..Config::default() };
    let fleet = TestFleet::judging_nothing(FleetOptions { jira, worker: false, ..FleetOptions::default() }).await;
    let key = key_of(&fleet, &fleet.instance).await;
    let others = stream::iter(0..TENANTS).map(|n| newcomer(&fleet, n)).buffer_unordered(AT_ONCE);
    let others: Vec<(domain::Instance, String)> = others.collect().await;
    let start = |name| Process::start(&fleet, name, &fleet.queues.url);
    let [gateway, worker, api] = ["gateway", "worker", "api"].map(start);
    for process in [&gateway, &worker, &api] {
        process.until_ready_is(200).await;
    }
    fleet.jira().set_webhook(&format!("http://{}/webhooks/acme", gateway.public), &fleet.webhook_secret);
    let http = Client::new();
    work(&fleet, &http, &api, &key).await;
    let visits = others.iter().enumerate().map(|(n, other)| visit(&fleet, &http, (&gateway, &api), n, other));
    stream::iter(visits).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    // It has work of all of them; whatever it told by tenant would show long before it is through.
    until_within(PATIENCE, || async { page_of(&worker).await.lines().filter_map(synced).sum::<f64>() >= WORKED_FOR })
        .await;
    let scheduler = start("scheduler");
    until_within(PATIENCE, || async { page_of(&scheduler).await.contains("jirafleet_matview_refresh_seconds") }).await;
    let turns = "jirafleet_scheduler_turns_total{line=\"poll\"";
    until_within(PATIENCE, || async { page_of(&scheduler).await.contains(turns) }).await;
    let mut pages = Vec::new();
    for (process, running) in [("gateway", gateway), ("worker", worker), ("scheduler", scheduler), ("api", api)] {
        let text = page_of(&running).await;
        pages.push(Page { process, series: text.lines().filter_map(series).collect(), text });
    }
    pages
}

/// What a line says of issues that were read again.
fn synced(line: &str) -> Option<f64> {
    let figure = line.strip_prefix("jirafleet_job_duration_seconds_count{kind=\"sync_touched\"} ")?;
    figure.parse().ok()
}

async fn page_of(process: &Process) -> String {
    process.ask("/metrics").await.unwrap_or_default().1
}

async fn newcomer(fleet: &TestFleet, n: usize) -> (domain::Instance, String) {
    let instance = fleet.add_tenant(&format!("tenant{n:04}"), 300).await;
    let key = key_of(fleet, &instance).await;
    (instance, key)
}

async fn key_of(fleet: &TestFleet, instance: &domain::Instance) -> String {
    let scopes = vec![domain::Scope::ReadIssues, domain::Scope::WriteIssues];
    let new =
        NewApiKey { name: "pages".into(), environment: "test".into(), scopes, networks: Vec::new(), expires_at: None };
    fleet.store.tenant(instance.tenant).create_api_key(new).await.unwrap().1.expose().to_owned()
}

/// A webhook about one issue of somebody, and a question about one that is not there.
async fn visit(
    fleet: &TestFleet,
    http: &Client,
    (gateway, api): (&Process, &Process),
    n: usize,
    (instance, key): &(domain::Instance, String),
) {
    let issue = fleet.jira().issue_ids()[n % 4];
    let body = format!(r#"{{"webhookEvent":"jira:issue_updated","issue":{{"id":"{issue}","key":"ACME-1"}}}}"#);
    let signature = signature(&fleet.webhook_secret, body.as_bytes());
    let webhook = http.post(format!("http://{}/webhooks/{}", gateway.public, instance.name));
    let taken = webhook.header("X-Hub-Signature", signature).body(body).send().await.unwrap();
    assert_eq!(taken.status(), 202);
    let question = http.get(format!("http://{}/api/v1/issues/TENANT-{}", api.public, n + 1)).bearer_auth(key);
    assert_eq!(question.send().await.unwrap().status(), 404);
}

/// All that a fleet does for one instance.
async fn work(fleet: &TestFleet, http: &Client, api: &Process, key: &str) {
    let instance = fleet.instance.id;
    fleet.backfill().await;
    let issue = fleet.jira().issue_keys()[0].clone();
    fleet.jira().edit(&issue, |issue| issue.summary = "edited".into()).unwrap();
    fleet.jira().fail_next(Route::BulkFetch, 1, &Fault::Status(503, None));
    fleet.poll().await;
    fleet.census().await;
    fleet.reconcile(4).await;
    let issues = format!("http://{}/api/v1/issues", api.public);
    for _ in 0..2 {
        let read = http.get(format!("{issues}/{issue}")).bearer_auth(key).send().await.unwrap();
        assert_eq!(read.status(), 200);
    }
    let comment = http.post(format!("{issues}/{issue}/comments")).bearer_auth(key);
    let comment = comment.header("content-type", "application/json").body(r#"{"body":{"markdown":"a word"}}"#);
    assert_eq!(comment.send().await.unwrap().status(), 201);
    for job in [Job::Sweep, Job::KeepWebhook { instance }] {
        fleet.producer.enqueue(job).await.unwrap();
    }
}
