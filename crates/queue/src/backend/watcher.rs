//! Notices that the worker stops, pauses or is dropped, and brings the backend to an orderly end.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use apalis_core::worker::context::WorkerContext;
use redis::RedisResult;
use tokio::{sync::oneshot, time::timeout};

use super::{janitor, shared::Shared};
use crate::delivery::{Message, Start};

/// Between two looks at the worker: it has no future to await.
const TICK: Duration = Duration::from_millis(50);
/// How long the last outcomes may take to reach Redis. What does not is rescued and run again.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(super) async fn run(shared: Arc<Shared>, worker: WorkerContext) {
    until_stopped(&shared, &worker).await;
    shared.stopping.cancel();
    end_reader(&shared).await;
    shared.give_back_waiting();
    until_quiet(&shared).await;
    if !matches!(timeout(LAST_WORDS, flush(&shared)).await, Ok(Ok(()))) {
        tracing::warn!(
            queue = shared.options.queue.as_str(),
            "the last outcomes did not reach Redis: those jobs run again"
        );
    }
    // Best effort: other workers forget this one after an hour.
    let _ = timeout(Duration::from_secs(1), sign_off(&shared)).await;
    shared.closed.cancel();
    shared.waker.wake();
}

async fn until_stopped(shared: &Shared, worker: &WorkerContext) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = shared.abandoned.cancelled() => return,
        }
        if worker.is_shutting_down() || worker.is_stopped() {
            return;
        }
        let was = shared.paused.swap(worker.is_paused(), Ordering::Relaxed);
        if worker.is_paused() {
            // What a paused worker holds, others could do; a read that was under way may still have brought something.
            shared.give_back_waiting();
        } else if was {
            shared.demand.notify_one();
            shared.waker.wake();
        }
    }
}

/// Ends the blocking read without dropping it: what is delivered at this very moment must not be lost sight of. Where the
/// command is forbidden, the read ends by itself within two seconds.
async fn end_reader(shared: &Shared) {
    while !shared.reader_ended.is_cancelled() {
        let _ = timeout(Duration::from_secs(1), unblock(shared)).await;
        let _ = timeout(Duration::from_millis(100), shared.reader_ended.cancelled()).await;
    }
}

async fn unblock(shared: &Shared) -> RedisResult<()> {
    let mut connection = shared.connector.connect(Duration::from_millis(500)).await?;
    let id = shared.reader_id.load(Ordering::SeqCst);
    redis::cmd("CLIENT").arg("UNBLOCK").arg(id).query_async(&mut connection).await
}

/// Until the last job ended. Its lease goes on being renewed. A dropped worker has dropped its jobs, too.
async fn until_quiet(shared: &Shared) {
    while shared.running() > 0 {
        let _ = timeout(TICK, shared.freed.notified()).await;
        shared.give_back_waiting();
    }
}

/// Until all is in Redis: first the answers to starts, since they may give jobs back.
async fn flush(shared: &Shared) -> Result<(), oneshot::error::RecvError> {
    let (done, answered) = oneshot::channel();
    shared.ask(Start::Flush(done));
    answered.await?;
    let (done, told) = oneshot::channel();
    shared.send(Message::Flush(done));
    told.await
}

async fn sign_off(shared: &Shared) -> RedisResult<()> {
    let mut connection = shared.connector.connect(Duration::from_secs(1)).await?;
    janitor::reap(shared, &mut connection, &shared.options.consumer).await
}
