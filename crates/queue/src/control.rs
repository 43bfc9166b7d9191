//! What an operator can order from anywhere: pause and resume a queue or an instance, call a job off.
//!
//! Orders lie in Redis and are asked for by the scripts that start, put off and renew jobs, so they hold from the moment
//! they are given, for every worker. Whoever has an idle worker learns of them within a second.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use domain::InstanceId;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Finished, JobId, JobState, Listed, Producer, QueueName, history,
    keys::{GROUP, Keys},
    scripts::{CANCEL, HASTEN, PAUSE, REMOVE, RESUME},
    touched::millis,
    unique::UniqueKey,
};

/// For how long it is remembered that a job was called off: longer than anything is put off.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many cancelled jobs are remembered at once, in each queue.
const MAX_REMEMBERED: usize = 100_000;

/// To a clock of ours, a pause without an end.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What a pause holds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything in a queue.
    Queue(QueueName),
    /// All jobs of an instance, in every queue.
    Instance(InstanceId),
}

/// Who pauses something, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseOrder {
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// When it ends by itself; absent: not before somebody resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// A pause that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What is held up. An instance is held up in every queue.
    pub scope: Scope,
    /// By whom and why.
    pub order: PauseOrder,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// What calling a job off did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, and is gone.
    Removed(Box<Listed>),
    /// It runs, and its worker drops it within a third of its lease; or it is deep in the line of its instance, and is
    /// dropped when its turn comes.
    Told(Box<Listed>),
    /// It had ended already.
    Ended(Box<Finished>),
    /// It was not among what was looked through. Should it be deeper in a queue, it will not run.
    Unseen,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(flatten)]
    order: PauseOrder,
    since: DateTime<Utc>,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(queue) => write!(f, "queue {queue}"),
            Self::Instance(instance) => write!(f, "instance {instance}"),
        }
    }
}

impl Scope {
    /// The queues it concerns, and how it is called in them.
    fn places(self) -> (Vec<QueueName>, String) {
        match self {
            Self::Queue(queue) => (vec![queue], "*".to_owned()),
            Self::Instance(instance) => (QueueName::ALL.to_vec(), instance.to_string()),
        }
    }
}

impl Producer {
    /// Holds up a queue or an instance from now on: nothing of it starts any more; what runs goes on. A second pause takes
    /// the place of the first.
    pub async fn pause(&self, scope: Scope, order: PauseOrder) -> Result<(), Error> {
        let ends = order.until.map_or(0, |until| until.timestamp_millis().max(1));
        let text = serde_json::to_string(&Written { order, since: Utc::now() });
        let text = text.map_err(|error| Error::Misconfigured(error.to_string()))?;
        let (queues, who) = scope.places();
        for queue in queues {
            let keys = self.keys(queue);
            let mut script = PAUSE.key(&keys.paused);
            script.key(&keys.parked).key(&keys.control);
            script.arg(&who).arg(format!("{ends} {text}")).arg(ends).arg(mark());
            self.run::<()>(&script).await?;
        }
        Ok(())
    }

    /// Ends a pause; whether there was one.
    pub async fn resume(&self, scope: Scope) -> Result<bool, Error> {
        let (queues, who) = scope.places();
        let mut ended = false;
        for queue in queues {
            let keys = self.keys(queue);
            let mut script = RESUME.key(&keys.paused);
            script.key(&keys.parked).key(&keys.control).key(&keys.wake).arg(&who).arg(mark());
            ended |= self.run::<bool>(&script).await?;
        }
        Ok(ended)
    }

