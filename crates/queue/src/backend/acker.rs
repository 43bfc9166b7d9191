//! Brings outcomes to Redis, in batches.
//!
//! While one batch is under way the next one gathers by itself, so there is no timer: single outcomes at low load, hundreds in
//! one script under load. An outcome is tried for ever; until it is through, its lease goes on being renewed, so nobody reruns
//! the job. The slot is free at the job's end, not here.

use std::{sync::Arc, time::Duration};

use redis::{Pipeline, ScriptInvocation};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    line::{Line, Request},
    shared::Shared,
};
use crate::{
    dead_letter::KEPT,
    delivery::{Finish, Held, Message},
    history,
    keys::{GROUP, Keys},
    metric,
    scripts::{FINISH, RECORDS},
    touched::millis,
};

/// How long one script may take.
const RESPONSE: Duration = Duration::from_secs(3);

/// The most bytes of envelopes in one script.
const BATCH_BYTES: usize = 4 << 20;

pub(super) async fn run(shared: Arc<Shared>, mut inbox: mpsc::UnboundedReceiver<Message>) {
    let mut acker = Acker { line: Line::new(&shared, RESPONSE), shared, room: history::Room::new(), history: None };
    let mut batch = Vec::with_capacity(RECORDS);
    loop {
        tokio::select! {
            biased;
            count = inbox.recv_many(&mut batch, RECORDS) => if count == 0 { return },
            () = acker.shared.closed.cancelled() => return,
        }
        acker.work(&mut batch).await;
    }
}

struct Acker {
    shared: Arc<Shared>,
    line: Line,
    room: history::Room,
    /// Writes the history of the last batch.
    history: Option<JoinHandle<()>>,
}

impl Acker {
    async fn work(&mut self, batch: &mut Vec<Message>) {
        let (mut finishes, mut flushes) = (Vec::with_capacity(batch.len()), Vec::new());
        for message in batch.drain(..) {
            match message {
                Message::Finish(finish) => finishes.push(finish),
                Message::Flush(done) => flushes.push(done),
            }
        }
        self.finish_all(finishes).await;
        for done in flushes {
            self.end_history().await;
            let _ = done.send(());
        }
    }

    async fn finish_all(&mut self, finishes: Vec<Finish>) {
        let (plain, others): (Vec<_>, Vec<_>) = finishes.into_iter().partition(Finish::is_plain);
        for finishes in [plain, others] {
            let mut rest = finishes.as_slice();
            while !rest.is_empty() {
                let (batch, later) = rest.split_at(fitting(rest));
                self.finish(batch).await;
                rest = later;
            }
        }
    }

    async fn finish(&mut self, batch: &[Finish]) {
        match self.line.insist::<Vec<String>>(|| tell(&self.shared, batch)).await {
            Ok(late) => {
                // What was applied at the first time comes too late at the second.
                self.applied(batch, if late.is_first { &late.told } else { &[] });
                self.remember(batch).await;
            }
            Err(error) if batch.len() == 1 => {
                // Its lease runs out and it is delivered again: late, not lost.
                tracing::error!(error.code = "queue.refused", %error, entry = &*batch[0].entry, "Redis refused an outcome");
                self.shared.settled(batch);
            }
            // One of them is refused; the others must not suffer for it.
            Err(_) => {
                for one in batch {
                    Box::pin(self.finish(std::slice::from_ref(one))).await;
                }
            }
        }
    }

    fn applied(&self, batch: &[Finish], late: &[String]) {
        self.shared.settled(batch);
        let missed =
            batch.iter().filter(|finish| finish.verb.matters() && late.iter().any(|entry| **entry == *finish.entry));
        let mut count = 0;
        for finish in missed {
            count += 1;
            let id = finish.job_id().map(|id| id.to_string());
            tracing::warn!(job.id = id, "an outcome came too late: another worker has the job, or Redis forgot it");
        }
        metric::outcomes_late(self.shared.options.queue, count);
    }

    /// The history is a convenience: when it cannot be written, nobody waits for it, and the next batch need not either.
    async fn remember(&mut self, batch: &[Finish]) {
        let Some(pipe) = history::pipe(&self.shared.keys, batch, &mut self.room) else { return };
        self.end_history().await;
        if let Ok(mut connection) = self.line.get().await {
            self.history = Some(tokio::spawn(async move {
                let _ = pipe.query_async::<()>(&mut connection).await;
            }));
        }
    }

    async fn end_history(&mut self) {
        if let Some(history) = self.history.take() {
            let _ = history.await;
        }
    }
}

fn tell(shared: &Shared, batch: &[Finish]) -> Request {
    if batch.iter().all(Finish::is_plain) {
        return Request::Pipe(forget(&shared.keys, batch));
    }
    let (keys, options) = (&shared.keys, &shared.options);
    let mut script = FINISH.prepare_invoke();
    script.key(&keys.stream).key(&keys.delayed).key(&keys.dead).key(&keys.wake).key(&keys.runs);
    script.key(&keys.dropped).key(&keys.shares).key(&keys.share).key(&keys.lines).key(&keys.cancelled);
    script.key(&keys.waiting);
    script.arg(GROUP).arg(&options.consumer).arg(millis(options.lease)).arg(KEPT);
    let (good, others): (Vec<&Finish>, Vec<&Finish>) = batch.iter().partition(|finish| finish.is_good_end());
    let mut count = 11 + give_back(&mut script, good.iter().filter_map(|finish| finish.held.as_deref()).collect());
    for finish in others {
        finish.write(&mut script, &mut count);
    }
    Request::Script(script)
}

/// Adds what ended well, those of one mode and one instance beside each other; answers how many keys that took.
fn give_back(script: &mut ScriptInvocation<'_>, mut good: Vec<&Held>) -> usize {
    good.sort_by_key(|held| (held.unique.mode, held.envelope.job.instance()));
    let runs: Vec<&[&Held]> = good.chunk_by(|one, next| one.unique.line == next.unique.line).collect();
    let pending = good.iter().take_while(|held| held.unique.mode == "p").count();
    script.arg(pending).arg(good.len() - pending).arg(runs.len());
    for held in &good {
        script.key(&held.unique.key);
    }
    for run in &runs {
        script.key(&run[0].unique.line).arg(run.len());
    }
    for held in &good {
        script.arg(&*held.entry);
    }
    for held in &good {
        script.arg(held.envelope.id.to_string());
    }
    good.len() + runs.len()
}

/// What went well and holds nothing needs no script: both commands in one step, in a third of the time. Answers, as the
/// script does, with what came too late: nothing ever does.
fn forget(keys: &Keys, batch: &[Finish]) -> Pipeline {
    let entries: Vec<&str> = batch.iter().map(|finish| &*finish.entry).collect();
    let mut pipe = redis::pipe();
    pipe.atomic();
    pipe.cmd("XACK").arg(&keys.stream).arg(GROUP).arg(&entries).ignore();
    pipe.cmd("XDEL").arg(&keys.stream).arg(&entries).ignore();
    pipe
}

/// How many of the first outcomes go into one script, by size.
fn fitting(finishes: &[Finish]) -> usize {
    let mut bytes = 0;
    let fit = finishes.iter().take_while(|finish| {
        bytes += finish.verb.size();
        bytes <= BATCH_BYTES
    });
    fit.count().max(1)
}
