//! The names of the queue's metrics, in one place. Labels are bounded: queue, kind, outcome.

use std::{fmt, sync::OnceLock, time::Duration};

use crate::{Depth, Job, QueueName};

pub(crate) fn enqueued(queue: QueueName, kind: &'static str, new: bool) {
    let result = if new { "new" } else { "already" };
    metrics::counter!("jirafleet_queue_enqueued_total", "queue" => queue.as_str(), "kind" => kind, "result" => result)
        .increment(1);
}

/// What became of a delivery: `done`, `next`, `snooze`, `retry`, `dead`, `overtaken`, `busy`, `lost`, `given_back`.
pub(crate) fn settled(queue: QueueName, kind: &'static str, outcome: &'static str) {
    metrics::counter!("jirafleet_queue_jobs_total", "queue" => queue.as_str(), "kind" => kind, "outcome" => outcome)
        .increment(1);
}

/// What every job of a queue changes, found once per kind: to find a figure by its labels costs more than to change it.
#[derive(Debug, Default)]
pub(crate) struct Meters([OnceLock<Meter>; Job::KINDS.len()]);

struct Meter {
    wait: metrics::Histogram,
    done: metrics::Counter,
}

impl Meters {
    fn of(&self, queue: QueueName, kind: &'static str) -> Option<&Meter> {
        let place = Job::KINDS.iter().position(|known| *known == kind)?;
        let queue = queue.as_str();
        Some(self.0[place].get_or_init(|| {
            // Shown from the start: a rate does not see the step to a figure's first value.
            metrics::counter!("jirafleet_queue_jobs_total", "queue" => queue, "kind" => kind, "outcome" => "dead")
                .increment(0);
            Meter {
                wait: metrics::histogram!("jirafleet_queue_wait_seconds", "queue" => queue, "kind" => kind),
                done: metrics::counter!("jirafleet_queue_jobs_total", "queue" => queue, "kind" => kind, "outcome" => "done"),
            }
        }))
    }

    /// How long a job was ready before it started.
    pub(crate) fn waited(&self, queue: QueueName, kind: &'static str, wait: Duration) {
        if let Some(meter) = self.of(queue, kind) {
            meter.wait.record(wait);
        }
    }

    /// As `settled`.
    pub(crate) fn settled(&self, queue: QueueName, kind: &'static str, outcome: &'static str) {
        match self.of(queue, kind) {
            Some(meter) if outcome == "done" => meter.done.increment(1),
            _ => settled(queue, kind, outcome),
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

pub(crate) fn rescued(queue: QueueName, count: usize) {
    metrics::counter!("jirafleet_queue_rescued_total", "queue" => queue.as_str()).increment(count as u64);
}

pub(crate) fn leases_lost(queue: QueueName, count: usize) {
    metrics::counter!("jirafleet_queue_leases_lost_total", "queue" => queue.as_str()).increment(count as u64);
}

pub(crate) fn outcomes_late(queue: QueueName, count: usize) {
    metrics::counter!("jirafleet_queue_outcomes_late_total", "queue" => queue.as_str()).increment(count as u64);
}

pub(crate) fn promoted(queue: QueueName, count: u64) {
    metrics::counter!("jirafleet_queue_promoted_total", "queue" => queue.as_str()).increment(count);
}

/// Why an entry cannot be read.
const UNREADABLE: [&str; 2] = ["unknown_kind", "malformed"];

pub(crate) fn unreadable(queue: QueueName, what: &'static str) {
    metrics::counter!("jirafleet_queue_unreadable_total", "queue" => queue.as_str(), "what" => what).increment(1);
}

pub(crate) fn running(queue: QueueName, count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    metrics::gauge!("jirafleet_queue_slots_busy", "queue" => queue.as_str()).set(count as f64);
}

pub(crate) fn outages(queue: QueueName, count: u64) {
    metrics::counter!("jirafleet_queue_outages_total", "queue" => queue.as_str()).increment(count);
}

/// Shows a worker and the figures of what hardly ever happens to its queue: a rate does not see the step to a figure's
/// first value.
pub(crate) fn begins(queue: QueueName) {
    running(queue, 0);
    rescued(queue, 0);
    leases_lost(queue, 0);
    outcomes_late(queue, 0);
    promoted(queue, 0);
    outages(queue, 0);
    for what in UNREADABLE {
        metrics::counter!("jirafleet_queue_unreadable_total", "queue" => queue.as_str(), "what" => what).increment(0);
    }
}

/// How full a queue is, as one process of the fleet read it.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn depth(queue: QueueName, depth: &Depth) {
    let states = [
        ("ready", depth.ready),
        ("lined", depth.lined),
        ("delayed", depth.delayed),
        ("running", depth.running),
        ("parked", depth.parked),
        ("dead", depth.dead),
    ];
    for (state, count) in states {
        metrics::gauge!("jirafleet_queue_depth", "queue" => queue.as_str(), "state" => state).set(count as f64);
    }
    let age = depth.oldest_age.unwrap_or_default().as_secs_f64();
    metrics::gauge!("jirafleet_queue_oldest_age_seconds", "queue" => queue.as_str()).set(age);
    let overdue = depth.overdue.unwrap_or_default().as_secs_f64();
    metrics::gauge!("jirafleet_queue_overdue_seconds", "queue" => queue.as_str()).set(overdue);
    metrics::gauge!("jirafleet_dead_letters_dropped", "queue" => queue.as_str()).set(depth.dropped as f64);
}

/// How full Redis is, as one process of the fleet read it.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn memory(used: u64, limit: u64) {
    metrics::gauge!("jirafleet_redis_memory_used_bytes").set(used as f64);
    metrics::gauge!("jirafleet_redis_memory_limit_bytes").set(limit as f64);
}
