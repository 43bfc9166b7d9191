//! Keeps order: renews the leases of what we hold, promotes what is due, rescues what others lost, forgets workers that are
//! gone. Every worker does so; every step is bounded and safe to do at once with others.

use std::{sync::Arc, time::Duration};

use redis::{RedisResult, aio::MultiplexedConnection};
use tokio::time::Instant;

use super::{
    fair,
    gauges::{self, Gauges},
    line::{Line, is_group_missing},
    parking,
    reader::{self, Claimed},
    shared::Shared,
};
use crate::{
    control,
    delivery::{Held, add_keys},
    keys::GROUP,
    metric,
    scripts::{PROMOTE, REAP, RECORDS, RENEW, SWEEP},
    touched::millis,
};

/// How long one command may take; it blocks for a tick at most.
const RESPONSE: Duration = Duration::from_secs(5);
/// Between two looks for orphans.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks whether an operator ordered something, unless the scripts say so before; with the next tick.
const LOOK: Duration = Duration::from_millis(1_500);
/// What is due that soon is done along: one awakening for several steps.
const SLACK: Duration = Duration::from_millis(300);
/// Between two looks at the delayed jobs when nothing woke us and nothing is due: only a safeguard.
const SAFEGUARD: Duration = Duration::from_secs(10);
/// Between two looks for workers that are gone, and how long they must have been silent.
const REAP_EVERY: Duration = Duration::from_secs(600);
const REAP_IDLE: Duration = Duration::from_secs(3600);
/// The same when the last look left some.
const AGAIN: Duration = Duration::from_millis(20);
/// Orphans taken over in one look: more would drown this worker in foreign work.
const RESCUED: usize = 100;

pub(super) async fn run(shared: Arc<Shared>) {
    let line = Line::new(&shared, RESPONSE);
    let mut janitor = Janitor {
        line,
        plan: Plan::new(&shared),
        orders: None,
        gauges: Gauges::new(&shared),
        shared: Arc::clone(&shared),
    };
    shared.closed.run_until_cancelled(janitor.work()).await;
}

struct Janitor {
    shared: Arc<Shared>,
    line: Line,
    plan: Plan,
    /// The last mark of the operators' orders that we saw.
    orders: Option<String>,
    gauges: Gauges,
}

/// When each step is due.
struct Plan {
    renew: Instant,
    promote: Instant,
    rescue: Instant,
    reap: Instant,
    sweep: Instant,
    look: Instant,
    release: Instant,
    measure: Instant,
    /// When a pause of the queue ends by itself.
    pause_ends: Option<Instant>,
}

impl Plan {
    fn new(shared: &Shared) -> Self {
        let now = Instant::now();
        Self {
            renew: now + shared.options.lease / 3,
            promote: now,
            rescue: now,
            reap: now + jittered(REAP_EVERY),
            sweep: now,
            look: now,
            release: now,
            measure: now,
            pause_ends: None,
        }
    }

    fn next(&self, shared: &Shared) -> Instant {
        if shared.is_away() {
            return self.renew;
        }
        // The others can wait for the next of these, or an idle worker would wake more often than it must.
        self.renew.min(self.promote).min(self.rescue).min(self.reap)
    }
}

/// Pods that started together must not tick together.
fn jittered(period: Duration) -> Duration {
    period.mul_f64(0.9 + rand::random::<f64>() / 5.0)
}

impl Janitor {
    async fn work(&mut self) {
        // Asked here, too: with Redis away a step may fail without ever yielding to whoever awaits the end.
        while !self.shared.closed.is_cancelled() {
            match self.step().await {
                Ok(()) => self.line.works(),
                Err(error) if is_group_missing(&error) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => self.line.broke(&error).await,
            }
        }
    }

    async fn step(&mut self) -> RedisResult<()> {
        let mut connection = self.line.get().await?;
        self.sleep(&mut connection).await?;
        let now = Instant::now();
        let soon = now + SLACK;
        if !self.shared.is_away() && (soon >= self.plan.look || self.plan.pause_ends.is_some()) {
            self.look(&mut connection).await?;
            self.plan.look = now + LOOK;
        }
        if now >= self.plan.renew {
            renew(&self.shared, &mut connection).await?;
            self.plan.renew = now + self.shared.options.lease / 3;
        }
        if self.shared.is_away() {
            return Ok(());
        }
        if now >= self.plan.promote {
            let wait = promote(&self.shared, &mut connection).await?;
            self.plan.promote = Instant::now() + wait.map_or(SAFEGUARD, |wait| wait.min(SAFEGUARD));
        }
        if soon >= self.plan.rescue {
            self.plan.rescue = now + jittered(TICK);
            if rescue(&self.shared, &mut connection).await? {
                self.plan.rescue = now + AGAIN;
            }
        }
        if soon >= self.plan.reap {
            self.plan.reap = now + jittered(REAP_EVERY);
            reap(&self.shared, &mut connection, "").await?;
        }
        self.keep_order(&mut connection, soon).await
    }

    /// What may fail without harm to the steps before it.
    async fn keep_order(&mut self, connection: &mut MultiplexedConnection, soon: Instant) -> RedisResult<()> {
        if soon >= self.plan.release {
            self.plan.release = soon + jittered(SAFEGUARD);
            parking::release(&self.shared, connection).await?;
            fair::feed(&self.shared, connection).await?;
        }
        if soon >= self.plan.sweep {
            self.plan.sweep = soon + jittered(REAP_EVERY);
            sweep(&self.shared, connection).await?;
        }
        if soon >= self.plan.measure {
            self.plan.measure = soon + jittered(gauges::EVERY);
            self.gauges.refresh(connection).await?;
        }
        Ok(())
    }

