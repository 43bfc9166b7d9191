//! The names of all keys in Redis. One hash tag per queue, so that every script stays in one slot of a cluster.

use domain::InstanceId;

use crate::{Config, Error, Lane, QueueName};

/// The consumer group that all workers of a queue share.
pub(crate) const GROUP: &str = "g";

/// The keys of one queue.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    base: String,
    /// Ready jobs.
    pub(crate) stream: String,
    /// Jobs by the time they are due.
    pub(crate) delayed: String,
    /// Dead letters.
    pub(crate) dead: String,
    /// How many dead letters fell out: too many, too large together, or too old.
    pub(crate) dropped: String,
    /// At most one element: something became due earlier than what the janitors sleep for.
    pub(crate) wake: String,
    /// What is paused: `*` for the whole queue, or an instance.
    pub(crate) paused: String,
    /// Jobs that were called off, by the time until which that is remembered.
    pub(crate) cancelled: String,
    /// Changes whenever an operator paused, resumed or cancelled something.
    pub(crate) control: String,
    /// Instances with parked jobs, by the time at which these are released.
    pub(crate) parked: String,
    /// The last outcomes, newest first.
    pub(crate) finished: String,
    /// How many jobs of each instance are out of its own line and not ended.
    pub(crate) shares: String,
    /// How many that may be: twice what all workers hold at once; absent, a thousand.
    pub(crate) share: String,
    /// Which run of a request that is unique while it waits is on, and until when unless it is renewed, by unique key.
    pub(crate) runs: String,
    /// What waits for the end of such a run, by unique key; kept for a few seconds after the last one came.
    pub(crate) waiting: String,
    /// Instances with a line of their own, by the time at which it was last looked after.
    pub(crate) lines: String,
    /// What each worker holds at once, and when it last said so.
    pub(crate) slots: String,
    /// When a gateway last said that it is there.
    pub(crate) receiver: String,
    /// Who refreshes the gauges.
    pub(crate) gauges: String,
    /// When a scheduler last told how full the queue is.
    pub(crate) told: String,
    /// Which scheduler leads, and until when.
    pub(crate) lead: String,
    /// How many have led.
    pub(crate) term: String,
    /// The latest term whose scheduler asked for jobs of this queue.
    pub(crate) fence: String,
}

impl Keys {
    pub(crate) fn new(config: &Config, queue: QueueName) -> Result<Self, Error> {
        if config.prefix.contains(['{', '}']) {
            return Err(Error::Misconfigured("the key prefix must not contain braces".to_owned()));
        }
        let base = format!("{}:{{{queue}}}", config.prefix);
        let key = |name: &str| format!("{base}:{name}");
        Ok(Self {
            stream: key("s"),
            delayed: key("delayed"),
            dead: key("dead"),
            dropped: key("dropped"),
            wake: key("wake"),
            paused: key("paused"),
            cancelled: key("cancelled"),
            control: key("control"),
            parked: key("parked"),
            finished: key("finished"),
            shares: key("shares"),
            share: key("share"),
            runs: key("runs"),
            waiting: key("waiting"),
            lines: key("lines"),
            slots: key("slots"),
            receiver: key("receiver"),
            gauges: key("gauges"),
            told: key("told"),
            lead: key("lead"),
            term: key("term"),
            fence: key("fence"),
            base,
        })
    }

    /// What an instance asked for beyond its share; ends with the instance's 36 characters.
    pub(crate) fn line(&self, instance: InstanceId) -> String {
        format!("{}:line:{instance}", self.base)
    }

    /// The jobs of a paused instance, by their unique keys.
    pub(crate) fn parked_of(&self, instance: InstanceId) -> String {
        format!("{}:parked:{instance}", self.base)
    }

    pub(crate) fn unique(&self, text: &str) -> String {
        format!("{}:unique:{text}", self.base)
    }

    /// The turn of a timetable's line that was served last for an instance.
    pub(crate) fn mark(&self, line: &str, instance: InstanceId) -> String {
        format!("{}:turn:{line}:{instance}", self.base)
    }

    /// When a webhook of the instance was last received.
    pub(crate) fn heard(&self, instance: InstanceId) -> String {
        format!("{}:heard:{instance}", self.base)
    }

    /// Touched issues by the time of their first touch.
    pub(crate) fn touched(&self, instance: InstanceId, lane: Lane) -> String {
        format!("{}:touched:{instance}:{lane}", self.base)
    }

    /// The traces of those who touched them since they were looked at.
    pub(crate) fn traces(&self, instance: InstanceId, lane: Lane) -> String {
        format!("{}:touched:{instance}:{lane}:traces", self.base)
    }

    /// When each was looked at last, for as long as it rests after that.
    pub(crate) fn looks(&self, instance: InstanceId, lane: Lane) -> String {
        format!("{}:touched:{instance}:{lane}:looks", self.base)
    }

    /// Issues of all lanes that were touched again soon after a look, by the time until which they rest.
    pub(crate) fn resting(&self, instance: InstanceId) -> String {
        format!("{}:touched:{instance}:resting", self.base)
    }

    /// How often each was touched, and a mark of the last touch.
    pub(crate) fn counts(&self, instance: InstanceId, lane: Lane) -> String {
        format!("{}:touched:{instance}:{lane}:counts", self.base)
    }
}
