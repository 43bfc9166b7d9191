//! Asks whether deliveries may run, in batches: while one is under way the next one gathers.
//!
//! Beside the acker, on a connection of its own, so that Redis is busy with the outcomes of some jobs while this process is
//! with the starts of others.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::ScriptInvocation;
use tokio::sync::mpsc;

use super::{
    line::{Line, Request},
    parking,
    shared::Shared,
};
use crate::{
    delivery::{Finish, Held, Start, Verb},
    history,
    keys::GROUP,
    metric,
    scripts::{RECORDS, START},
    touched::millis,
    unique::Unique,
};

/// How long one script may take.
const RESPONSE: Duration = Duration::from_secs(3);

/// How long a delivery waits when the same request still runs elsewhere, unless that run ends before (`finish.lua`).
const BUSY_WAIT: Duration = Duration::from_secs(2);

pub(super) async fn run(shared: Arc<Shared>, mut inbox: mpsc::UnboundedReceiver<Start>) {
    let mut starter = Starter { line: Line::new(&shared, RESPONSE), shared };
    let mut batch = Vec::with_capacity(RECORDS);
    loop {
        tokio::select! {
            biased;
            count = inbox.recv_many(&mut batch, RECORDS) => if count == 0 { return },
            () = starter.shared.closed.cancelled() => return,
        }
        starter.work(&mut batch).await;
    }
}

struct Starter {
    shared: Arc<Shared>,
    line: Line,
}

impl Starter {
    async fn work(&mut self, batch: &mut Vec<Start>) {
        let (mut starts, mut flushes) = (Vec::with_capacity(batch.len()), Vec::new());
        for message in batch.drain(..) {
            match message {
                Start::Ask(held) => starts.push(held),
                Start::Flush(done) => flushes.push(done),
            }
        }
        if !starts.is_empty() {
            self.start_all(starts).await;
        }
        for done in flushes {
            let _ = done.send(());
        }
    }

    async fn start_all(&mut self, starts: Vec<Arc<Held>>) {
        let ask = || Request::Script(ask(&self.shared, &starts));
        match self.line.insist::<Vec<(usize, String)>>(ask).await {
            Ok(refusals) => self.judge_all(starts, &refusals.told).await,
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

    /// `refusals` are the places, from 1, of those that may not run, in order, and why.
    async fn judge_all(&mut self, starts: Vec<Arc<Held>>, refusals: &[(usize, String)]) {
        let (mut parked, mut refusals) = (Vec::new(), refusals.iter().peekable());
        for (place, held) in starts.into_iter().enumerate() {
            match refusals.next_if(|(refused, _)| *refused == place + 1) {
                None => self.shared.may_run(held),
                Some((_, verdict)) if verdict == "parked" => parked.push(held),
                Some((_, verdict)) => self.refuse(&held, verdict),
            }
        }
        if !parked.is_empty() {
            self.park_all(&parked).await;
        }
    }

    fn refuse(&self, held: &Arc<Held>, verdict: &str) {
        let (queue, kind) = (self.shared.options.queue, held.envelope.job.kind());
        self.shared.may_not_run();
        match verdict {
            "over" => {
                metric::settled(queue, kind, "overtaken");
                self.shared.finish(Finish::of(held, Verb::Drop));
            }
            "busy" => {
                metric::settled(queue, kind, "busy");
                let verb = Verb::Wait { body: held.envelope.bytes(), delay: BUSY_WAIT };
                self.shared.finish(Finish::of(held, verb));
            }
            "cancelled" => self.shared.finish(history::called_off(queue, held)),
            "halted" => {
                self.shared.halt();
                self.shared.give_back(held);
            }
            _ => {
                metric::settled(queue, kind, "lost");
                self.shared.forget(&held.entry);
            }
        }
    }

    /// The jobs of paused instances wait elsewhere, so that they cost nobody a slot.
    async fn park_all(&mut self, parked: &[Arc<Held>]) {
        let park = || Request::Script(parking::park(&self.shared, parked));
        if let Err(error) = self.line.insist::<u64>(park).await {
            // Their leases run out and they are asked for again: late, not lost.
            tracing::error!(error.code = "queue.refused", %error, "Redis refused to park jobs of a paused instance");
        }
        for held in parked {
            metric::settled(self.shared.options.queue, held.envelope.job.kind(), "parked");
            self.shared.may_not_run();
            self.shared.forget(&held.entry);
        }
    }
}

fn ask(shared: &Shared, starts: &[Arc<Held>]) -> ScriptInvocation<'static> {
    let (options, keys) = (&shared.options, &shared.keys);
    let mut script = START.prepare_invoke();
    let now = Instant::now();
    let trusted = starts.iter().all(|held| held.is_trusted(now));
    script.key(&keys.stream).key(&keys.runs).key(&keys.paused).key(&keys.cancelled);
    script.arg(GROUP).arg(&options.consumer).arg(millis(options.lease));
    script.arg(millis(Unique::UNFINISHED_LIFE)).arg(u8::from(trusted));
    script.arg(starts.iter().map(|held| held.unique.mode).collect::<String>());
    for held in starts {
        // Every key of a script must be in the queue's slot, also one that the script leaves alone.
        script.key(if held.unique.is_shared() { &held.unique.key } else { &keys.stream });
        script.arg(&*held.entry);
    }
    for held in starts {
        let claim = if held.unique.mode == "u" { held.unique.value.as_str() } else { "" };
        // In one: every argument costs both sides.
        script.arg(format!("{}{}{claim}", held.envelope.id, held.envelope.job.instance()));
    }
    script
}
