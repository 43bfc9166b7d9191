//! The turns of the timetable: which was served last, and serving the next one, once.
//!
//! A line of the timetable has a mark for each instance: the turn that was served last. A turn is served by one script that
//! looks at the mark, asks for the job and sets the mark, so that it comes neither twice nor not at all, whoever dies, sleeps
//! or lives in the wrong time. Losing the marks (an emptied Redis) makes every line a new one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::InstanceId;

use crate::{
    Clock, Envelope, Error, Job, Producer, QueueName,
    lead::instant,
    metric,
    producer::LINE,
    scripts::{FIRE, RECORDS},
    touched::millis,
    unique::UniqueKey,
};

/// For how long a mark is kept: longer than any turns are apart, and any outage is hoped to last.
const MARKED: Duration = Duration::from_secs(60 * 24 * 3600);

/// By how much a mark may lie ahead: less is a difference between the clocks of two Redis servers, more one put back.
pub const AHEAD: Duration = Duration::from_secs(60);

/// Records of one script; each has three keys.
const STEP: usize = RECORDS / 3;

/// The turn that was served last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When it came, in seconds since 1970.
    pub turn: i64,
    /// When its job was asked for; nothing when the turn was only noted, as the first of its line.
    pub at: Option<DateTime<Utc>>,
}

/// A turn that came.
#[derive(Clone, Debug)]
pub struct Due {
    /// Whose.
    pub instance: InstanceId,
    /// When it came, in seconds since 1970.
    pub turn: i64,
    /// What is asked for; nothing to note the turn only.
    pub job: Option<Job>,
}

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fired {
    /// Its job waits.
    Fired,
    /// The job of an earlier turn still waits or runs, and does for this one.
    Held,
    /// It was noted.
    Noted,
    /// It was served before.
    Passed,
    /// It is not due by the clock that counts.
    Early,
    /// Its instance has too much waiting; the turn stays due.
    Full,
    /// Whoever asked does not lead any more.
    Fenced,
}

impl Fired {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Fired, Self::Held, Self::Noted, Self::Passed, Self::Early, Self::Full, Self::Fenced];

    /// Its name in figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Held => "held",
            Self::Noted => "noted",
            Self::Passed => "passed",
            Self::Early => "early",
            Self::Full => "full",
            Self::Fenced => "fenced",
        }
    }
}

impl Producer {
    /// The turns of a line that were served last, in the order of the instances.
    pub async fn turns(
        &self,
        line: &str,
        queue: QueueName,
        instances: &[InstanceId],
    ) -> Result<Vec<Option<Turn>>, Error> {
        let mut turns = Vec::with_capacity(instances.len());
        for step in instances.chunks(RECORDS) {
            let marks: Vec<String> = step.iter().map(|id| self.keys(queue).mark(line, *id)).collect();
            let read: Vec<Option<String>> = self
                .ask(|mut connection| {
                    let mut command = redis::cmd("MGET");
                    command.arg(&marks);
                    async move { command.query_async(&mut connection).await }
                })
                .await?;
            for text in read {
                turns.push(text.as_deref().map(read_mark).transpose()?);
            }
        }
        Ok(turns)
    }

    /// Serves turns of one line, all of whose jobs wait in `queue`; says what became of each.
    pub async fn fire(
        &self,
        line: &str,
        queue: QueueName,
        term: u64,
        clock: Clock,
        due: &[Due],
    ) -> Result<Vec<Fired>, Error> {
        let mut fired = Vec::with_capacity(due.len());
        for step in due.chunks(STEP) {
            fired.append(&mut self.fire_some(line, queue, term, clock, step).await?);
        }
        Ok(fired)
    }

    async fn fire_some(
        &self,
        line: &str,
        queue: QueueName,
        term: u64,
        clock: Clock,
        due: &[Due],
    ) -> Result<Vec<Fired>, Error> {
        let keys = self.keys(queue);
        let mut script = FIRE.key(&keys.stream);
        script.key(&keys.delayed).key(&keys.wake).key(&keys.fence);
        script.arg(LINE).arg(term).arg(clock.to_arg()).arg(millis(AHEAD)).arg(millis(MARKED));
        let mut count = 4;
        let mut add = |script: &mut redis::ScriptInvocation<'_>, key: &str| {
            script.key(key);
            count += 1;
            count
        };
        for Due { instance, turn, job } in due {
            let mark = add(&mut script, &keys.mark(line, *instance));
            script.arg(mark).arg(*turn);
            let Some(job) = job else {
                script.arg("").arg(0).arg("").arg(0);
                continue;
            };
            let envelope = Envelope::new(job.clone(), Utc::now(), self.trace_parent());
            let unique = UniqueKey::of(&envelope, keys);
            let mut index = 0;
            if unique.is_shared() {
                index = add(&mut script, &unique.key);
                add(&mut script, &unique.line);
            }
            script.arg(envelope.encode()?).arg(index).arg(&unique.value).arg(millis(unique.life));
        }
        script.key(&keys.shares).key(&keys.share).key(&keys.lines);
        let answers: Vec<String> = self.run(&script).await?;
        let fired = answers.iter().zip(due).map(|(answer, due)| tell(answer, queue, due));
        fired.collect()
    }
}

fn tell(answer: &str, queue: QueueName, due: &Due) -> Result<Fired, Error> {
    let fired = Fired::ALL.into_iter().find(|known| known.name() == answer);
    let fired = fired.ok_or_else(|| Error::Unreadable(format!("Redis said {answer:?} of a turn")))?;
    if let (Fired::Fired | Fired::Held, Some(job)) = (fired, &due.job) {
        metric::enqueued(queue, job.kind(), fired == Fired::Fired);
    }
    Ok(fired)
}

/// `TURN AT`, where AT is in milliseconds, or `-`.
fn read_mark(text: &str) -> Result<Turn, Error> {
    let unread = || Error::Unreadable(format!("{text:?} is no mark of a turn"));
    let (turn, at) = text.split_once(' ').ok_or_else(unread)?;
    let turn = turn.parse().map_err(|_| unread())?;
    let at = match at {
        "-" => None,
        at => Some(instant(at.parse().map_err(|_| unread())?)?),
    };
    Ok(Turn { turn, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read() {
        let at = DateTime::from_timestamp_millis(1_790_000_000_123);
        assert_eq!(read_mark("1790000000 1790000000123").ok(), Some(Turn { turn: 1_790_000_000, at }));
        assert_eq!(read_mark("-5 -").ok(), Some(Turn { turn: -5, at: None }));
        for bad in ["", "1", "x 1", "1 x"] {
            assert!(read_mark(bad).is_err(), "{bad}");
        }
    }
}
