//! Logs on stderr, figures for Prometheus, and spans for a collector if there is one.

mod logs;
mod spans;

use std::io::IsTerminal;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::{self, format::JsonFields},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::exit::Failed;
use logs::{Discreet, Flat};
pub(crate) use spans::Spans;

/// Starts logging: for people on a terminal, JSON otherwise. A process that is given a collector also sends spans to it.
pub(crate) fn start_logs(
    verbose: u8,
    process: Option<&'static str>,
    collector: Option<&str>,
) -> Result<Option<Spans>, Failed> {
    let default = match (verbose, process) {
        (0, None) => "error",
        (0, Some(_)) => "info,sqlx=warn",
        (1, _) => "debug,hyper=info,h2=info,sqlx=warn,reqwest=info,rustls=info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let spans = match (process, collector.filter(|collector| !collector.is_empty())) {
        (Some(process), Some(collector)) => Some(Spans::start(process, collector)?),
        _ => None,
    };
    // Nobody is told when stderr cannot be written: the only place to tell is stderr.
    let logs = fmt::layer::<Registry>().with_writer(Discreet).log_internal_errors(false);
    let logs = if std::io::stderr().is_terminal() {
        logs.with_target(false).with_filter(filter).boxed()
    } else {
        logs.fmt_fields(JsonFields::new()).event_format(Flat).with_filter(filter).boxed()
    };
    let layers: Vec<_> =
        [Some(logs), spans.as_ref().map(|spans| spans.layer().boxed())].into_iter().flatten().collect();
    tracing_subscriber::registry().with(layers).init();
    Ok(spans)
}

/// Starts counting; the handle renders what was counted.
pub(crate) fn start_metrics() -> Result<PrometheusHandle, Failed> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .map_err(Failed::bug)?;
    let handle = builder.install_recorder().map_err(Failed::bug)?;
    describe();
    metrics::gauge!("jirafleet_build_info", "version" => VERSION, "revision" => REVISION).set(1.0);
    Ok(handle)
}

/// The release.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, where whoever built it said so.
pub(crate) const REVISION: &str = match option_env!("JIRAFLEET_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// 0.1 and 5 are what is promised of webhooks: the alerts count by them.
const SECONDS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0];

/// What operators read about metrics is what `/metrics` says about them.
const PAGE: &str = include_str!("../../../docs/metrics.md");

/// Gives every metric its line of help.
fn describe() {
    for (name, kind, says) in PAGE.lines().filter_map(described) {
        match kind {
            "counter" => metrics::describe_counter!(name, says),
            "gauge" => metrics::describe_gauge!(name, says),
            _ => metrics::describe_histogram!(name, says),
        }
    }
}

/// Name, kind and last column of a table's row that is about a metric.
fn described(line: &'static str) -> Option<(&'static str, &'static str, &'static str)> {
    let cells: Vec<&str> = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ").collect();
    let (name, kind, says) = (*cells.first()?, *cells.get(1)?, *cells.last()?);
    Some((name.strip_suffix('`')?, kind, says))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_page_is_read() {
        let rows = PAGE.lines().filter(|line| line.contains("`jirafleet_")).count();
        let described: Vec<_> = PAGE.lines().filter_map(described).collect();
        assert_eq!(described.len(), rows);
        assert!(described.iter().all(|(name, _, says)| name.starts_with("jirafleet_") && says.ends_with('.')));
    }
}
