//! Watching one run of a backfill to its end, or until nothing works on it any more.

use std::time::Duration;

use domain::Instance;
use queue::{DeadLetter, Job, QueueName};
use store::BackfillRow;
use uuid::Uuid;

use super::progress::Progress;
use crate::{
    chores::instance,
    exit::{self, Failed},
    output::say,
    wire_up::House,
};

/// How often the rows are read.
const TICK: Duration = Duration::from_millis(500);
/// Every how many ticks it is asked whether anything still works on the backfill.
const LOOK_ROUND: u32 = 4;
/// Dead letters read at once.
const LETTERS: usize = 500;

/// A backfill that is being watched.
pub(super) struct Following<'a> {
    house: &'a House,
    instance: &'a Instance,
    /// The newest dead letter there was before the backfill was asked for; older ones tell of earlier interruptions.
    seen: Option<String>,
    /// Whether the queue was empty when it was last looked at.
    was_idle: bool,
}

impl<'a> Following<'a> {
    /// To be called before the backfill is asked for.
    pub(super) async fn prepare(house: &'a House, instance: &'a Instance) -> Result<Self, Failed> {
        let mut following = Self { house, instance, seen: None, was_idle: false };
        while !following.new_letters().await?.is_empty() {}
        Ok(following)
    }

    /// Watches the rows of this run until all have ended. Ends with a failure when they never will.
    pub(super) async fn follow(mut self, run: Uuid) -> Result<(), Failed> {
        let mut progress = Progress::new();
        let mut tick = tokio::time::interval(TICK);
        for ticks in 1_u32.. {
            tick.tick().await;
            let rows = self.rows(run).await?;
            // Shown where it is known; nobody waits for it.
            let standing = self.house.clients.budgets().standing(self.instance.id).await.ok();
            progress.show(&rows, standing);
            if !rows.is_empty() && rows.iter().all(BackfillRow::ended) {
                self.must_have_succeeded(&rows)?;
                break;
            }
            if ticks.is_multiple_of(LOOK_ROUND) {
                self.must_be_alive(run, &rows).await?;
            }
        }
        progress.end();
        say!("the backfill of {} ended", self.instance.name);
        Ok(())
    }

    fn must_have_succeeded(&self, rows: &[BackfillRow]) -> Result<(), Failed> {
        let name = &self.instance.name;
        if let Some(row) = rows.iter().find(|row| row.was_cancelled()) {
            let sentence =
                format!("the backfill of {name} was called off at {}; what it brought stays", row.project_key);
            return Err(Failed::new(exit::FAILURE, sentence));
        }
        let Some(row) = rows.iter().find(|row| row.has_failed()) else { return Ok(()) };
        let why = row.reason.as_deref().unwrap_or("no reason was kept");
        let sentence = format!(
            "the backfill of {name} was given up at {}: {}. Next: put that right, then jirafleet backfill {name} --follow",
            row.project_key,
            why.trim_end_matches('.')
        );
        Err(Failed::new(exit::FAILURE, sentence))
    }

    async fn rows(&self, run: Uuid) -> Result<Vec<BackfillRow>, Failed> {
        let mut rows = self.house.store.tenant(self.instance.tenant).backfill_progress(self.instance.id).await?;
        rows.retain(|row| row.run == run);
        Ok(rows)
    }

    /// Refuses to watch on when the instance rests, when a job of this run was given up, or when the queue was empty both
    /// now and before the rows were read.
    async fn must_be_alive(&mut self, run: Uuid, rows: &[BackfillRow]) -> Result<(), Failed> {
        let name = &self.instance.name;
        let fresh = self.house.store.system().instance(self.instance.id).await?;
        let fresh = fresh.ok_or_else(|| Failed::not_found(format!("{name} was removed, and its backfill with it")))?;
        instance::must_not_rest(self.house, &fresh).await?;
        let letters = self.new_letters().await?;
        if let Some(letter) = letters.iter().find(|letter| self.is_ours(letter, run)) {
            let sentence = format!(
                "the backfill of {name} was given up: {}. Next: put that right, then jirafleet backfill {name} --follow",
                letter.reason.trim_end_matches('.')
            );
            return Err(Failed::new(exit::FAILURE, sentence));
        }
        let is_idle = self.house.producer.depth(QueueName::Bulk).await?.is_idle();
        if is_idle && self.was_idle {
            return Err(abandoned(name, rows));
        }
        self.was_idle = is_idle;
        Ok(())
    }

    /// What was given up since the last call, at most one page of it.
    async fn new_letters(&mut self) -> Result<Vec<DeadLetter>, Failed> {
        let letters = self.house.producer.dead_letters(QueueName::Bulk, self.seen.as_deref(), LETTERS).await?;
        if let Some(newest) = letters.last() {
            self.seen = Some(newest.id.clone());
        }
        Ok(letters)
    }

    fn is_ours(&self, letter: &DeadLetter, run: Uuid) -> bool {
        letter.envelope.as_ref().is_some_and(|envelope| match &envelope.job {
            Job::Backfill { instance, .. } => *instance == self.instance.id && envelope.id.0 == run,
            Job::BackfillProject { instance, run: of, .. } => *instance == self.instance.id && *of == run,
            _ => false,
        })
    }
}

fn abandoned(name: &str, rows: &[BackfillRow]) -> Failed {
    let left: Vec<&str> = rows.iter().filter(|row| !row.ended()).map(|row| row.project_key.as_str()).collect();
    let why = if left.is_empty() {
        "no project was begun, and no job for it is in the queue".to_owned()
    } else {
        format!("{} is unfinished, and no job for it is in the queue", left.join(", "))
    };
    let sentence = format!(
        "nothing works on the backfill of {name} any more: {why}. Next: jirafleet instance test {name}, then jirafleet \
         backfill {name} --follow"
    );
    Failed::new(exit::FAILURE, sentence)
}
