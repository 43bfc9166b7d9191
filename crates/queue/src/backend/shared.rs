//! What the pumps of one backend share: what is held, what waits, and how many slots are taken.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Instant,
};

use futures::task::AtomicWaker;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::{BackendOptions, Buried};
use crate::{
    Config, Envelope, Error,
    connection::{self, Connector, Outage},
    delivery::{self, Finish, Held, Message, Start, Verb},
    keys::Keys,
    metric::{self, Meters},
    scripts::RECORDS,
};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: BackendOptions,
    pub(super) keys: Keys,
    pub(super) connector: Connector,
    pub(super) outage: Outage,
    pub(super) meters: Meters,
    /// The worker's loop.
    pub(super) waker: AtomicWaker,
    /// Room was made, or it is time to look again.
    pub(super) demand: Notify,
    /// A slot became free.
    pub(super) freed: Notify,
    pub(super) paused: AtomicBool,
    /// The queue is paused, for all workers.
    halted: AtomicBool,
    /// The reader's connection, to end its blocking read.
    pub(super) reader_id: AtomicI64,
    /// Nothing more is fetched or started.
    pub(super) stopping: CancellationToken,
    pub(super) reader_ended: CancellationToken,
    /// The worker was dropped.
    pub(super) abandoned: CancellationToken,
    /// All is settled, or was waited for long enough.
    pub(super) closed: CancellationToken,
    state: Mutex<State>,
    starts: mpsc::UnboundedSender<Start>,
    outbox: mpsc::UnboundedSender<Message>,
}

#[derive(Debug, Default)]
struct State {
    /// Everything whose outcome is not in Redis yet, by entry: what leases are renewed for.
    held: HashMap<Arc<str>, Arc<Held>>,
    /// Fetched, not yet read.
    arriving: usize,
    /// Read, not yet asked for.
    buffer: VecDeque<Arc<Held>>,
    /// May run, not yet taken by the worker.
    ready: VecDeque<Arc<Held>>,
    /// Asked whether they may run.
    starting: usize,
    /// Starting, ready, or running.
    busy: usize,
}

impl State {
    /// Slots taken.
    fn running(&self) -> usize {
        self.busy.saturating_sub(self.starting + self.ready.len())
    }

    /// An entry that is held already was claimed by two of our own pumps at once.
    fn keep(&mut self, held: Held, put: fn(&mut VecDeque<Arc<Held>>, Arc<Held>)) {
        let held = Arc::new(held);
        if let Entry::Vacant(place) = self.held.entry(Arc::clone(&held.entry)) {
            place.insert(Arc::clone(&held));
            put(&mut self.buffer, held);
        }
    }
}

impl Shared {
    pub(super) fn new(
        config: &Config,
        options: BackendOptions,
        starts: mpsc::UnboundedSender<Start>,
        outbox: mpsc::UnboundedSender<Message>,
    ) -> Result<Self, Error> {
        metric::begins(options.queue);
        Ok(Self {
            keys: Keys::new(config, options.queue)?,
            connector: connection::connector(config)?,
            options,
            outage: Outage::default(),
            meters: Meters::default(),
            waker: AtomicWaker::new(),
            demand: Notify::new(),
            freed: Notify::new(),
            paused: AtomicBool::new(false),
            halted: AtomicBool::new(false),
            reader_id: AtomicI64::new(0),
            stopping: CancellationToken::new(),
            reader_ended: CancellationToken::new(),
            abandoned: CancellationToken::new(),
            closed: CancellationToken::new(),
            state: Mutex::default(),
            starts,
            outbox,
        })
    }

    /// The next job that may run, if any. Asks for those that wait and have a slot.
    pub(super) fn next(&self) -> Option<Arc<Held>> {
        if self.is_resting() {
            return None;
        }
        let mut state = self.state();
        if state.busy < self.options.begun() && !state.buffer.is_empty() {
            self.start_some(&mut state);
        }
        let next = if state.running() < self.options.slots { state.ready.pop_front() } else { None };
        if self.is_low(&state) {
            self.demand.notify_one();
        }
        next
    }

    /// Lets start what waits, as far as there are slots.
    fn start_some(&self, state: &mut State) {
        let now = Instant::now();
        while state.busy < self.options.begun() {
            let Some(held) = state.buffer.pop_front() else { break };
            state.busy += 1;
            if held.may_start(now) {
                state.ready.push_back(held);
            } else {
                state.starting += 1;
                self.ask(Start::Ask(held));
            }
        }
    }

    /// How many jobs may be fetched; 0 while it is not worth a round trip.
    pub(super) fn room(&self) -> usize {
        if self.is_resting() {
            return 0;
        }
        let state = self.state();
        if !self.is_low(&state) {
            return 0;
        }
        let wanted = self.options.slots + self.options.prefetch;
        wanted.saturating_sub(state.busy + state.arriving + state.buffer.len()).min(RECORDS)
    }

    /// Whether it is worth a round trip to fetch more: early enough that the next ones are here before these are used up.
    fn is_low(&self, state: &State) -> bool {
        let ahead = state.busy.saturating_sub(self.options.slots);
        ahead + state.arriving + state.buffer.len() <= self.options.prefetch * 3 / 4
    }

    /// So many were fetched and come to `buffer` soon; answers how many are on that way.
    pub(super) fn expect(&self, count: usize) -> usize {
        let mut state = self.state();
        state.arriving += count;
        state.arriving
    }

    /// How many orphans may be taken over: up to a slot's worth more than what is prefetched, or workers that are busy all the
    /// time would never rescue.
    pub(super) fn rescue_room(&self) -> usize {
        if self.is_resting() {
            return 0;
        }
        let state = self.state();
        (2 * self.options.slots + self.options.prefetch).saturating_sub(state.busy + state.buffer.len())
    }

