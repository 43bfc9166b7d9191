//! Three scheduler processes, of which the one that leads is killed, stopped and continued, and told to end.

use std::{process::Command, time::Duration};

use domain::InstanceId;
use queue::Leader;
use serde_json::Value;
use tests::{FleetOptions, TestFleet};

use super::Seen;
use crate::{cli::Cli, crash::Process};

/// Between two polls of one instance, in seconds: longer than a tick and a change of leaders together.
const INTERVAL: u64 = 30;

struct Watch {
    fleet: TestFleet,
    seen: Seen,
    count: usize,
}

impl Watch {
    /// Until so many more jobs were asked for and somebody leads whom `is_new` takes.
    async fn until(&mut self, more: usize, is_new: impl Fn(&Leader) -> bool) -> Leader {
        let target = self.count + more;
        let watch = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tick.tick().await;
                self.count += self.seen.collect(&self.fleet, None).await;
                let leader = self.fleet.producer.leader().await.unwrap().leader;
                if let Some(leader) = leader.filter(|leader| self.count >= target && is_new(leader)) {
                    return leader;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), watch).await.expect("somebody else leads, and polls")
    }
}

/// A name is `HOST-PID/RANDOM`.
fn signal(leader: &Leader, what: &str) {
    let pid = leader.name.split('/').next().unwrap().rsplit('-').next().unwrap();
    assert!(Command::new("kill").args([what, pid]).status().unwrap().success(), "{leader:?}");
}

#[tokio::test]
async fn the_leading_process_is_killed_stopped_and_continued_and_no_turn_comes_twice() {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..FleetOptions::default() }).await;
    let mut instances: Vec<InstanceId> = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        instances.push(fleet.add_instance(name, INTERVAL).await);
    }
    let key_file = std::env::temp_dir().join(format!("jirafleet-schedule-{}", std::process::id()));
    std::fs::write(&key_file, "5a".repeat(32)).unwrap();
    let mut processes: Vec<Process> = (0..3).map(|_| Process::start(&fleet, &key_file, &["scheduler"])).collect();
    let mut watch = Watch { fleet, seen: Seen::default(), count: 0 };

    // Everyone was never polled, and is at once.
    let first = watch.until(instances.len() + 2, |_| true).await;
    signal(&first, "-KILL");
    let second = watch.until(2, |leader| leader.term > first.term).await;
    processes.push(Process::start(&watch.fleet, &key_file, &["scheduler"]));
    signal(&second, "-STOP");
    let third = watch.until(2, |leader| leader.term > second.term).await;
    assert_ne!(third.name, second.name);
    signal(&second, "-CONT");
    let still = watch.until(4, |_| true).await;
    assert_eq!(still, Leader { until: still.until, ..third.clone() }, "whoever was overtaken does not lead again");
    let told = std::time::Instant::now();
    signal(&third, "-TERM");
    watch.until(0, |leader| leader.term > third.term).await;
    assert!(told.elapsed() < Duration::from_secs(4), "whoever ends in good order is not waited for");
    watch.until(2, |_| true).await;

    let interval = i64::try_from(INTERVAL).unwrap();
    for id in instances {
        watch.seen.assert_each_turn_once("poll_updates", (id, interval), 0, 20);
    }
    shows_last_and_next(&watch.fleet).await;
    drop(processes);
    std::fs::remove_file(key_file).unwrap();
}

async fn shows_last_and_next(fleet: &TestFleet) {
    let cli = Cli::of(fleet, "schedule");
    let listed: Value = serde_json::from_str(&cli.ok(&["schedule", "list", "-o", "json"]).await).unwrap();
    assert_eq!(listed["schema"], "jirafleet.schedule/1");
    let rows = listed["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5 * 7 + 3, "five lines for each of seven instances, and three for the fleet: {rows:#?}");
    let row = |line: &str, instance: &str| {
        let found = rows.iter().find(|row| row["line"] == line && row["instance"] == instance);
        found.unwrap_or_else(|| panic!("no {line} of {instance}"))
    };
    let poll = row("poll", "a");
    let time =
        |row: &Value, name: &str| row[name].as_str().and_then(|at| at.parse::<chrono::DateTime<chrono::Utc>>().ok());
    let (last, next) = (time(poll, "last_run").unwrap(), time(poll, "next_run").unwrap());
    assert!(last < next && (next - last).num_seconds() <= 60, "{poll}");
    assert_eq!((poll["every"].as_str(), poll["kind"].as_str()), (Some("30 s"), Some("poll_updates")));
    let census = row("census", "a");
    assert_eq!((time(census, "last_run"), census["every"].as_str()), (None, Some("1 d")), "its first turn is to come");
    assert!(time(census, "next_run").unwrap() > last);
    assert_eq!(row("views", "(fleet)")["kind"], "refresh_views");
    let table = cli.ok(&["schedule", "list", "--instance", "b"]).await;
    assert!(table.contains("NEXT RUN") && !table.contains("(fleet)"), "{table}");
    assert!(cli.fails(3, &["schedule", "list", "--instance", "nobody"]).await.contains("nobody"));
}
