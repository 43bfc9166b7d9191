//! What a demo saw, for people and as the one object of the contract.

use std::time::Duration;

use queue::QueueName;
use serde::Serialize;

use crate::{
    chores::verify::Drift,
    exit::Failed,
    output::{self, say},
    wire_up::House,
};

/// The summary. Its field names are fixed.
#[derive(Serialize)]
pub(super) struct Report {
    schema: &'static str,
    backfill: Backfill,
    webhook_to_row_ms: Latency,
    jobs: Jobs,
    mirror_equals_jira: bool,
    #[serde(skip)]
    drifts: Vec<Drift>,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Backfill {
    pub(super) issues: u64,
    pub(super) comments: u64,
    pub(super) changelogs: u64,
    pub(super) seconds: f64,
    pub(super) jira_requests: u64,
}

#[derive(Serialize)]
struct Latency {
    n: usize,
    p50: f64,
    p99: f64,
}

#[derive(Serialize)]
pub(super) struct Jobs {
    done: u64,
    dead: u64,
}

impl Report {
    pub(super) fn new(backfill: Backfill, latencies: &[Duration], jobs: Jobs, drifts: Vec<Drift>) -> Self {
        Self {
            schema: "jirafleet.demo/1",
            backfill: Backfill { seconds: rounded(backfill.seconds), ..backfill },
            webhook_to_row_ms: Latency::of(latencies),
            jobs,
            mirror_equals_jira: drifts.is_empty(),
            drifts,
        }
    }

    pub(super) fn equal(&self) -> bool {
        self.mirror_equals_jira
    }

    /// The object on stdout, or some lines for people on stderr.
    pub(super) fn print(&self, json: bool) -> Result<(), Failed> {
        for drift in self.drifts.iter().take(10) {
            say!("differs: {drift:?}");
        }
        if json {
            return output::line(serde_json::to_string(self).map_err(Failed::bug)?);
        }
        let Backfill { issues, comments, changelogs, seconds, jira_requests } = &self.backfill;
        let Latency { n, p50, p99 } = &self.webhook_to_row_ms;
        say!("");
        say!("backfill   {issues} issues, {comments} comments, {changelogs} changelog entries");
        say!("           in {seconds} s and {jira_requests} requests to Jira");
        say!("freshness  {n} edits in Jira, each a row after {p50} ms (median), {p99} ms (99 of 100)");
        say!("jobs       {} done, {} dead", self.jobs.done, self.jobs.dead);
        say!("mirror     {}", if self.equal() { "equals Jira, field by field" } else { "DIFFERS from Jira" });
        Ok(())
    }
}

impl Latency {
    fn of(latencies: &[Duration]) -> Self {
        let mut ms: Vec<f64> = latencies.iter().map(|latency| latency.as_secs_f64() * 1000.0).collect();
        ms.sort_by(f64::total_cmp);
        Self { n: ms.len(), p50: rounded(percentile(&ms, 50)), p99: rounded(percentile(&ms, 99)) }
    }
}

/// The smallest value that at least `percent` of 100 do not exceed.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).copied().unwrap_or(f64::NAN)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl Jobs {
    /// Done jobs as the worker counted them, dead ones as they lie in Redis.
    pub(super) async fn count(figures: &str, house: &House) -> Result<Self, Failed> {
        let mut dead = 0;
        for queue in QueueName::ALL {
            dead += house.producer.depth(queue).await?.dead;
        }
        Ok(Self { done: done(figures), dead })
    }
}

/// Sums the counters of jobs that ended well: the last page of a chain, and the pages before it.
fn done(figures: &str) -> u64 {
    figures
        .lines()
        .filter(|line| line.starts_with("jirafleet_queue_jobs_total{"))
        .filter(|line| line.contains("outcome=\"done\"") || line.contains("outcome=\"next\""))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_values() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99)), (50.0, 99.0));
        assert_eq!(percentile(&[7.0], 99), 7.0);
    }

    #[test]
    fn pages_and_ends_are_done() {
        let figures = "jirafleet_queue_jobs_total{kind=\"a\",outcome=\"done\"} 3\njirafleet_queue_jobs_total{kind=\"b\",outcome=\"next\"} 4\n\
                       jirafleet_queue_jobs_total{kind=\"b\",outcome=\"retry\"} 5\n";
        assert_eq!(done(figures), 7);
    }
}
