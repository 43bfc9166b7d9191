//! One tick becomes one job for each active instance whose turn came, or one for the whole fleet.

use std::{collections::HashSet, time::Duration};

use domain::{Instance, Tenant, TenantId};
use queue::{Enqueued, FLEET, Job, Producer};
use store::Store;
use tokio::sync::watch;

use crate::timetable::{Line, has_turned};

/// How long one fan-out may take before it is given up until the next tick.
const PATIENCE: Duration = Duration::from_secs(30);

/// Since when turns count that were not served yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// Nobody knows: everyone is due.
    Always,
    /// Everything up to this second was served.
    Tick(i64),
}

/// Turns ticks into jobs.
pub(crate) struct FanOut {
    store: Store,
    producer: Producer,
}

/// What one fan-out did.
struct Tally {
    asked: usize,
    already: usize,
}

/// Why a fan-out did not happen; the next tick tries again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("instances could not be listed: {0}")]
    Store(#[from] store::Error),
    #[error("jobs could not be enqueued: {0}")]
    Queue(#[from] queue::Error),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
}

impl FanOut {
    /// A fan-out over these two.
    pub(crate) fn new(store: Store, producer: Producer) -> Self {
        Self { store, producer }
    }

    /// Serves the newest tick, again and again, beginning with the one that is there. Ends when the clock is gone.
    ///
    /// The window stays open at its far end until a fan-out succeeded: ticks that failed or were passed over are made up
    /// for by the next one.
    pub(crate) async fn follow(&self, line: &Line, mut ticks: watch::Receiver<i64>, mut since: Since) {
        loop {
            let until = *ticks.borrow_and_update();
            if self.serve(line, since, until).await {
                since = Since::Tick(until);
            }
            if ticks.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether the tick was served.
    async fn serve(&self, line: &Line, since: Since, until: i64) -> bool {
        let outcome = tokio::time::timeout(PATIENCE, self.once(line, since, until)).await;
        let outcome = outcome.unwrap_or(Err(Failure::Late));
        let label = if outcome.is_ok() { "ok" } else { "failed" };
        metrics::counter!("jirafleet_scheduler_ticks_total", "line" => line.name, "outcome" => label).increment(1);
        match outcome {
            Ok(tally) => tracing::debug!(
                schedule.line = line.name,
                jobs.asked = tally.asked,
                jobs.already = tally.already,
                "a tick was fanned out"
            ),
            Err(error) => {
                tracing::warn!(schedule.line = line.name, error = %error, "a tick was not fanned out; the next one makes up for it");
                return false;
            }
        }
        true
    }

    async fn once(&self, line: &Line, since: Since, until: i64) -> Result<Tally, Failure> {
        let jobs = match line.fleet_interval() {
            Some(interval) => fleet_jobs(line, interval, since, until),
            None => self.instances_jobs(line, since, until).await?,
        };
        let asked = jobs.len();
        if asked == 0 {
            return Ok(Tally { asked, already: 0 });
        }
        let answers = self.producer.enqueue_all(jobs).await?;
        let already = answers.iter().filter(|answer| matches!(answer, Enqueued::Already { .. })).count();
        Ok(Tally { asked, already })
    }

    async fn instances_jobs(&self, line: &Line, since: Since, until: i64) -> Result<Vec<Job>, Failure> {
        let system = self.store.system();
        let (tenants, mut instances) = tokio::try_join!(system.tenants(), system.instances())?;
        if line.heeds_webhooks() {
            let webhooks = system.webhooks().await?;
            for instance in &mut instances {
                let health = webhooks.get(&instance.id).map(|webhook| webhook.health).unwrap_or_default();
                instance.poll_interval = health.poll_every(instance.poll_interval);
            }
        }
        Ok(jobs(line, &working(line, &tenants, &instances), since, until))
    }
}

/// The fleet's job, if its turn came.
fn fleet_jobs(line: &Line, interval: i64, since: Since, until: i64) -> Vec<Job> {
    let is_due = match since {
        Since::Always => true,
        Since::Tick(after) => has_turned(interval, 0, after, until),
    };
    is_due.then(|| (line.job)(FLEET)).into_iter().collect()
}

/// The instances that a line is for, of tenants that are not suspended.
fn working<'a>(line: &Line, tenants: &[Tenant], instances: &'a [Instance]) -> Vec<&'a Instance> {
    let paying: HashSet<TenantId> = tenants.iter().filter(|tenant| !tenant.suspended).map(|tenant| tenant.id).collect();
    instances.iter().filter(|instance| line.is_for(&instance.state) && paying.contains(&instance.tenant)).collect()
}

/// One job for each instance whose turn came.
fn jobs(line: &Line, instances: &[&Instance], since: Since, until: i64) -> Vec<Job> {
    let is_due = |instance: &Instance| match since {
        Since::Always => true,
        Since::Tick(after) => line.is_due(instance, after, until),
    };
    instances.iter().filter(|instance| is_due(instance)).map(|instance| (line.job)(instance.id)).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use domain::{InstanceId, InstanceState, Site};

    use crate::timetable::TIMETABLE;

    use super::*;

    fn tenant(suspended: bool) -> Tenant {
        Tenant { id: TenantId::generate(), name: "t".into(), suspended, created_at: DateTime::<Utc>::UNIX_EPOCH }
    }

    fn instance(tenant: &Tenant, state: InstanceState) -> Instance {
        Instance {
            id: InstanceId::generate(),
            tenant: tenant.id,
            name: "acme".into(),
            site: Site::trusted("https://acme.atlassian.net".into()),
            account: None,
            state,
            poll_interval: Duration::from_secs(300),
            requests_per_minute: 100,
            created_at: DateTime::<Utc>::UNIX_EPOCH,
            time_zone: None,
        }
    }

    #[test]
    fn only_active_instances_of_paying_tenants_work() {
        let (paying, suspended) = (tenant(false), tenant(true));
        let instances = [
            instance(&paying, InstanceState::Active),
            instance(&paying, InstanceState::Paused { reason: None }),
            instance(&paying, InstanceState::Suspended { reason: "token refused".into() }),
            instance(&suspended, InstanceState::Active),
        ];
        let tenants = [paying, suspended];
        let line = |name: &str| TIMETABLE.iter().find(|line| line.name == name).expect("a line of that name");
        assert_eq!(working(line("poll"), &tenants, &instances), [&instances[0]]);
        assert_eq!(working(line("revisit"), &tenants, &instances), [&instances[2]]);
    }

    #[test]
    fn the_fleet_is_asked_once_every_five_minutes() {
        let views = TIMETABLE.iter().find(|line| line.name == "views").expect("a line of that name");
        let interval = views.fleet_interval().expect("it is for the fleet");
        let ticks = (1_790_000_000..1_790_003_600).step_by(30);
        let jobs: Vec<Job> = ticks.flat_map(|tick| fleet_jobs(views, interval, Since::Tick(tick), tick + 30)).collect();
        assert_eq!(jobs, vec![Job::RefreshViews; 12]);
        assert_eq!(fleet_jobs(views, interval, Since::Always, 0), [Job::RefreshViews]);
    }

    #[test]
    fn everyone_is_due_at_the_start_and_nobody_twice() {
        let paying = tenant(false);
        let all = [instance(&paying, InstanceState::Active), instance(&paying, InstanceState::Active)];
        let all: Vec<&Instance> = all.iter().collect();
        let poll = &TIMETABLE[0];
        assert_eq!(jobs(poll, &all, Since::Always, 1000).len(), 2);
        assert_eq!(jobs(poll, &all, Since::Tick(1000), 1000).len(), 0);
        assert_eq!(jobs(poll, &all, Since::Tick(1000), 1300).len(), 2);
    }
}