    /// Every pause that holds now: queues first, then instances.
    pub async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        let (mut queues, mut instances) = (Vec::new(), Vec::<Pause>::new());
        for queue in QueueName::ALL {
            for (who, text) in self.paused_in(self.keys(queue)).await? {
                let Some(written) = read(&text) else { continue };
                let scope = match who.parse() {
                    Ok(instance) => Scope::Instance(instance),
                    Err(_) => Scope::Queue(queue),
                };
                let pause = Pause { scope, order: written.order, since: written.since };
                match scope {
                    Scope::Queue(_) => queues.push(pause),
                    // It stands in every queue.
                    Scope::Instance(_) if instances.iter().any(|known| known.scope == scope) => {}
                    Scope::Instance(_) => instances.push(pause),
                }
            }
        }
        queues.append(&mut instances);
        Ok(queues)
    }

    /// Calls a job off: it will not start, and when it runs its future is dropped. A chain ends with it, and what asks for
    /// the same may be asked for again.
    ///
    /// From the moment this returns it cannot start, wherever it is; one that shares no unique key and was delivered a moment
    /// ago still may, for a second, and is dropped like one that runs. What it looks through to take it out of the line at
    /// once is bounded as in [`Producer::find`].
    pub async fn cancel(&self, id: JobId) -> Result<Cancelled, Error> {
        if let Some(ended) = self.find_finished(id).await? {
            return Ok(Cancelled::Ended(Box::new(ended)));
        }
        for queue in QueueName::ALL {
            let keys = self.keys(queue);
            let mut script = CANCEL.key(&keys.cancelled);
            script.key(&keys.control).arg(id.to_string()).arg(millis(REMEMBERED)).arg(mark()).arg(MAX_REMEMBERED);
            if !self.run::<bool>(&script).await? {
                return Err(Error::TooManyCancelled);
            }
        }
        let Some(found) = self.find(id).await? else { return Ok(Cancelled::Unseen) };
        if self.remove(&found).await? {
            return Ok(Cancelled::Removed(Box::new(found)));
        }
        Ok(Cancelled::Told(Box::new(found)))
    }

    /// Takes a job that waits out of its queue; refuses when it runs.
    pub async fn discard_job(&self, id: JobId) -> Result<Listed, Error> {
        let found = self.find(id).await?.ok_or(Error::NoSuchJob(id))?;
        if !self.remove(&found).await? {
            // One that was seen to wait was started at this very moment.
            let state = if found.state == JobState::Lined { "lined" } else { "running" };
            return Err(Error::WrongState { id, state, next: "`jirafleet jobs cancel` drops it" });
        }
        Ok(found)
    }

    /// Lets a delayed job run now.
    pub async fn hasten(&self, id: JobId) -> Result<Listed, Error> {
        let found = self.find(id).await?.ok_or(Error::NoSuchJob(id))?;
        let next = match found.state {
            JobState::Delayed => "look again, its time has just come",
            JobState::Waiting => "it starts as soon as a slot is free",
            JobState::Running => "let it end, or `jirafleet jobs cancel` it",
            JobState::Lined => "it starts when its instance's jobs before it have ended",
            JobState::Parked => "its instance is paused: `jirafleet queue resume --instance` it",
        };
        let keys = self.keys(found.queue);
        let mut script = HASTEN.key(&keys.delayed);
        script.key(&keys.stream).arg(&found.raw);
        if found.state != JobState::Delayed || !self.run::<bool>(&script).await? {
            return Err(Error::WrongState { id, state: found.state.as_str(), next });
        }
        Ok(found)
    }

    async fn remove(&self, found: &Listed) -> Result<bool, Error> {
        let keys = self.keys(found.queue);
        let Some(envelope) = &found.envelope else { return Ok(false) };
        let (place, what) = match found.state {
            JobState::Waiting => ("s", found.place.as_bytes()),
            JobState::Delayed => ("d", &*found.raw),
            JobState::Parked => ("p", &*found.raw),
            // A line is not searched.
            JobState::Running | JobState::Lined => return Ok(false),
        };
        let mut script = REMOVE.key(&keys.stream);
        script.key(&keys.delayed).key(keys.parked_of(envelope.job.instance()));
        let unique = UniqueKey::of(envelope, keys);
        script.key(&unique.key).key(&keys.finished).key(&keys.shares);
        script.arg(GROUP).arg(envelope.id.to_string()).arg(place).arg(what);
        script.arg(Finished::new(envelope, "cancelled", Duration::ZERO).to_text()).arg(history::KEPT);
        script.arg(if unique.is_shared() { envelope.job.instance().to_string() } else { String::new() });
        self.run(&script).await
    }

    async fn paused_in(&self, keys: &Keys) -> Result<Vec<(String, String)>, Error> {
        self.ask(
            |mut connection| async move { redis::cmd("HGETALL").arg(&keys.paused).query_async(&mut connection).await },
        )
        .await
    }
}

/// How long a pause goes on from now; nothing when it is over.
pub(crate) fn time_left(pause: &str) -> Option<Duration> {
    let ends: i64 = pause.split(' ').next()?.parse().ok()?;
    if ends == 0 {
        return Some(FOR_EVER);
    }
    let left = ends.saturating_sub(Utc::now().timestamp_millis());
    (left > 0).then(|| Duration::from_millis(left.cast_unsigned()).min(FOR_EVER))
}

fn read(pause: &str) -> Option<Written> {
    time_left(pause)?;
    serde_json::from_str(pause.split_once(' ')?.1).ok()
}

/// Differs from every mark before it, also after Redis lost everything.
fn mark() -> String {
    format!("{:x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_end_by_themselves() {
        assert_eq!(time_left("0 {}"), Some(FOR_EVER));
        assert_eq!(time_left("1 {}"), None);
        let soon = Utc::now().timestamp_millis() + 5_000;
        assert!(time_left(&format!("{soon} {{}}")).is_some_and(|left| left <= Duration::from_secs(5)));
        assert_eq!(time_left("soon"), None);
    }
}
