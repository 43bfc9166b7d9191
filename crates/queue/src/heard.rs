//! When Jira was last heard of: by each instance's webhooks, and by any gateway at all.
//!
//! Losing this costs a poll, never truth.

use chrono::{DateTime, Utc};
use domain::InstanceId;

use crate::{Error, Producer, QueueName};

/// For how long it is remembered when an instance was heard of.
const REMEMBERED_MS: u64 = 30 * 24 * 3600 * 1000;

impl Producer {
    /// Notes that a webhook of the instance was received at `at`.
    pub async fn hear(&self, instance: InstanceId, at: DateTime<Utc>) -> Result<(), Error> {
        let key = self.keys(QueueName::Live).heard(instance);
        let at = at.timestamp_millis();
        self.ask(|mut connection| {
            let mut command = redis::cmd("SET");
            command.arg(&key).arg(at).arg("PX").arg(REMEMBERED_MS);
            async move { command.query_async(&mut connection).await }
        })
        .await
    }

    /// When a webhook of the instance was last received.
    pub async fn heard(&self, instance: InstanceId) -> Result<Option<DateTime<Utc>>, Error> {
        Ok(self.heard_of(&[instance]).await?.into_iter().next().flatten())
    }

    /// The same of many instances, in their order.
    pub async fn heard_of(&self, instances: &[InstanceId]) -> Result<Vec<Option<DateTime<Utc>>>, Error> {
        if instances.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = instances.iter().map(|id| self.keys(QueueName::Live).heard(*id)).collect();
        let times: Vec<Option<i64>> = self
            .ask(|mut connection| {
                let mut command = redis::cmd("MGET");
                command.arg(&keys);
                async move { command.query_async(&mut connection).await }
            })
            .await?;
        Ok(times.into_iter().map(|at| at.and_then(DateTime::from_timestamp_millis)).collect())
    }

    /// Notes that a gateway is there at `now`; says when one was there before.
    pub async fn receiver_is_there(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
        let key = &self.keys(QueueName::Live).receiver;
        let at: Option<i64> = self
            .ask(|mut connection| {
                let mut command = redis::cmd("SET");
                command.arg(key).arg(now.timestamp_millis()).arg("GET");
                async move { command.query_async(&mut connection).await }
            })
            .await?;
        Ok(at.and_then(DateTime::from_timestamp_millis))
    }
}