    /// Until something is planned, or until a job was put off for less than what is planned.
    async fn sleep(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let wait = self.plan.next(&self.shared).saturating_duration_since(Instant::now()).min(TICK);
        if wait.is_zero() {
            return Ok(());
        }
        // To BLPOP, nothing means for ever.
        let seconds = wait.as_secs_f64().max(0.001);
        let mut wake = redis::cmd("BLPOP");
        wake.arg(&self.shared.keys.wake).arg(format!("{seconds:.3}"));
        let woken: Option<(String, String)> = wake.query_async(connection).await?;
        if woken.is_some() {
            self.plan.promote = Instant::now();
            self.plan.look = self.plan.promote;
        }
        Ok(())
    }

    /// Looks whether an operator ordered anything: one command, as long as nobody did.
    async fn look(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let keys = &self.shared.keys;
        let orders: Option<String> = redis::cmd("GET").arg(&keys.control).query_async(connection).await?;
        let now = Instant::now();
        if orders != self.orders {
            let pause: Option<String> = redis::cmd("HGET").arg(&keys.paused).arg("*").query_async(connection).await?;
            let pause = pause.as_deref().and_then(control::time_left);
            self.plan.pause_ends = pause.map(|left| now + left);
            // Something may have been cancelled that runs here, or an instance may go on.
            (self.plan.renew, self.plan.release) = (now, now);
            self.orders = orders;
        }
        match self.plan.pause_ends {
            Some(ends) if now < ends => self.shared.halt(),
            _ => self.shared.go_on(),
        }
        Ok(())
    }
}

async fn renew(shared: &Shared, connection: &mut MultiplexedConnection) -> RedisResult<()> {
    for held in shared.leases().chunks(RECORDS) {
        let (lost, called_off): (Vec<String>, Vec<String>) = renewal(shared, held).invoke_async(connection).await?;
        shared.lose(&lost);
        shared.call_off(&called_off);
    }
    Ok(())
}

fn renewal(shared: &Shared, held: &[Arc<Held>]) -> redis::ScriptInvocation<'static> {
    let options = &shared.options;
    let (mut script, keys) = (RENEW.prepare_invoke(), &shared.keys);
    script.key(&keys.stream).key(&keys.runs).key(&keys.cancelled);
    script.arg(GROUP).arg(&options.consumer).arg(millis(options.lease));
    let mut count = 3;
    for held in held {
        let index = add_keys(&mut script, &mut count, &held.unique);
        script.arg(&*held.entry).arg(held.envelope.id.to_string());
        script.arg(held.unique.mode).arg(index).arg(millis(held.unique.life));
    }
    script
}

/// Moves what is due, in bounded steps; answers how long until the next is due.
async fn promote(shared: &Shared, connection: &mut MultiplexedConnection) -> RedisResult<Option<Duration>> {
    loop {
        let mut script = PROMOTE.key(&shared.keys.delayed);
        script.key(&shared.keys.stream).arg(RECORDS);
        let (moved, wait): (u64, i64) = script.invoke_async(connection).await?;
        metric::promoted(shared.options.queue, moved);
        if moved < RECORDS as u64 {
            return Ok(u64::try_from(wait).ok().map(|wait| Duration::from_millis(wait.max(1))));
        }
    }
}

/// Takes over what nobody renewed, before anything else that waits; whether there may be more. Not more than there is room
/// for.
async fn rescue(shared: &Shared, connection: &mut MultiplexedConnection) -> RedisResult<bool> {
    let room = shared.rescue_room().min(RESCUED);
    if room == 0 {
        return Ok(false);
    }
    let lease = shared.options.lease;
    let mut pending = redis::cmd("XPENDING");
    // More than there is room for: suspects that wait for their turn must not hide the others.
    pending.arg(&shared.keys.stream).arg(GROUP).arg("IDLE").arg(millis(lease)).arg("-").arg("+").arg(RECORDS);
    let Claimed { taken, is_partial } = reader::claim(shared, connection, &pending, lease, room).await?;
    let count = taken.len();
    if count > 0 {
        tracing::info!(queue = shared.options.queue.as_str(), count, "jobs of lost workers were rescued");
        metric::rescued(shared.options.queue, count);
        shared.take_over(taken);
    }
    Ok(is_partial)
}

/// Removes the marks that lost workers left. There are as many marks as jobs run, and these.
async fn sweep(shared: &Shared, connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let mut place = "0".to_owned();
    loop {
        let mut script = SWEEP.key(&shared.keys.runs);
        place = script.arg(place).arg(RECORDS).invoke_async(connection).await?;
        if place == "0" {
            return Ok(());
        }
    }
}

/// Forgets consumers that were silent for long and hold nothing; the one named at once.
pub(super) async fn reap(shared: &Shared, connection: &mut MultiplexedConnection, name: &str) -> RedisResult<()> {
    let mut script = REAP.key(&shared.keys.stream);
    script.arg(GROUP).arg(millis(REAP_IDLE)).arg(name);
    script.invoke_async(connection).await
}
