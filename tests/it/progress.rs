//! A backfill that is watched: bars at a terminal, lines elsewhere; whoever watches may go and come back.

use std::{
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use simulator::{Config, Fault, Route};
use tests::{FleetOptions, TestFleet};

use crate::{cli::Cli, crash::until};

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

/// Somebody who watches, and has seen something.
async fn watch(cli: &Cli) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut watching = cli.command(&["backfill", "acme", "--follow"]);
    let mut watching = watching.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(watching.stderr.take().unwrap()).lines();
    let first = tokio::task::spawn_blocking(move || {
        let first = said.by_ref().map_while(Result::ok).find(|line| line.starts_with("Synced "));
        (first, said)
    });
    let (first, said) = tokio::time::timeout(Duration::from_secs(30), first).await.unwrap().unwrap();
    assert!(first.is_some_and(|line| line.ends_with(" issues")));
    (watching, said)
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn an_interrupt_ends_the_watching_and_not_the_backfill() {
    let fleet = slow_fleet().await;
    let cli = Cli::of(&fleet, "interrupt");
    let (mut watching, said) = watch(&cli).await;
    interrupt(&watching);
    assert_eq!(watching.wait().unwrap().code(), Some(130));
    let last = said.map_while(Result::ok).last().unwrap();
    assert!(last.contains("goes on") && last.contains("jirafleet backfill acme --follow"), "{last}");
    fleet.drain().await;
    fleet.assert_mirror_equals_jira().await;

    fleet.jira().clear_faults();
    fleet.jira().fail_next(Route::BulkFetch, 1_000, &Fault::Slow(Duration::from_secs(20)));
    let before = fleet.jira().requests().of(Route::BulkFetch);
    let mut comparing = cli.command(&["verify", "acme", "--full"]);
    let mut comparing = comparing.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| async { fleet.jira().requests().of(Route::BulkFetch) > before }).await;
    interrupt(&comparing);
    assert_eq!(comparing.wait().unwrap().code(), Some(130), "of any chore");
}

#[tokio::test]
async fn whoever_goes_may_come_back() {
    let fleet = slow_fleet().await;
    let cli = Cli::of(&fleet, "come-back");
    let (mut watching, _) = watch(&cli).await;
    watching.kill().unwrap();
    watching.wait().unwrap();
    let again = cli.run(&["backfill", "acme", "--follow"]).await;
    let again_said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success() && again_said.contains("the backfill of acme ended"), "{again_said}");
    assert!(!again_said.contains("interrupted"), "it was never stopped: {again_said}");
    fleet.assert_mirror_equals_jira().await;
}
