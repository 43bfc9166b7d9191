//! The api as a process of its own, from the real binary, so that it can be killed.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

use serde_json::Value;

use crate::TestFleet;

/// Opens every test's seals, for processes that want a file.
static KEY_FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let file = std::env::temp_dir().join(format!("jirafleet-tests-{}.key", std::process::id()));
    std::fs::write(&file, "5a".repeat(32)).expect("a file can be written");
    file
});

/// The binary, built beside the program that runs.
fn binary() -> PathBuf {
    let ours = std::env::current_exe().expect("a program has a path");
    let places = ours.ancestors().skip(1).take(2).map(|folder| folder.join("jirafleet"));
    let built = places.into_iter().find(|place| place.is_file());
    built.expect("jirafleet is built beside this: run `cargo build --bin jirafleet` first (make does)")
}

/// An api that answers; killed when dropped.
pub struct ApiProcess {
    child: Child,
    /// Where it answers.
    pub address: SocketAddr,
}

impl ApiProcess {
    /// Starts one for a fleet, and waits until it answers.
    pub async fn start(fleet: &TestFleet) -> Self {
        Self::beside(&fleet.database.app_url, &fleet.queues, &[]).await
    }

    /// Starts one for these servers, with more options.
    pub async fn beside(database_url: &str, queues: &queue::Config, options: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command
            .args(["api", "--api-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(options)
            .env("JIRAFLEET_DATABASE_URL", database_url)
            .env("JIRAFLEET_REDIS_URL", &queues.url)
            .env("JIRAFLEET_REDIS_PREFIX", &queues.prefix)
            .env("JIRAFLEET_MASTER_KEY_FILE", &*KEY_FILE)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let started = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().expect("the binary starts");
            let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
            let mut said = String::new();
            let address = lines.by_ref().find_map(|line| {
                said.push_str(&line);
                address(&line)
            });
            // Nobody may wait for a full pipe.
            std::thread::spawn(move || lines.for_each(drop));
            Self { address: address.unwrap_or_else(|| panic!("the api did not start: {said}")), child }
        });
        started.await.expect("no panic")
    }

    /// Ends it as the kernel would, in the middle of whatever it does.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ApiProcess {
    fn drop(&mut self) {
        self.end();
    }
}

fn address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["msg"] == "the api answers").then(|| line["address"].as_str()?.parse().ok()).flatten()
}
