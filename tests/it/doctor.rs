//! `jirafleet doctor`: a house in order is told so, and every check fails once when what it looks at is wrong.
//!
//! The versions and clocks of the test's own servers cannot be wrong: these checks fail in the unit tests of
//! `crates/jirafleet/src/chores/doctor`.

mod databases;
mod fleets;
mod machines;
mod redises;
mod sites;

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tests::{FleetOptions, TestFleet};

use crate::{
    cli::Cli,
    crash::binary,
    walls::{root, sources},
};

/// What the doctor said, by check and what it is of.
struct Report {
    rows: BTreeMap<(String, String), Value>,
    code: i32,
}

/// A house without worker: nothing changes while it is looked at.
async fn house() -> TestFleet {
    TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await
}

/// Ports that are free on every machine.
const NOWHERE: [&str; 6] =
    ["--gateway-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];

async fn examine(cli: &Cli) -> Report {
    examine_with(cli, &[]).await
}

async fn examine_with(cli: &Cli, more: &[&str]) -> Report {
    let output = cli.run(&[&["doctor", "-o", "json"], &NOWHERE[..], more].concat()).await;
    report(&output)
}

fn report(output: &std::process::Output) -> Report {
    let said = String::from_utf8_lossy(&output.stderr);
    let whole: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(whole["schema"], "jirafleet.doctor/1");
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let rows = whole["rows"].as_array().unwrap().iter();
    let rows = rows.map(|row| ((text(row, "check"), text(row, "of")), row.clone())).collect();
    Report { rows, code: output.status.code().unwrap() }
}

impl Report {
    fn row(&self, check: &str) -> &Value {
        let (_, row) = self.rows.iter().find(|((name, _), _)| name == check).unwrap_or_else(|| panic!("no {check}"));
        row
    }

    fn of(&self, check: &str, of: &str) -> &Value {
        &self.rows[&(check.to_owned(), of.to_owned())]
    }

    fn state(&self, check: &str) -> &str {
        self.row(check)["state"].as_str().unwrap()
    }

    /// Asserts that this check is in this state with something like this found, and says what to do.
    #[track_caller]
    fn finds(&self, check: &str, state: &str, found: &str) {
        is_found(self.row(check), state, found);
        assert_eq!(self.code, i32::from(self.rows.values().any(|row| row["state"] == "failure")), "{check}");
    }
}

#[track_caller]
fn is_found(row: &Value, state: &str, found: &str) {
    assert_eq!(row["state"], state, "{row}");
    assert!(row["found"].as_str().unwrap().contains(found), "{row}");
    for field in ["why", "next"] {
        assert!(row[field].as_str().is_some_and(|text| text.len() > 5), "{field}: {row}");
    }
}

/// All processes in one, killed when dropped.
struct Everything(Child);

impl Everything {
    fn start(cli: &Cli) -> Self {
        let mut command = cli.command(&["all", "--gateway-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]);
        command.args(["--metrics-listen", "127.0.0.1:0"]).stdin(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Everything {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_house_in_order_is_told_so() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-sound");
    let _everything = Everything::start(&cli);
    cli.ok(&["backfill", "acme", "--follow"]).await;
    let looked = async {
        loop {
            let report = examine(&cli).await;
            let wrong: Vec<&Value> = report.rows.values().filter(|row| row["state"] != "ok").collect();
            let expected = ["postgres.durability", "webhook.registered", "machine.disk"];
            if wrong.iter().all(|row| expected.contains(&row["check"].as_str().unwrap())) {
                return report;
            }
            // Worker, scheduler and gateway say that they are there by and by.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(60), looked).await.expect("everything is in order");
    assert_eq!(report.code, 0);
    report.finds("postgres.durability", "warning", "fsync");
    assert!(report.rows.len() >= 45, "{}", report.rows.len());
    let strict = cli.run(&[&["doctor", "--strict"], &NOWHERE[..]].concat()).await;
    assert_eq!(strict.status.code(), Some(1));
    let table = String::from_utf8(strict.stdout).unwrap();
    assert!(table.lines().any(|line| line.starts_with("ok") && line.contains("redis.eviction")), "{table}");
    assert!(table.lines().any(|line| line.trim_start().starts_with("next: ")), "{table}");
    assert!(String::from_utf8(strict.stderr).unwrap().contains("2 warnings, 0 failures"));
}

#[tokio::test]
async fn the_page_tells_of_every_check() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-page");
    let report = examine(&cli).await;
    let page = std::fs::read_to_string(root().join("docs/doctor.md")).unwrap();
    let told: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut looked: Vec<&str> = report.rows.keys().map(|(check, _)| check.as_str()).collect();
    looked.dedup();
    let (mut told_sorted, mut looked_sorted) = (told.clone(), looked.clone());
    told_sorted.sort_unstable();
    looked_sorted.sort_unstable();
    assert_eq!(told_sorted, looked_sorted);
    // Each of them fails in a test.
    let read = |file| std::fs::read_to_string(file).unwrap();
    let of_units = sources(&root().join("crates/jirafleet/src/chores/doctor")).into_iter().map(read);
    let of_units = of_units.filter_map(|text| text.split_once("#[cfg(test)]").map(|(_, tests)| tests.to_owned()));
    let ours = sources(&root().join("tests/it/doctor")).into_iter().chain([root().join("tests/it/doctor.rs")]);
    let tests: String = ours.map(read).chain(of_units).collect();
    for check in told {
        assert!(tests.contains(&format!("\"{check}\"")), "{check} is never made to fail");
    }
}

#[tokio::test]
async fn servers_that_are_away_leave_the_rest_to_be_skipped() {
    let fleet = house().await;
    let mut cli = Cli::of(&fleet, "doctor-away");
    cli.redis_url = "redis://127.0.0.1:1".to_owned();
    let report = examine(&cli).await;
    report.finds("redis.reachable", "failure", "Redis");
    assert_eq!((report.state("redis.eviction"), report.state("queue.age")), ("skipped", "skipped"));
    assert_eq!(report.state("key.opens"), "ok", "PostgreSQL is looked at all the same");
    cli.database_url = "postgres://nobody:s3cret@127.0.0.1:1/none".to_owned();
    let report = examine(&cli).await;
    report.finds("postgres.reachable", "failure", "PostgreSQL");
    assert_eq!((report.state("schema.current"), report.state("key.opens")), ("skipped", "skipped"));
    assert!(report.rows.values().all(|row| !row.to_string().contains("s3cret")));
    let mut nothing = Command::new(binary());
    nothing.args(["doctor", "--data-dir", "/nowhere"]).env("HOME", "/nowhere");
    let output = tokio::task::spawn_blocking(move || nothing.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(78), "nothing to look at is a matter of configuration");
    assert!(String::from_utf8_lossy(&output.stderr).contains("JIRAFLEET_DATABASE_URL"));
}
