//! One tick becomes one job for each active instance whose turn came, or one for the whole fleet.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::{Instance, InstanceId, Tenant, TenantId};
use queue::{AHEAD, Clock, Due, FLEET, Fired, Producer, Turn};
use store::{Store, WebhookState};
use tokio::sync::watch;

use crate::{
    Failure,
    lead::Reign,
    timetable::{First, Line},
    turn::last_turn,
};

/// How long one fan-out may take before it is given up until the next tick.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that was set back can sleep for hours; no line's ticks are further apart than a minute.
const SILENCE: Duration = Duration::from_secs(70);

/// Turns ticks into jobs.
#[derive(Clone)]
pub(crate) struct FanOut {
    store: Store,
    producer: Producer,
}

impl FanOut {
    /// A fan-out over these two.
    pub(crate) fn new(store: Store, producer: Producer) -> Self {
        Self { store, producer }
    }

    /// Serves a line while this scheduler leads: when it begins to, and at every tick. Ends when the clock is gone.
    ///
    /// A tick only says "look": what is due is told by the marks of turns in Redis, so that ticks that failed, were passed
    /// over or never came are made up for by the next one.
    pub(crate) async fn follow(
        &self,
        line: &Line,
        mut ticks: watch::Receiver<i64>,
        mut reigns: watch::Receiver<Option<Reign>>,
    ) {
        for outcome in ["ok", "failed"] {
            count_ticks(line, outcome, 0);
        }
        loop {
            let reign = *reigns.borrow_and_update();
            if let Some(reign) = reign.filter(Reign::holds) {
                self.serve(line, &reign).await;
            }
            let goes_on = tokio::select! {
                tick = ticks.changed() => tick.is_ok(),
                reign = reigns.changed() => reign.is_ok(),
                () = tokio::time::sleep(SILENCE) => true,
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn serve(&self, line: &Line, reign: &Reign) {
        let once = self.once(line, reign.term, reign.now().timestamp(), Clock::Redis);
        let outcome = tokio::time::timeout(PATIENCE, once).await.unwrap_or(Err(Failure::Late));
        count_ticks(line, if outcome.is_ok() { "ok" } else { "failed" }, 1);
        match outcome {
            Ok(turns) => {
                for turn in &turns {
                    metrics::counter!("jirafleet_scheduler_turns_total", "line" => line.name, "outcome" => turn.name())
                        .increment(1);
                }
                let fired = turns.iter().filter(|turn| **turn == Fired::Fired).count();
                tracing::debug!(schedule.line = line.name, turns = turns.len(), fired, "a tick was fanned out");
            }
            Err(error) => {
                tracing::warn!(schedule.line = line.name, error.code = error.code(), error = %error, "a tick was not fanned out; the next one makes up for it");
            }
        }
    }

    /// Serves what is due at `now`, in seconds since 1970; Redis judges by `clock` whether it is.
    pub(crate) async fn once(&self, line: &Line, term: u64, now: i64, clock: Clock) -> Result<Vec<Fired>, Failure> {
        let candidates = match line.fleet_interval() {
            Some(interval) => vec![(FLEET, last_turn(interval, 0, now))],
            None => self.candidates(line, now).await?,
        };
        let ids: Vec<InstanceId> = candidates.iter().map(|(id, _)| *id).collect();
        let marks = self.producer.turns(line.name, line.queue(), &ids).await?;
        let due: Vec<Due> = candidates
            .into_iter()
            .zip(marks)
            .filter_map(|((id, turn), mark)| due(line, id, turn, known(mark, now)))
            .collect();
        Ok(self.producer.fire(line.name, line.queue(), term, clock, &due).await?)
    }

    /// Every instance that the line is for, and its last turn.
    async fn candidates(&self, line: &Line, now: i64) -> Result<Vec<(InstanceId, i64)>, Failure> {
        let system = self.store.system();
        let (tenants, mut instances) = tokio::try_join!(system.tenants(), system.instances())?;
        if line.heeds_webhooks() {
            let webhooks = system.webhooks().await?;
            instances = instances.into_iter().map(|instance| heeding_webhooks(line, instance, &webhooks)).collect();
        }
        let working = working(line, &tenants, &instances);
        Ok(working.into_iter().filter_map(|instance| Some((instance.id, line.turn(instance, now)?))).collect())
    }
}

fn count_ticks(line: &Line, outcome: &'static str, ticks: u64) {
    metrics::counter!("jirafleet_scheduler_ticks_total", "line" => line.name, "outcome" => outcome).increment(ticks);
}

/// The instance, polled as often as its webhooks allow, in a line for which that matters.
pub(crate) fn heeding_webhooks(
    line: &Line,
    instance: Instance,
    webhooks: &HashMap<InstanceId, WebhookState>,
) -> Instance {
    if !line.heeds_webhooks() {
        return instance;
    }
    let health = webhooks.get(&instance.id).map(|webhook| webhook.health).unwrap_or_default();
    Instance { poll_interval: health.poll_every(instance.poll_interval), ..instance }
}

/// What a mark says. One from the future was set by a clock that has been put back since, and says nothing.
pub(crate) fn known(mark: Option<Turn>, now: i64) -> Option<Turn> {
    let ahead = i64::try_from(AHEAD.as_secs()).unwrap_or(i64::MAX);
    mark.filter(|mark| mark.turn <= now.saturating_add(ahead))
}

/// What is to be done about a turn that came, if it was not served.
fn due(line: &Line, instance: InstanceId, turn: i64, served: Option<Turn>) -> Option<Due> {
    let job = match served {
        Some(served) if served.turn >= turn => return None,
        None if line.first == First::AtItsTurn => None,
        _ => Some((line.job)(instance)),
    };
    Some(Due { instance, turn, job })
}

/// The instances that a line is for, of tenants that are not suspended.
fn working<'a>(line: &Line, tenants: &[Tenant], instances: &'a [Instance]) -> Vec<&'a Instance> {
    let paying: HashSet<TenantId> = tenants.iter().filter(|tenant| !tenant.suspended).map(|tenant| tenant.id).collect();
    instances.iter().filter(|instance| line.is_for(&instance.state) && paying.contains(&instance.tenant)).collect()
}

#[cfg(test)]
mod tests {
    use domain::{InstanceId, InstanceState};

