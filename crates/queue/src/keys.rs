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
    /// At most one element: something became due earlier than what the janitors sleep for.
    pub(crate) wake: String,
}

impl Keys {
    pub(crate) fn new(config: &Config, queue: QueueName) -> Result<Self, Error> {
        if config.prefix.contains(['{', '}']) {
            return Err(Error::Misconfigured("the key prefix must not contain braces".to_owned()));
        }
        let base = format!("{}:{{{queue}}}", config.prefix);
        let key = |name: &str| format!("{base}:{name}");
        Ok(Self { stream: key("s"), delayed: key("delayed"), dead: key("dead"), wake: key("wake"), base })
    }

    pub(crate) fn unique(&self, text: &str) -> String {
        format!("{}:unique:{text}", self.base)
    }

    pub(crate) fn running(&self, text: &str) -> String {
        format!("{}:running:{text}", self.base)
    }

    /// Touched issues by the time of their first touch.
    pub(crate) fn touched(&self, instance: InstanceId, lane: Lane) -> String {
        format!("{}:touched:{instance}:{lane}", self.base)
    }

    /// How often each was touched, and a mark of the last touch.
    pub(crate) fn counts(&self, instance: InstanceId, lane: Lane) -> String {
        format!("{}:touched:{instance}:{lane}:counts", self.base)
    }
}
