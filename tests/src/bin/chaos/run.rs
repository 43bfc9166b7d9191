//! One run: jobs go in, workers are killed, Redis is restarted, and what came out is counted.

use std::{collections::HashMap, ops::RangeInclusive, path::PathBuf, time::Duration};

use queue::{Config, Job, Producer, QueueName};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};

use crate::{
    Options,
    fleet::{Fleet, Heir, Orphan},
    plan,
    report::{Report, Times},
    server::{End, Keeps, PREFIX, Server},
    truth::{Start, Truth, now_ms},
};

/// Jobs asked for in one call.
const BATCH: usize = 500;

/// For how long the queue must be idle with effects missing before they count as lost.
const CERTAINTY: Duration = Duration::from_secs(3);

pub(crate) async fn run(options: &Options, seed: u64) -> Report {
    let folder = Folder::new();
    let mut chaos = Chaos::start(options, seed, &folder.0).await;
    let began = Instant::now();
    let asked = chaos.ask(plan::jobs(options.jobs, seed));
    chaos.rage(began + Duration::from_secs(options.limit_s), &asked).await;
    asked.abort();
    chaos.report(seed, began.elapsed()).await
}

struct Chaos<'a> {
    options: &'a Options,
    server: Server,
    truth: Truth,
    /// Keeps the truth's process.
    _truth: Server,
    producer: Producer,
    fleet: Fleet,
    dice: Xoshiro256PlusPlus,
    orphans: Vec<Orphan>,
    outages: Vec<RangeInclusive<u64>>,
    kills: usize,
}

impl<'a> Chaos<'a> {
    async fn start(options: &'a Options, seed: u64, folder: &std::path::Path) -> Self {
        let server = Server::start(&folder.join("queue"), Keeps::Log).await;
        let keeper = Server::start(&folder.join("truth"), Keeps::Nothing).await;
        let config = Config { url: server.url(), prefix: PREFIX.to_owned() };
        Self {
            truth: Truth::connect(&keeper.url()).await,
            producer: Producer::connect(&config).await.expect("the server just answered"),
            fleet: Fleet::start(options, server.url(), keeper.url()),
            dice: Xoshiro256PlusPlus::seed_from_u64(seed ^ 1),
            orphans: Vec::new(),
            outages: Vec::new(),
            kills: 0,
            options,
            server,
            _truth: keeper,
        }
    }

    /// Asks for all jobs, again and again where Redis did not confirm.
    fn ask(&self, jobs: Vec<Job>) -> JoinHandle<()> {
        let producer = self.producer.clone();
        tokio::spawn(async move {
            for batch in jobs.chunks(BATCH) {
                while let Err(error) = producer.enqueue_all(batch.to_vec()).await {
                    assert!(error.is_passing(), "{error}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        })
    }

    /// Kills and restarts until everything is done, or nothing more can come.
    async fn rage(&mut self, deadline: Instant, asked: &JoinHandle<()>) {
        let mut kill = tokio::time::interval(Duration::from_millis(self.options.kill_every_ms));
        kill.set_missed_tick_behavior(MissedTickBehavior::Delay);
        kill.tick().await;
        let mut look = tokio::time::interval(Duration::from_millis(50));
        let mut idle_since = None;
        while Instant::now() < deadline {
            tokio::select! {
                _ = kill.tick() => self.kill().await,
                _ = look.tick() => {
                    let effects = self.truth.effects().await;
                    if self.is_restart_due(effects) {
                        self.restart().await;
                    }
                    if !asked.is_finished() || !self.producer.is_idle().await.unwrap_or(false) {
                        idle_since = None;
                        continue;
                    }
                    let since = *idle_since.get_or_insert_with(Instant::now);
                    if effects >= self.options.jobs || since.elapsed() > CERTAINTY {
                        assert!(self.fleet.is_whole(), "a worker ended by itself");
                        return;
                    }
                }
            }
        }
    }

    async fn kill(&mut self) {
        let which = self.dice.random_range(0..self.options.workers);
        let heir = if self.dice.random_bool(0.25) { Heir::Namesake } else { Heir::Stranger };
        assert!(self.fleet.is_whole(), "a worker ended by itself");
        self.orphans.extend(self.fleet.kill(which, heir).await.into_iter().flatten());
        self.kills += 1;
    }

    /// Spread evenly over the run.
    fn is_restart_due(&self, effects: usize) -> bool {
        let done = self.outages.len();
        done < self.options.restarts && effects * (self.options.restarts + 1) >= self.options.jobs * (done + 1)
    }

    /// Takes Redis away, kills a worker meanwhile, and brings Redis back.
    async fn restart(&mut self) {
        let since = now_ms();
        let how = if self.outages.len().is_multiple_of(2) { End::Killed } else { End::Asked };
        self.server.end(how).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.kill().await;
        self.server.run().await;
        self.outages.push(since..=now_ms());
    }

    async fn report(self, seed: u64, lasted: Duration) -> Report {
        let (effects, starts) = (self.truth.effects().await, self.truth.starts().await);
        let dead = self.producer.depth(QueueName::Bulk).await.map_or(0, |depth| depth.dead);
        let missing = self.options.jobs.saturating_sub(effects);
        let mut report = Report {
            schema: "jirafleet.chaos/1",
            seed,
            jobs: self.options.jobs,
            effects,
            lost: missing.saturating_sub(usize::try_from(dead).unwrap_or(usize::MAX)),
            dead,
            doubled_effects: self.truth.doubled().await,
            out_of_order: self.truth.out_of_order().await,
            duplicates: duplicates(&starts),
            kills: self.kills,
            redis_restarts: self.outages.len(),
            seconds: lasted.as_secs_f64(),
            rescue: Times::default(),
            rescue_by_namesake: Times::default(),
            rescue_in_outage: Times::default(),
            orphaned_again: 0,
            orphans_without_start: 0,
        };
        report.rescues(&self.orphans, &starts, &self.outages);
        report
    }
}

/// Starts beyond those that a job's own plan asks for.
fn duplicates(starts: &[Start]) -> usize {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for start in starts {
        *counts.entry(&start.effect).or_default() += 1;
    }
    counts.into_iter().filter(|(effect, count)| *count > plan::runs(effect)).count()
}

/// A folder that goes with the run.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("jirafleet-chaos-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