    /// Jobs that were delivered and can be read, of so many that were expected.
    pub(super) fn buffer(&self, jobs: Vec<Held>, expected: usize) {
        let mut state = self.state();
        state.arriving -= expected;
        for held in jobs {
            state.keep(held, VecDeque::push_back);
        }
        drop(state);
        self.waker.wake();
    }

    /// The same for jobs that waited for a lease to end: they go before the others.
    pub(super) fn buffer_first(&self, jobs: Vec<Held>) {
        let mut state = self.state();
        for held in jobs.into_iter().rev() {
            state.keep(held, VecDeque::push_front);
        }
        drop(state);
        self.waker.wake();
    }

    /// The answer to a start was yes.
    pub(super) fn may_run(&self, held: Arc<Held>) {
        if self.is_resting() {
            self.may_not_run();
            return self.give_back(&held);
        }
        let mut state = self.state();
        state.starting -= 1;
        state.ready.push_back(held);
    }

    /// The answer to a start was no.
    pub(super) fn may_not_run(&self) {
        self.state().starting -= 1;
        self.leave_slot();
    }

    /// Somebody else has it by now, or Redis forgot it.
    pub(super) fn forget(&self, entry: &str) {
        self.state().held.remove(entry);
    }

    /// Outcomes are in Redis.
    pub(super) fn settled(&self, finished: &[Finish]) {
        let mut state = self.state();
        for finish in finished {
            state.held.remove(&finish.entry);
        }
        metric::running(self.options.queue, state.busy.min(self.options.slots));
    }

    pub(super) fn leave_slot(&self) {
        let mut state = self.state();
        state.busy = state.busy.saturating_sub(1);
        drop(state);
        self.freed.notify_one();
    }

    /// Jobs that run right now. Those that were only asked for do not count: Redis may not answer.
    pub(super) fn running(&self) -> usize {
        self.state().running()
    }

    /// Gives back everything that did not start.
    pub(super) fn give_back_waiting(&self) {
        let mut state = self.state();
        state.busy = state.busy.saturating_sub(state.ready.len());
        let (buffer, ready) = (std::mem::take(&mut state.buffer), std::mem::take(&mut state.ready));
        drop(state);
        buffer.iter().chain(&ready).for_each(|held| self.give_back(held));
    }

    /// Lets somebody else have it at once, as if it had never been delivered.
    pub(super) fn give_back(&self, held: &Arc<Held>) {
        metric::settled(self.options.queue, held.envelope.job.kind(), "given_back");
        self.finish(Finish::of(held, Verb::Back { deliveries: held.deliveries - 1 }));
    }

    /// What leases must be renewed for: not for what was given back, or a renewal on another connection would undo that.
    pub(super) fn leases(&self) -> Vec<Arc<Held>> {
        self.state().held.values().filter(|held| !held.is_returning()).cloned().collect()
    }

    pub(super) fn holds(&self, entry: &str) -> bool {
        self.state().held.contains_key(entry)
    }

    /// Whether we have one of those that are taken over one by one.
    pub(super) fn holds_suspect(&self) -> bool {
        self.state().held.values().any(|held| delivery::is_suspect(held.deliveries))
    }

    /// Leases that are somebody else's by now: what waits must not start, what runs is told by its late outcome.
    pub(super) fn lose(&self, entries: &[String]) {
        let mut state = self.state();
        let mut lost = 0;
        for entry in entries {
            let Some(held) = state.held.get(entry.as_str()) else { continue };
            if held.is_settling() {
                continue;
            }
            lost += 1;
            tracing::warn!(job.id = %held.envelope.id, "a lease was lost: another worker has this job now, or Redis forgot it");
            state.held.remove(entry.as_str());
            state.buffer.retain(|waiting| *waiting.entry != **entry);
            let ready = state.ready.len();
            state.ready.retain(|waiting| *waiting.entry != **entry);
            state.busy = state.busy.saturating_sub(ready - state.ready.len());
        }
        drop(state);
        metric::leases_lost(self.options.queue, lost);
    }

    pub(super) fn finish(&self, finish: Finish) {
        self.send(Message::Finish(finish));
    }

    /// A job goes to the dead letters.
    pub(super) fn buries(&self, envelope: &Envelope, reason: &str) {
        if let Some(buried) = &self.options.buried {
            let _ = buried.try_send(Buried { envelope: envelope.clone(), reason: reason.to_owned() });
        }
    }

    /// After the starter ended, nobody listens: the lease runs out and the job is rescued.
    pub(super) fn ask(&self, start: Start) {
        let _ = self.starts.send(start);
    }

    /// After the acker ended, nobody listens: the lease runs out and the job is rescued.
    pub(super) fn send(&self, message: Message) {
        let _ = self.outbox.send(message);
    }

    /// Nothing is fetched or started.
    pub(super) fn is_resting(&self) -> bool {
        self.is_away() || self.halted.load(Ordering::Relaxed)
    }

    /// This worker stops or is paused by itself.
    pub(super) fn is_away(&self) -> bool {
        self.stopping.is_cancelled() || self.paused.load(Ordering::Relaxed)
    }

    /// The queue is paused: what waits here could wait nowhere better, but must not look as if it ran.
    pub(super) fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
        self.give_back_waiting();
    }

    /// The queue is not paused any more.
    pub(super) fn go_on(&self) {
        if self.halted.swap(false, Ordering::Relaxed) {
            self.demand.notify_one();
            self.waker.wake();
        }
    }

    /// Jobs that were called off: those that run are dropped.
    pub(super) fn call_off(&self, entries: &[String]) {
        let state = self.state();
        for held in entries.iter().filter_map(|entry| state.held.get(entry.as_str())) {
            held.called_off.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
