//! The first thing a newcomer runs.

use std::process::Command;

use crate::crash::binary;

#[tokio::test]
async fn the_demo_ends_with_a_mirror_that_equals_jira() {
    let mut demo = Command::new(binary());
    demo.args(["demo", "--once", "--json", "--issues", "400"]);
    let output = tokio::task::spawn_blocking(move || demo.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("stdout is one object");
    assert_eq!(report["schema"], "jirafleet.demo/1");
    assert_eq!(report["backfill"]["issues"], 400);
    assert_eq!(report["backfill"]["comments"], 1200);
    assert_eq!(report["backfill"]["changelogs"], 2000);
    assert!(report["backfill"]["jira_requests"].as_u64().unwrap() <= 80, "{report}");
    assert_eq!(report["webhook_to_row_ms"]["n"], 100);
    assert_eq!(report["jobs"]["dead"], 0);
    assert_eq!(report["mirror_equals_jira"], true);
}
