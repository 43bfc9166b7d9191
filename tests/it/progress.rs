//! A backfill that is watched: bars at a terminal, lines elsewhere; whoever watches may go and come back.

use std::{process::Stdio, time::Duration};

use simulator::{Config, Fault, Route};
use tests::{FleetOptions, TestFleet};

use crate::cli::Cli;

/// So slow that it is seen on its way.
async fn slow_fleet() -> TestFleet {
    let jira = Config { issues: 600, projects: 2, ..Config::default() };
    let fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
    fleet.jira().fail_next(Route::BulkFetch, 1_000, &Fault::Slow(Duration::from_millis(700)));
    fleet
}

#[tokio::test]
async fn at_a_terminal_every_project_has_a_bar() {
    let fleet = slow_fleet().await;
    let cli = Cli::of(&fleet, "bars");
    let shown = cli.at_a_terminal(&["backfill", "acme", "--follow"], "").await;
    assert!(shown.status.success(), "{shown:?}");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for (words, of) in [("all", "600 issues, "), ("ACME", ", "), ("WEB", ", ")] {
        assert!(
            shown.lines().any(|line| line.contains(words) && line.contains(of) && line.contains("/s")),
            "{words}: {shown}"
        );
    }
    assert!(shown.contains("left") && shown.contains("the backfill of acme ended"), "{shown}");
}

#[tokio::test]
async fn whoever_goes_may_come_back() {
    let fleet = slow_fleet().await;
    let cli = Cli::of(&fleet, "come-back");
    let mut watching = cli.command(&["backfill", "acme", "--follow"]);
    let mut watching = watching.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = watching.stderr.take().unwrap();
    // Until it shows something.
    let first = tokio::task::spawn_blocking(move || {
        use std::io::BufRead;
        std::io::BufReader::new(said).lines().map_while(Result::ok).find(|line| line.starts_with("Synced "))
    });
    let first = tokio::time::timeout(Duration::from_secs(30), first).await.unwrap().unwrap();
    assert!(first.is_some_and(|line| line.ends_with(" issues")));
    watching.kill().unwrap();
    watching.wait().unwrap();
    let again = cli.run(&["backfill", "acme", "--follow"]).await;
    let again_said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success() && again_said.contains("the backfill of acme ended"), "{again_said}");
    assert!(!again_said.contains("interrupted"), "it was never stopped: {again_said}");
    fleet.assert_mirror_equals_jira().await;
}
