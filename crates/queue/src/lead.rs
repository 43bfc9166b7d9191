//! Which of several schedulers leads: a lease in Redis, and a term that grows with every change.
//!
//! Leading is thrift: one lists what is due, the others rest. That nothing is asked for twice is held by the marks of
//! [`turns`](crate::turns), whoever believes to lead.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{Error, Producer, QueueName, scripts::LEAD, touched::millis};

/// Whose clock counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// Redis' own, so that all schedulers agree.
    #[default]
    Redis,
    /// It is this late, to play days in seconds.
    Told(DateTime<Utc>),
}

impl Clock {
    /// As the scripts take it.
    pub(crate) fn to_arg(self) -> String {
        match self {
            Self::Redis => String::new(),
            Self::Told(now) => now.timestamp_millis().to_string(),
        }
    }
}

/// Whoever leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Under which name.
    pub name: String,
    /// The how manieth it is; grows for ever.
    pub term: u64,
    /// When its lease ends, unless it is renewed.
    pub until: DateTime<Utc>,
}

/// How it stands with the lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// When this was asked, by the clock that counts.
    pub now: DateTime<Utc>,
    /// Whoever leads, if anybody does.
    pub leader: Option<Leader>,
}

impl Producer {
    /// Takes the lead, or keeps it, for as long as `life`, unless somebody else has it.
    pub async fn lead(&self, name: &str, life: Duration, clock: Clock) -> Result<Lead, Error> {
        self.ask_for_lead(name, millis(life.max(Duration::from_millis(1))).cast_signed(), clock).await
    }

    /// Gives the lead up, if it is ours, so that the next one need not wait.
    pub async fn resign(&self, name: &str, clock: Clock) -> Result<(), Error> {
        self.ask_for_lead(name, 0, clock).await.map(|_| ())
    }

    /// Who leads now.
    pub async fn leader(&self) -> Result<Lead, Error> {
        self.ask_for_lead("", -1, Clock::Redis).await
    }

    async fn ask_for_lead(&self, name: &str, life: i64, clock: Clock) -> Result<Lead, Error> {
        let keys = self.keys(QueueName::Live);
        let mut script = LEAD.key(&keys.lead);
        script.key(&keys.term).arg(name).arg(life).arg(clock.to_arg());
        let (now, term, until, name): (i64, u64, i64, String) = self.run(&script).await?;
        let (now, until) = (instant(now)?, instant(until)?);
        Ok(Lead { now, leader: (term > 0).then_some(Leader { name, term, until }) })
    }
}

pub(crate) fn instant(at: i64) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_millis(at).ok_or_else(|| Error::Unreadable(format!("{at} is no time")))
}
