//! The processes of the day: workers, which are killed now and then, and a scheduler.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rand::{RngExt, rngs::StdRng};
use servers::PrivateServers;

use super::Options;

/// Of the keys in Redis.
pub(super) const PREFIX: &str = "day";

/// What runs.
pub(super) struct Crew {
    pub(super) kills: usize,
    workers: Vec<Child>,
    scheduler: Child,
    program: PathBuf,
    surroundings: Vec<(&'static str, String)>,
    key_file: PathBuf,
}

impl Crew {
    pub(super) fn hire(options: &Options, servers: &PrivateServers) -> Self {
        let key_file = env::temp_dir().join(format!("jirafleet-day-{}-{}", std::process::id(), options.seed));
        fs::write(&key_file, "5a".repeat(32)).expect("a key file");
        let surroundings = vec![
            ("JIRAFLEET_DATABASE_URL", servers.app_url()),
            ("JIRAFLEET_REDIS_URL", servers.redis_url()),
            ("JIRAFLEET_REDIS_PREFIX", PREFIX.to_owned()),
            ("JIRAFLEET_MASTER_KEY_FILE", key_file.display().to_string()),
        ];
        let program = options.program.clone();
        let scheduler = spawn(&program, &surroundings, &["scheduler", "--metrics-listen", "127.0.0.1:0"]);
        let workers = (0..options.workers).map(|_| worker(&program, &surroundings)).collect();
        Self { kills: 0, workers, scheduler, program, surroundings, key_file }
    }

    /// Kills a worker without a word, and starts another.
    pub(super) fn lose_one(&mut self, dice: &mut StdRng) {
        let place = dice.random_range(0..self.workers.len());
        end(&mut self.workers[place]);
        self.kills += 1;
        self.workers[place] = worker(&self.program, &self.surroundings);
    }

    /// A worker that ended by itself is replaced, as an orchestrator would.
    pub(super) fn replace_the_dead(&mut self) {
        for place in 0..self.workers.len() {
            if self.workers[place].try_wait().is_ok_and(|ended| ended.is_some()) {
                self.workers[place] = worker(&self.program, &self.surroundings);
            }
        }
    }

    pub(super) fn dismiss(&mut self) {
        self.workers.iter_mut().for_each(end);
        end(&mut self.scheduler);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.dismiss();
        let _ = fs::remove_file(&self.key_file);
    }
}

fn worker(program: &PathBuf, surroundings: &[(&'static str, String)]) -> Child {
    let slots = ["worker", "--queues", "live=8,bulk=4,upkeep=4", "--lease", "3", "--metrics-listen", "127.0.0.1:0"];
    spawn(program, surroundings, &slots)
}

fn spawn(program: &PathBuf, surroundings: &[(&'static str, String)], arguments: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).envs(surroundings.iter().cloned());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()))
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
