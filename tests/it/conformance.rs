//! What a queue must promise, case by case, put to our backend and to stock `apalis-redis`.
//!
//! Ours must pass every case. What upstream fails is listed in [`EXPECTED_FAILURES`] with the reason; the day a listed case
//! passes, the test fails and says so, since then there is less reason to keep a backend of our own.

mod control;
mod delivery;
mod meaning;
mod ours;
mod trouble;
mod upstream;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use uuid::Uuid;

use crate::queue::OwnRedis;

/// What a handler says.
#[derive(Clone, Copy)]
pub(crate) enum Say {
    Done,
    Fail,
    FailAfter(Duration),
    Snooze(Duration),
    GiveUp,
}

/// When asking again is the same request.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Once {
    /// While it waits.
    #[default]
    Pending,
    /// Until it is finished.
    Unfinished,
}

/// What is asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ask {
    pub(crate) id: Uuid,
    pub(crate) once: Once,
    pub(crate) delay: Duration,
    /// Bytes it carries beside its id.
    pub(crate) ballast: usize,
}

impl Ask {
    pub(crate) fn any() -> Self {
        Self { id: Uuid::now_v7(), ..Self::default() }
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Taken,
    Already,
    Refused,
}

/// How many jobs are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) waiting: u64,
    pub(crate) delayed: u64,
    pub(crate) running: u64,
    pub(crate) dead: u64,
}

/// A worker to start.
#[derive(Clone)]
pub(crate) struct Hire {
    pub(crate) name: &'static str,
    pub(crate) slots: usize,
    pub(crate) prefetch: usize,
    pub(crate) lease: Duration,
}

impl Hire {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, slots: 8, prefetch: 0, lease: Duration::from_secs(30) }
    }
}

pub(crate) type Handler = Arc<dyn Fn(Uuid) -> BoxFuture<'static, Say> + Send + Sync>;

/// A queue under test: one queue of its own on some Redis.
pub(crate) trait Subject: Sized {
    type Worker: Hand;

    async fn open(url: &str) -> Self;
    async fn ask(&self, ask: Ask) -> Answer;
    async fn ask_all(&self, asks: &[Ask]);
    fn hire(&self, hire: Hire, handler: Handler) -> Self::Worker;
    /// As its own API tells.
    async fn counts(&self) -> Option<Counts>;
    /// How many jobs were given up for good.
    async fn dead(&self) -> u64;
    /// Puts all dead jobs back; how many. `None` where there is no way.
    async fn replay(&self) -> Option<usize>;
    /// Stops and starts the queue for all workers; `None` where there is no way.
    async fn pause(&self) -> Option<()>;
    async fn resume(&self) -> Option<()>;
    /// Calls off a job by the id it was asked for with; `None` where there is no way.
    async fn cancel(&self, id: Uuid) -> Option<()>;
    /// Writes something into the queue that is no job.
    async fn put_nonsense(&self);
    /// Every key that belongs to the queue.
    async fn keys(&self) -> Vec<String>;
    async fn raw(&self) -> redis::aio::MultiplexedConnection;
}

/// A worker on a runtime of its own.
pub(crate) trait Hand {
    /// Ends it like a killed process: nobody gets to say goodbye.
    fn kill(self);
    /// Asks it to stop.
    fn dismiss(&self);
    /// Drops it in the middle of its jobs, in a process that lives on.
    fn drop_it(&self);
    /// Whether its loop still runs.
    fn works(&self) -> bool;
}

/// What was started when.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<HashMap<Uuid, Vec<Instant>>>>);

impl Log {
    /// A handler that notes every start, and is told how often the same was started before.
    pub(crate) fn handler<F, Fut>(&self, run: F) -> Handler
    where
        F: Fn(Uuid, usize) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Say> + Send + 'static,
    {
        let log = self.clone();
        Arc::new(move |id| {
            let mut log = log.0.lock().unwrap();
            let starts = log.entry(id).or_default();
            starts.push(Instant::now());
            run(id, starts.len() - 1).boxed()
        })
    }

    /// A handler that is done at once.
    pub(crate) fn done(&self) -> Handler {
        self.handler(|_, _| async { Say::Done })
    }

    pub(crate) fn of(&self, id: Uuid) -> Vec<Instant> {
        self.0.lock().unwrap().get(&id).cloned().unwrap_or_default()
    }

