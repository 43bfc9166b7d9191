//! What the timetable comes to: for each line and instance, what was and what comes.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::{Instance, InstanceId, TenantId};
use queue::{FLEET, Lead, Producer, QueueName, Turn};
use store::Store;

use crate::{
    Failure,
    fan_out::{heeding_webhooks, known},
    timetable::{First, Line, TIMETABLE},
    turn::last_turn,
};

/// One line of the timetable for one instance, or for the fleet.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The line's name.
    pub line: &'static str,
    /// The kind of its job.
    pub kind: &'static str,
    /// Where that waits.
    pub queue: QueueName,
    /// For whom; nothing for the fleet.
    pub instance: Option<Instance>,
    /// How often, for people.
    pub every: String,
    /// The turn that was served last.
    pub last: Option<Turn>,
    /// When the next turn comes, or came if it was not served yet; nothing while the line passes the instance by.
    pub next: Option<DateTime<Utc>>,
}

/// The whole timetable, and who keeps it.
pub async fn plan(store: &Store, producer: &Producer) -> Result<(Lead, Vec<Planned>), Failure> {
    let lead = producer.leader().await?;
    let now = lead.now.timestamp();
    let system = store.system();
    let (tenants, instances, webhooks) = (system.tenants().await?, system.instances().await?, system.webhooks().await?);
    let paying: HashSet<TenantId> = tenants.iter().filter(|tenant| !tenant.suspended).map(|tenant| tenant.id).collect();
    let mut rows = Vec::new();
    for line in TIMETABLE {
        let whom = whom(line, &instances);
        let ids: Vec<InstanceId> = whom.iter().map(|one| one.map_or(FLEET, |instance| instance.id)).collect();
        let marks = producer.turns(line.name, line.queue(), &ids).await?;
        for (instance, last) in whom.into_iter().zip(marks) {
            let instance = instance.cloned().map(|instance| heeding_webhooks(line, instance, &webhooks));
            let works = instance.as_ref().is_none_or(|one| line.is_for(&one.state) && paying.contains(&one.tenant));
            let next = if works { next(line, instance.as_ref(), last, now) } else { None };
            let (kind, every) = ((line.job)(FLEET).kind(), line.every(instance.as_ref()));
            let next = next.and_then(|at| DateTime::from_timestamp(at, 0));
            rows.push(Planned { line: line.name, kind, queue: line.queue(), instance, every, last, next });
        }
    }
    Ok((lead, rows))
}

/// Paused instances, too: somebody may wonder why nothing comes.
fn whom<'a>(line: &Line, instances: &'a [Instance]) -> Vec<Option<&'a Instance>> {
    if line.fleet_interval().is_some() {
        return vec![None];
    }
    instances.iter().filter(|one| line.is_for_the_well() || line.is_for(&one.state)).map(Some).collect()
}

fn next(line: &Line, instance: Option<&Instance>, last: Option<Turn>, now: i64) -> Option<i64> {
    let (turn, next) = match (instance, line.fleet_interval()) {
        (Some(instance), _) => (line.turn(instance, now)?, line.next_turn(instance, now)?),
        (None, Some(interval)) => (last_turn(interval, 0, now), last_turn(interval, 0, now) + interval),
        (None, None) => return None,
    };
    Some(match known(last, now) {
        Some(last) if last.turn < turn => turn,
        None if line.first == First::AtOnce => turn,
        _ => next,
    })
}
