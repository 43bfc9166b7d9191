//! The chaos harness as a measurement: a hundred thousand jobs, four workers of which one is killed every half second, and
//! a Redis that is restarted twice.

use std::{path::PathBuf, process::Stdio};

use tokio::process::Command;

use crate::{folder, measure::Figures};

/// The program beside this one.
fn harness() -> PathBuf {
    std::env::current_exe().expect("this program has a path").with_file_name("chaos")
}

pub(crate) async fn measure(jobs: usize) -> Figures {
    let report = folder().join("chaos.json");
    std::fs::create_dir_all(folder()).expect("the folder of the figures can be made");
    let mut command = Command::new(harness());
    command.args(["--jobs", &jobs.to_string(), "--workers", "4", "--json"]).arg(&report);
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    // Its exit code says whether its figures are good; here they are only told.
    command.status().await.expect("`cargo build --bin chaos` made it");
    let text = std::fs::read(&report).expect("the harness wrote what it saw");
    let report: serde_json::Value = serde_json::from_slice(&text).expect("as it was written");
    let figure = |name: &str| report[name].as_f64().expect("a figure");
    Figures::from([
        ("lost", figure("lost")),
        ("doubled_effects", figure("doubled_effects")),
        ("dead", figure("dead")),
        ("duplicates", figure("duplicates")),
        ("rescue_p99_s", report["rescue"]["p99"].as_f64().expect("a figure")),
    ])
}