    use crate::timetable::TIMETABLE;

    use super::*;
    use crate::sample::{instance, tenant};

    fn line(name: &str) -> &'static Line {
        TIMETABLE.iter().find(|line| line.name == name).expect("a line of that name")
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
        assert_eq!(working(line("poll"), &tenants, &instances), [&instances[0]]);
        assert_eq!(working(line("revisit"), &tenants, &instances), [&instances[2]]);
    }

    fn served(turn: i64) -> Option<Turn> {
        Some(Turn { turn, at: None })
    }

    #[test]
    fn a_turn_is_due_until_it_was_served() {
        let (poll, census) = (line("poll"), line("census"));
        let id = InstanceId::generate();
        let what = |line: &Line, mark| due(line, id, 1000, mark).map(|due| (due.turn, due.job.is_some()));
        assert_eq!(what(poll, served(900)), Some((1000, true)));
        assert_eq!(what(poll, served(1000)), None);
        assert_eq!(what(poll, served(1100)), None);
        assert_eq!(what(poll, None), Some((1000, true)), "whoever was never polled is polled at once");
        assert_eq!(what(census, None), Some((1000, false)), "a census waits for its turn");
        assert_eq!(what(census, served(900)), Some((1000, true)));
    }

    #[test]
    fn a_mark_from_the_future_says_nothing() {
        assert_eq!(known(served(1060), 1000), served(1060));
        assert_eq!(known(served(1061), 1000), None);
        assert_eq!(known(None, 1000), None);
    }
}
