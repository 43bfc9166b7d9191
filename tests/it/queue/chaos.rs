//! The chaos harness in a short run: worker processes are killed twice a second, Redis once, and nothing is lost.

use std::process::Command;

/// Twelve seconds or so, by one seed; another one is drawn and printed by the long run (`cargo run -p tests --bin chaos`).
#[test]
fn nothing_is_lost_while_workers_and_redis_are_killed() {
    let report = std::env::temp_dir().join(format!("chaos-{}.json", std::process::id()));
    let mut chaos = Command::new(env!("CARGO_BIN_EXE_chaos"));
    chaos.args(["--jobs", "5000", "--workers", "4", "--slots", "10", "--busy-ms", "100", "--lease-ms", "1000"]);
    chaos.args(["--kill-every-ms", "500", "--restarts", "1", "--seed", "2026", "--limit-s", "25", "--json"]);
    let output = chaos.arg(&report).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    std::fs::remove_file(report).unwrap();
    assert_eq!((&figures["lost"], &figures["effects"]), (&0.into(), &5000.into()));
    assert!(figures["kills"].as_u64() > Some(5), "the run was over before it was hard");
    assert_eq!(figures["redis_restarts"], 1);
    assert!(figures["rescue"]["n"].as_u64() > Some(20), "too few jobs were orphaned to say anything");
}
