//! Asks whether deliveries may run, and brings outcomes to Redis, in batches.
//!
//! While one batch is under way the next one gathers by itself, so there is no timer: single outcomes at low load, hundreds in
//! one script under load. An outcome is tried for ever; until it is through, its lease goes on being renewed, so nobody reruns
//! the job. The slot is free at the job's end, not here.

use std::{sync::Arc, time::Duration};

use redis::{FromRedisValue, RedisResult, ScriptInvocation};
use tokio::sync::mpsc;

use super::{line::Line, shared::Shared};
use crate::{
    connection,
    dead_letter::KEPT,
    delivery::{Finish, Held, Message, Verb},
    keys::GROUP,
    metric,
    scripts::{FINISH, RECORDS, START},
    touched::millis,
};

/// How long one script may take.
const RESPONSE: Duration = Duration::from_secs(3);

/// How long a delivery waits when the same request still runs elsewhere.
const BUSY_WAIT: Duration = Duration::from_millis(200);

/// The most bytes of envelopes in one script.
const BATCH_BYTES: usize = 4 << 20;

pub(super) async fn run(shared: Arc<Shared>, mut inbox: mpsc::UnboundedReceiver<Message>) {
    let mut acker = Acker { line: Line::new(&shared, RESPONSE), shared };
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
}

impl Acker {
    async fn work(&mut self, batch: &mut Vec<Message>) {
        let (mut starts, mut finishes, mut flushes) = (Vec::new(), Vec::new(), Vec::new());
        for message in batch.drain(..) {
            match message {
                Message::Start(held) => starts.push(held),
                Message::Finish(finish) => finishes.push(finish),
                Message::Flush(done) => flushes.push(done),
            }
        }
        self.finish_all(finishes).await;
        if !starts.is_empty() {
            self.start_all(starts).await;
        }
        for done in flushes {
            let _ = done.send(());
        }
    }

    async fn start_all(&mut self, starts: Vec<Arc<Held>>) {
        let verdicts = self.insist::<Vec<String>>(&ask(&self.shared, &starts)).await;
        match verdicts {
            Ok(verdicts) => {
                for (held, verdict) in starts.into_iter().zip(verdicts) {
                    self.judge(held, &verdict);
                }
            }
            Err(error) => {
                tracing::error!(%error, "Redis refused to start jobs; they are given back");
                for held in starts {
                    self.shared.may_not_run();
                    self.shared.give_back(&held);
                }
            }
        }
        self.shared.waker.wake();
    }

    fn judge(&self, held: Arc<Held>, verdict: &str) {
        let (queue, kind) = (self.shared.options.queue, held.envelope.job.kind());
        if verdict == "run" {
            return self.shared.may_run(held);
        }
        self.shared.may_not_run();
        match verdict {
            "over" => {
                metric::settled(queue, kind, "overtaken");
                self.shared.finish(Finish::of(&held, Verb::Drop));
            }
            "busy" => {
                metric::settled(queue, kind, "busy");
                let verb = Verb::Wait { body: held.envelope.bytes(), delay: BUSY_WAIT };
                self.shared.finish(Finish::of(&held, verb));
            }
            _ => {
                metric::settled(queue, kind, "lost");
                self.shared.forget(&held.entry);
            }
        }
    }

    async fn finish_all(&mut self, finishes: Vec<Finish>) {
        let mut rest = finishes.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(fitting(rest));
            self.finish(batch).await;
            rest = later;
        }
    }

    async fn finish(&mut self, batch: &[Finish]) {
        match self.insist::<Vec<String>>(&tell(&self.shared, batch)).await {
            Ok(late) => self.applied(batch, &late),
            Err(error) if batch.len() == 1 => {
                // Its lease runs out and it is delivered again: late, not lost.
                tracing::error!(%error, entry = batch[0].entry, "Redis refused an outcome");
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
        let missed = batch.iter().filter(|finish| finish.verb.matters() && late.contains(&finish.entry));
        let mut count = 0;
        for finish in missed {
            count += 1;
            let id = finish.job_id().map(|id| id.to_string());
            tracing::warn!(job.id = id, "an outcome came too late: another worker has the job, or Redis forgot it");
        }
        metric::outcomes_late(self.shared.options.queue, count);
    }

    /// Runs a script until Redis answers. An error is returned only when asking again cannot help.
    async fn insist<T: FromRedisValue>(&mut self, script: &ScriptInvocation<'_>) -> RedisResult<T> {
        loop {
            let answer = match self.line.get().await {
                Ok(mut connection) => script.invoke_async(&mut connection).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => {
                    self.line.works();
                    return Ok(answer);
                }
                Err(error) if connection::is_passing(&error) && !self.shared.closed.is_cancelled() => {
                    self.line.broke(&error).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn ask(shared: &Shared, starts: &[Arc<Held>]) -> ScriptInvocation<'static> {
    let options = &shared.options;
    let mut script = START.prepare_invoke();
    script.key(&shared.keys.stream).arg(GROUP).arg(&options.consumer).arg(millis(options.lease));
    for held in starts {
        let unique = &held.unique;
        script.key(&unique.key).key(&unique.running);
        script.arg(&held.entry).arg(held.envelope.id.to_string());
        script.arg(unique.mode).arg(&unique.value).arg(millis(unique.life));
    }
    script
}

fn tell(shared: &Shared, batch: &[Finish]) -> ScriptInvocation<'static> {
    let (keys, options) = (&shared.keys, &shared.options);
    let mut script = FINISH.prepare_invoke();
    script.key(&keys.stream).key(&keys.delayed).key(&keys.dead).key(&keys.wake);
    script.arg(GROUP).arg(&options.consumer).arg(millis(options.lease)).arg(KEPT);
    let mut count = 4;
    for finish in batch {
        finish.write(&mut script, &mut count);
    }
    script
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
