//! One scheduler of several, a step at a time: for playing days in seconds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use queue::{Clock, Fired, Producer};
use store::Store;

use crate::{Failure, fan_out::FanOut, lead::LIFE, timetable::TIMETABLE};

/// A scheduler that does what it is told when it is told: the same steps as [`run`](crate::run) takes by the clock.
pub struct Replica {
    fan_out: FanOut,
    producer: Producer,
    name: String,
    term: Option<u64>,
}

impl Replica {
    /// How long a leader is waited for.
    pub const LIFE: Duration = LIFE;

    /// One that does not lead yet.
    pub fn new(store: Store, producer: Producer, name: &str) -> Self {
        Self { fan_out: FanOut::new(store, producer.clone()), producer, name: name.to_owned(), term: None }
    }

    /// The term in which it believes to lead.
    pub fn term(&self) -> Option<u64> {
        self.term
    }

    /// Says that it is there.
    pub async fn beat(&mut self, clock: Clock) -> Result<(), queue::Error> {
        let lead = self.producer.lead(&self.name, LIFE, clock).await?;
        self.term = lead.leader.filter(|leader| leader.name == self.name).map(|leader| leader.term);
        Ok(())
    }

    /// Serves a tick of every line if it believes to lead, and believes that it is `now`; what became of the turns.
    pub async fn tick(&self, now: DateTime<Utc>, clock: Clock) -> Result<Vec<Fired>, Failure> {
        let mut all = Vec::new();
        let Some(term) = self.term else { return Ok(all) };
        for line in TIMETABLE {
            all.append(&mut self.fan_out.once(line, term, now.timestamp(), clock).await?);
        }
        Ok(all)
    }
}