    pub(crate) fn jobs(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn starts(&self) -> usize {
        self.0.lock().unwrap().values().map(Vec::len).sum()
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, bound: Duration, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < bound, "not within {bound:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// How long upstream may take over a case before that counts as a failure.
const BOUND: Duration = Duration::from_secs(12);

macro_rules! cases {
    ($($file:ident::$name:ident),+ $(,)?) => {
        mod our_backend {
            use super::{OwnRedis, ours::Ours};
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$file::$name::<Ours>(&mut OwnRedis::start().await).await;
                }
            )+
        }

        /// Runs every case against upstream; answers what failed, and with which words.
        async fn upstream_failures() -> Vec<(&'static str, Option<String>)> {
            let mut verdicts = Vec::new();
            $(
                let case = async {
                    let mut server = OwnRedis::start().await;
                    let case = $file::$name::<upstream::Upstream>(&mut server);
                    let ended = AssertUnwindSafe(tokio::time::timeout(BOUND, case)).catch_unwind().await;
                    match ended {
                        Ok(Ok(())) => None,
                        Ok(Err(_)) => Some(format!("not over within {BOUND:?}")),
                        Err(panic) => Some(words(panic.as_ref())),
                    }
                };
                verdicts.push(case.map(|failed| (stringify!($name), failed)).boxed_local());
            )+
            // A few at a time: they mostly wait, but a starved worker would prove nothing.
            futures::stream::iter(verdicts).buffer_unordered(4).collect().await
        }
    };
}

cases! {
    delivery::every_job_runs_once,
    delivery::a_crowd_due_at_once_is_served,
    delivery::an_idle_worker_is_woken_and_asks_nothing,
    delivery::a_busy_worker_hoards_nothing,
    delivery::jobs_of_a_killed_worker_are_rescued,
    delivery::a_busy_worker_rescues_too,
    delivery::a_long_job_runs_once,
    delivery::a_stopped_worker_finishes_and_gives_back,
    delivery::a_cut_off_run_goes_back_at_once,
    delivery::a_worker_of_the_same_name_may_follow,
    delivery::finished_jobs_leave_nothing,
    delivery::the_keys_of_a_queue_share_a_slot,
    meaning::failures_are_bounded,
    meaning::a_first_retry_comes_soon,
    meaning::a_retry_after_is_waited_for,
    meaning::a_snooze_costs_no_attempt,
    meaning::giving_up_needs_no_second_attempt,
    meaning::asked_twice_runs_once,
    meaning::asked_again_after_the_start_runs_again,
    meaning::unfinished_is_asked_for_once,
    meaning::a_job_too_large_is_refused,
    trouble::a_panic_is_a_failed_attempt,
    trouble::a_job_that_kills_its_workers_is_buried,
    trouble::nonsense_is_buried,
    trouble::a_restart_of_redis_is_survived,
    trouble::a_cut_connection_is_survived,
    trouble::a_full_redis_is_survived,
    trouble::lost_data_are_survived,
    control::dead_jobs_are_replayed,
    control::jobs_are_counted_by_state,
    control::a_queue_is_paused_for_all_workers,
    control::a_waiting_job_is_called_off,
    control::a_running_job_is_called_off,
}

/// What `apalis-redis` 1.0.0 does not hold, and why.
const EXPECTED_FAILURES: &[(&str, &str)] = &[
    ("a_crowd_due_at_once_is_served", "its promotion unpacks all due ids at once, which Lua refuses above some 8,000"),
    ("an_idle_worker_is_woken_and_asks_nothing", "it polls: 100 commands a second at a poll of 50 ms"),
    (
        "a_busy_worker_rescues_too",
        "it looks for orphans only when it is polled, after a heartbeat, and puts them behind all that waits",
    ),
    ("a_stopped_worker_finishes_and_gives_back", "what it fetched and did not start waits for the orphan limit"),
    ("a_cut_off_run_goes_back_at_once", "nobody notices a dropped run before the orphan limit"),
    ("a_worker_of_the_same_name_may_follow", "a name is refused until its last heartbeat is old"),
    ("finished_jobs_leave_nothing", "payload, result and metadata of finished jobs stay until somebody calls vacuum"),
    ("the_keys_of_a_queue_share_a_slot", "its keys have no hash tag"),
    ("failures_are_bounded", "25 attempts are hard-coded in its script"),
    ("a_retry_after_is_waited_for", "its script does not know the time a job asked for"),
    (
        "a_snooze_costs_no_attempt",
        "there is no snooze; RetryAfterError waits as long as the attempts so far, in seconds",
    ),
    ("asked_again_after_the_start_runs_again", "an idempotency key lives for its time, whatever becomes of the job"),
    ("unfinished_is_asked_for_once", "a push does not tell that the same was there before"),
    ("a_job_too_large_is_refused", "there is no limit"),
    ("a_panic_is_a_failed_attempt", "a caught panic is dead at once"),
    ("a_job_that_kills_its_workers_is_buried", "a rescue is not counted"),
    ("nonsense_is_buried", "an entry that cannot be decoded ends the worker, again and again"),
    ("a_restart_of_redis_is_survived", "the worker ends with the connection's error"),
    ("a_cut_connection_is_survived", "the worker ends with the connection's error"),
    ("lost_data_are_survived", "a worker whose registration is gone ends"),
    ("dead_jobs_are_replayed", "there is no way to replay"),
    ("jobs_are_counted_by_state", "its statistics fail with WRONGTYPE"),
    ("a_queue_is_paused_for_all_workers", "a pause holds for one worker of one process"),
    ("a_waiting_job_is_called_off", "there is no way to cancel"),
    ("a_running_job_is_called_off", "there is no way to cancel"),
];

/// The day upstream is good enough must be noticed. A promise that it usually keeps and missed this once is told, and no
/// failure of ours: its version is fixed, and its polling is at the mercy of a busy machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apalis_redis_is_no_better_than_we_know_it() {
    let expected: HashMap<&str, &str> = EXPECTED_FAILURES.iter().copied().collect();
    let mut surprises = Vec::new();
    for (case, failed) in upstream_failures().await {
        println!("apalis-redis {case}: {}", failed.as_deref().unwrap_or("ok"));
        if let (Some(why), None) = (expected.get(case), failed) {
            surprises.push(format!("{case} passes, upstream got better; it was: {why}"));
        }
    }
    assert!(surprises.is_empty(), "apalis-redis is not as listed:\n{}", surprises.join("\n"));
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
