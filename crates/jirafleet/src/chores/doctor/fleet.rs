//! The fleet: who is there, and whether what waits is worked at.

use std::time::Duration;

use chrono::{DateTime, Utc};
use queue::{Crew, Depth, Producer, QueueName, Scope};
use store::Store;

use super::{
    Patient,
    finding::{Finding, all_skipped},
};
use crate::exit::Failed;

/// What is looked at in each queue.
const OF_QUEUES: [&str; 5] = ["workers.alive", "queue.age", "queue.overdue", "queue.dead", "queue.paused"];
/// What is looked at once.
const OF_THE_HOUSE: [&str; 3] = ["scheduler.alive", "gateway.alive", "views.fresh"];

/// A worker says every half minute that it is there.
const WORKER: Duration = Duration::from_secs(90);
/// A scheduler every fifteen seconds.
const SCHEDULER: Duration = Duration::from_secs(60);
/// A gateway every five.
const GATEWAY: Duration = Duration::from_secs(30);
/// Views are refreshed every five minutes.
const VIEWS: (u64, u64) = (15 * 60, 60 * 60);

pub(super) async fn look(patient: &Patient) -> Vec<Finding> {
    let Some(producer) = &patient.producer else {
        let mut findings = all_skipped(&OF_QUEUES, "Redis does not answer");
        findings.extend(all_skipped(&OF_THE_HOUSE, "Redis does not answer"));
        return findings;
    };
    let mut findings = Vec::new();
    for queue in QueueName::ALL {
        let looked = of_a_queue(producer, queue).await;
        findings.extend(looked.unwrap_or_else(|failed| all_skipped(&OF_QUEUES, failed)));
    }
    let house = of_the_house(producer).await;
    findings.extend(house.unwrap_or_else(|failed| all_skipped(&OF_THE_HOUSE[..2], failed)));
    match &patient.store {
        Some(store) => {
            findings.extend(views(store).await.unwrap_or_else(|failed| all_skipped(&["views.fresh"], failed)));
        }
        None => findings.extend(all_skipped(&["views.fresh"], "the mirror cannot be opened")),
    }
    findings
}

async fn of_a_queue(producer: &Producer, queue: QueueName) -> Result<Vec<Finding>, Failed> {
    let (depth, crew) = (producer.depth(queue).await?, producer.crew(queue).await?);
    let pauses = producer.pauses().await?;
    let paused = pauses.into_iter().find(|pause| pause.scope == Scope::Queue(queue));
    let looked = [workers(queue, &crew, &depth), age(queue, &depth), overdue(&depth), dead(queue, &depth)];
    let mut findings: Vec<Finding> = looked.into_iter().map(|finding| finding.of(queue)).collect();
    findings.push(
        match paused {
            None => Finding::ok("queue.paused", "it is not"),
            Some(pause) => {
                let found = format!("by {}: {}", pause.order.by, pause.order.why);
                let next = format!("jirafleet queue resume {queue}");
                Finding::warning("queue.paused", found, "nothing more of it is started", next)
            }
        }
        .of(queue),
    );
    Ok(findings)
}

fn workers(queue: QueueName, crew: &[Crew], depth: &Depth) -> Finding {
    let check = "workers.alive";
    let alive: Vec<&Crew> = crew.iter().filter(|one| is_fresh(Some(one.said_at), WORKER)).collect();
    if !alive.is_empty() {
        let slots: u64 = alive.iter().map(|one| one.slots).sum();
        return Finding::ok(check, format!("{} workers with {slots} slots", alive.len()));
    }
    let next = format!("jirafleet worker --queues {queue}");
    if depth.is_idle() {
        return Finding::warning(check, "no worker serves it", "nothing waits yet; what comes will wait", next);
    }
    Finding::failure(check, "no worker serves it", "jobs wait, and nobody will take them", next)
}

fn age(queue: QueueName, depth: &Depth) -> Finding {
    let check = "queue.age";
    let Some(age) = depth.oldest_age else { return Finding::ok(check, "nothing waits") };
    let (late, too_late) = if queue == QueueName::Live { (60, 300) } else { (3_600, 6 * 3_600) };
    let found = format!("the first of {} has waited {} s", depth.ready, age.as_secs());
    let why = "more comes in than is worked at, or the workers stand still: the mirror is older than it should be";
    let next = "start another worker; see `jirafleet jobs list --state running` for what holds up";
    match age.as_secs() {
        age if age >= too_late => Finding::failure(check, found, why, next),
        age if age >= late => Finding::warning(check, found, why, next),
        _ => Finding::ok(check, found),
    }
}

/// Workers put what is due into the queue; one is enough.
fn overdue(depth: &Depth) -> Finding {
    let check = "queue.overdue";
    let late = depth.overdue.unwrap_or_default().as_secs();
    if late < 60 {
        return Finding::ok(check, format!("{} have time", depth.delayed));
    }
    let why = "nobody puts what is due into the queue";
    Finding::failure(check, format!("the first is {late} s over its time"), why, "start a worker for this queue")
}

fn dead(queue: QueueName, depth: &Depth) -> Finding {
    let check = "queue.dead";
    if depth.dead == 0 {
        return Finding::ok(check, "there is none");
    }
    let why = "these jobs were given up, and wait for somebody to decide";
    let next = format!("jirafleet dead list --queue {queue}, then `dead replay` or `dead discard`");
    Finding::warning(check, format!("{} dead letters", depth.dead), why, next)
}

async fn of_the_house(producer: &Producer) -> Result<Vec<Finding>, Failed> {
    let scheduler = producer.told_at(QueueName::Live).await?;
    let gateway = producer.receiver_seen().await?;
    let seen = |at: Option<DateTime<Utc>>| match at {
        Some(at) => format!("last seen {}", crate::output::instant(at)),
        None => "none was seen".to_owned(),
    };
    Ok(vec![
        if is_fresh(scheduler, SCHEDULER) {
            Finding::ok("scheduler.alive", seen(scheduler))
        } else {
            let why = "nothing is asked for by the clock: no polls, no censuses, no fresh views";
            Finding::failure("scheduler.alive", seen(scheduler), why, "jirafleet scheduler")
        },
        if is_fresh(gateway, GATEWAY) {
            Finding::ok("gateway.alive", seen(gateway))
        } else {
            let why = "no webhook is taken: changes are found by the next poll";
            Finding::warning("gateway.alive", seen(gateway), why, "jirafleet gateway")
        },
    ])
}

async fn views(store: &Store) -> Result<Vec<Finding>, Failed> {
    let check = "views.fresh";
    let (why, next) =
        ("figures by project, issue and person are of then", "see scheduler.alive and workers.alive (upkeep)");
    let ages = store.system().view_ages().await?;
    let judge = |age: &store::ViewAge| {
        let found = format!("{} s old", age.age.as_secs());
        let finding = match age.age.as_secs() {
            age if age >= VIEWS.1 => Finding::failure(check, found, why, next),
            age if age >= VIEWS.0 => Finding::warning(check, found, why, next),
            _ => Finding::ok(check, found),
        };
        finding.of(age.view.name())
    };
    Ok(ages.iter().map(judge).collect())
}

/// Whether that was lately. Another machine's clock may be a little ahead.
fn is_fresh(at: Option<DateTime<Utc>>, within: Duration) -> bool {
    at.is_some_and(|at| (Utc::now() - at).abs().to_std().unwrap_or(Duration::MAX) <= within)
}
