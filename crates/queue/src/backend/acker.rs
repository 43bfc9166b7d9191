//! Asks whether deliveries may run, and brings outcomes to Redis, in batches.
//!
//! While one batch is under way the next one gathers by itself, so there is no timer: single outcomes at low load, hundreds in
//! one script under load. An outcome is tried for ever; until it is through, its lease goes on being renewed, so nobody reruns
//! the job. The slot is free at the job's end, not here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{FromRedisValue, Pipeline, RedisResult, ScriptInvocation, aio::MultiplexedConnection};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{line::Line, parking, shared::Shared};
use crate::{
    connection,
    dead_letter::KEPT,
    delivery::{Finish, Held, Message, Verb},
    history,
    keys::{GROUP, Keys},
    metric,
    scripts::{FINISH, RECORDS, START},
    touched::millis,
    unique::Unique,
};

/// How long one script may take.
const RESPONSE: Duration = Duration::from_secs(3);

/// How long a delivery waits when the same request still runs elsewhere.
const BUSY_WAIT: Duration = Duration::from_millis(200);

/// The most bytes of envelopes in one script.
const BATCH_BYTES: usize = 4 << 20;

pub(super) async fn run(shared: Arc<Shared>, mut inbox: mpsc::UnboundedReceiver<Message>) {
    let mut acker = Acker { line: Line::new(&shared, RESPONSE), shared, history: None };
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

/// What is asked of Redis; may be asked again.
enum Request {
    Script(ScriptInvocation<'static>),
    Pipe(Pipeline),
}

impl Request {
    async fn send<T: FromRedisValue>(&self, connection: &mut MultiplexedConnection) -> RedisResult<T> {
        match self {
            Self::Script(script) => script.invoke_async(connection).await,
            Self::Pipe(pipe) => pipe.query_async(connection).await,
        }
    }
}

struct Acker {
    shared: Arc<Shared>,
    line: Line,
    /// Writes the history of the last batch.
    history: Option<JoinHandle<()>>,
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
            self.end_history().await;
            let _ = done.send(());
        }
    }

    async fn start_all(&mut self, starts: Vec<Arc<Held>>) {
        let verdicts = self.insist::<Vec<String>>(&Request::Script(ask(&self.shared, &starts))).await;
        match verdicts {
            Ok(verdicts) => {
                let (parked, others): (Vec<_>, Vec<_>) =
                    starts.into_iter().zip(verdicts).partition(|(_, verdict)| verdict == "parked");
                for (held, verdict) in others {
                    self.judge(held, &verdict);
                }
                if !parked.is_empty() {
                    self.park_all(&parked.into_iter().map(|(held, _)| held).collect::<Vec<_>>()).await;
                }
            }
            Err(error) => {
                tracing::error!(error.code = "queue.refused", %error, "Redis refused to start jobs; they are given back");
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
            "cancelled" => self.shared.finish(history::called_off(queue, &held)),
            "halted" => {
                self.shared.halt();
                self.shared.give_back(&held);
            }
            _ => {
                metric::settled(queue, kind, "lost");
                self.shared.forget(&held.entry);
            }
        }
    }

    /// The jobs of paused instances wait elsewhere, so that they cost nobody a slot.
    async fn park_all(&mut self, parked: &[Arc<Held>]) {
        let counted = self.insist::<u64>(&Request::Script(parking::park(&self.shared, parked))).await;
        if let Err(error) = counted {
            // Their leases run out and they are asked for again: late, not lost.
            tracing::error!(error.code = "queue.refused", %error, "Redis refused to park jobs of a paused instance");
        }
        for held in parked {
            metric::settled(self.shared.options.queue, held.envelope.job.kind(), "parked");
            self.shared.may_not_run();
            self.shared.forget(&held.entry);
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
        match self.insist::<Vec<String>>(&tell(&self.shared, batch)).await {
            Ok(late) => {
                self.applied(batch, &late);
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
        let Some(pipe) = history::pipe(&self.shared.keys, batch) else { return };
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

    /// Asks until Redis answers. An error is returned only when asking again cannot help.
    async fn insist<T: FromRedisValue>(&mut self, request: &Request) -> RedisResult<T> {
        loop {
            let answer = match self.line.get().await {
                Ok(mut connection) => request.send(&mut connection).await,
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
    let (options, keys) = (&shared.options, &shared.keys);
    let mut script = START.prepare_invoke();
    let now = Instant::now();
    let trusted = starts.iter().all(|held| held.is_trusted(now));
    script.key(&keys.stream).arg(GROUP).arg(&options.consumer).arg(millis(options.lease));
    script.arg(millis(Unique::UNFINISHED_LIFE)).arg(u8::from(trusted));
    for held in starts {
        let unique = &held.unique;
        // Every key of a script must be in the queue's slot, also one that the script leaves alone.
        let (key, running) =
            if unique.is_shared() { (&unique.key, &unique.running) } else { (&keys.stream, &keys.stream) };
        script.key(key).key(running);
        script.arg(&*held.entry).arg(named(held));
        script.arg(if unique.mode == "u" { unique.value.as_str() } else { "" });
        script.arg(held.envelope.job.instance().to_string());
    }
    script.key(&keys.paused).key(&keys.cancelled);
    script
}

/// The mode of a job's unique key and the job's id in one: every argument costs both sides.
fn named(held: &Held) -> String {
    format!("{}{}", held.unique.mode, held.envelope.id)
}

fn tell(shared: &Shared, batch: &[Finish]) -> Request {
    if batch.iter().all(Finish::is_plain) {
        return Request::Pipe(forget(&shared.keys, batch));
    }
    let (keys, options) = (&shared.keys, &shared.options);
    let mut script = FINISH.prepare_invoke();
    script.key(&keys.stream).key(&keys.delayed).key(&keys.dead).key(&keys.wake);
    script.arg(GROUP).arg(&options.consumer).arg(millis(options.lease)).arg(KEPT);
    let (good, others): (Vec<&Finish>, Vec<&Finish>) = batch.iter().partition(|finish| finish.is_good_end());
    script.arg(good.len());
    for held in good.iter().filter_map(|finish| finish.held.as_ref()) {
        script.key(&held.unique.key).key(&held.unique.running).key(&held.unique.line);
        script.arg(&*held.entry).arg(named(held));
    }
    let mut count = 4 + 3 * good.len();
    for finish in others {
        finish.write(&mut script, &mut count);
    }
    script.key(&keys.dropped).key(&keys.shares).key(&keys.share).key(&keys.lines).key(&keys.cancelled);
    Request::Script(script)
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
