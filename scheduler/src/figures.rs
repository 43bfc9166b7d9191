//! Tells how the house stands: views, queues, instances, webhooks. Not told by whoever works on them: what matters is that
//! nobody does. Every scheduler tells the same, so whoever reads takes the maximum.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::{Instance, InstanceId, InstanceState, Tenant, TenantId, WebhookHealth};
use futures::FutureExt as _;
use queue::{Producer, QueueName};
use store::{Store, WebhookState};

/// How often.
const EVERY: Duration = Duration::from_secs(15);

/// How long each answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The names of the states an instance can be in.
const STATES: [&str; 3] = ["active", "paused", "suspended"];

/// Tells for ever. While PostgreSQL or Redis is away, what it knows stays as it was told.
pub(crate) async fn tell(store: &Store, producer: &Producer) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Boxed: nested as they are, the compiler would give up on the size of all of them in one.
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, of_the_views(store).boxed()).await {
            tracing::debug!(error.code = error.code(), %error, "how old the views are is not known");
        }
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, of_the_instances(store).boxed()).await {
            tracing::debug!(error.code = error.code(), %error, "how the instances stand is not known");
        }
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, of_the_queues(producer).boxed()).await {
            tracing::debug!(error.code = error.code(), %error, "how full the queues are is not known");
        }
    }
}

async fn of_the_views(store: &Store) -> Result<(), store::Error> {
    for view in store.system().view_ages().await? {
        let name = view.view.name();
        metrics::gauge!("jirafleet_matview_age_seconds", "view" => name).set(view.age.as_secs_f64());
        metrics::gauge!("jirafleet_matview_refresh_seconds", "view" => name).set(view.took.as_secs_f64());
    }
    Ok(())
}

/// One after the other: whoever turns ticks into jobs needs the connections more.
async fn of_the_instances(store: &Store) -> Result<(), store::Error> {
    let system = store.system();
    let (tenants, instances) = (system.tenants().await?, system.instances().await?);
    Fleet::count(&tenants, &instances, &system.webhooks().await?, Utc::now()).tell();
    Ok(())
}

async fn of_the_queues(producer: &Producer) -> Result<(), queue::Error> {
    for queue in QueueName::ALL {
        producer.tell_depth(queue).await?;
    }
    producer.tell_memory().await
}

/// Instances of tenants that are not suspended, and the webhooks of the active ones.
#[derive(Debug, Default, PartialEq)]
struct Fleet {
    /// As in [`STATES`].
    states: [u32; STATES.len()],
    /// As in [`WebhookHealth::ALL`].
    health: [u32; WebhookHealth::ALL.len()],
    /// Webhooks with which something is wrong.
    problems: u32,
    /// In how many seconds the first of those that end will have ended.
    expires: Option<f64>,
}

impl Fleet {
    fn count(
        tenants: &[Tenant],
        instances: &[Instance],
        webhooks: &HashMap<InstanceId, WebhookState>,
        now: DateTime<Utc>,
    ) -> Self {
        let mut fleet = Self::default();
        let paying: HashSet<TenantId> =
            tenants.iter().filter(|tenant| !tenant.suspended).map(|tenant| tenant.id).collect();
        for instance in instances.iter().filter(|instance| paying.contains(&instance.tenant)) {
            add(&mut fleet.states, STATES.iter().position(|name| *name == instance.state.name()));
            if instance.state == InstanceState::Active {
                fleet.add_webhook(webhooks.get(&instance.id), now);
            }
        }
        fleet
    }

    fn add_webhook(&mut self, webhook: Option<&WebhookState>, now: DateTime<Utc>) {
        let health = webhook.map(|webhook| webhook.health).unwrap_or_default();
        add(&mut self.health, WebhookHealth::ALL.iter().position(|known| *known == health));
        let Some(webhook) = webhook else { return };
        self.problems += u32::from(webhook.problem.is_some());
        if let Some(ends) = webhook.expires_at {
            let left = (ends - now).as_seconds_f64();
            self.expires = Some(self.expires.map_or(left, |first| first.min(left)));
        }
    }

    fn tell(&self) {
        for (state, count) in STATES.into_iter().zip(self.states) {
            metrics::gauge!("jirafleet_instances", "state" => state).set(count);
        }
        for (health, count) in WebhookHealth::ALL.into_iter().zip(self.health) {
            metrics::gauge!("jirafleet_webhooks", "health" => health.name()).set(count);
        }
        metrics::gauge!("jirafleet_webhooks_troubled").set(self.problems);
        // Compared with anything, NaN is not: where nothing ends, nothing ends soon.
        metrics::gauge!("jirafleet_webhook_expiry_seconds").set(self.expires.unwrap_or(f64::NAN));
    }
}

fn add(counts: &mut [u32], place: Option<usize>) {
    if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::sample::{instance, tenant};

    fn webhook(days: Option<i64>, problem: Option<&str>, health: WebhookHealth) -> WebhookState {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        WebhookState {
            is_registered: true,
            expires_at: days.map(|days| now + TimeDelta::days(days)),
            problem: problem.map(str::to_owned),
            health,
            health_since: now,
        }
    }

    #[test]
    fn instances_are_counted_by_state_and_those_of_suspended_tenants_are_not() {
        let (paying, suspended) = (tenant(false), tenant(true));
        let refused = || InstanceState::Suspended { reason: "token refused".into() };
        let instances = [
            instance(&paying, InstanceState::Active),
            instance(&paying, InstanceState::Paused { reason: None }),
            instance(&paying, refused()),
            instance(&suspended, refused()),
        ];
        let fleet = Fleet::count(&[paying, suspended], &instances, &HashMap::new(), DateTime::<Utc>::UNIX_EPOCH);
        assert_eq!(fleet, Fleet { states: [1, 1, 1], health: [1, 0, 0, 0], problems: 0, expires: None });
    }

    #[test]
    fn only_webhooks_of_active_instances_count_and_the_first_end_is_told() {
        let paying = tenant(false);
        let active: Vec<Instance> = (0..3).map(|_| instance(&paying, InstanceState::Active)).collect();
        let paused = instance(&paying, InstanceState::Paused { reason: None });
        let webhooks = HashMap::from([
            (active[0].id, webhook(Some(20), None, WebhookHealth::Healthy)),
            (active[1].id, webhook(Some(6), Some("gone"), WebhookHealth::Silent)),
            (active[2].id, webhook(None, None, WebhookHealth::Healthy)),
            (paused.id, webhook(Some(1), Some("gone"), WebhookHealth::Silent)),
        ]);
        let instances = [active, vec![paused]].concat();
        let fleet = Fleet::count(&[paying], &instances, &webhooks, DateTime::<Utc>::UNIX_EPOCH);
        let expires = Some(6.0 * 24.0 * 3600.0);
        assert_eq!(fleet, Fleet { states: [3, 1, 0], health: [0, 2, 0, 1], problems: 1, expires });
    }
}
