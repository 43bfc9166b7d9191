//! What a backfill costs in requests to Jira, the resource that users run out of: `bench backfill`.
//!
//! A whole fleet in this process (gateway, worker, PostgreSQL, Redis) against a simulated site of five thousand issues, with
//! three comments and five changelog entries each. The floor is one request per hundred issues and the listing of their ids.

use std::process::ExitCode;

use tests::{FleetOptions, TestFleet};

use crate::{
    folder,
    report::{Found, Report, Row},
};

/// Issues of the site.
const ISSUES: usize = 5_000;

/// Issues of the second site with long lists, and how long these are: more than Jira embeds.
const LONG: usize = ISSUES / 50;
const COMMENTS: usize = 150;
const HISTORIES: usize = 60;

pub(crate) async fn run() -> ExitCode {
    let mut report = Report::new("backfill");
    for (case, long) in [("requests_per_issue", 0), ("requests_per_issue_long_lists", LONG)] {
        eprintln!("{case} ..");
        let requests = requests(long).await;
        println!(
            "{case}: {requests} requests for {ISSUES} issues, {:.1} per thousand",
            requests as f64 * 1_000.0 / ISSUES as f64
        );
        let found = Found::of(vec![requests as f64 / ISSUES as f64], "requests", "lower");
        report.rows.push(Row { case: case.to_owned(), subject: "jirafleet", found });
    }
    println!("{}", report.table());
    match report.write(&folder()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the figures could not be written to {}: {error}", folder().display());
            ExitCode::FAILURE
        }
    }
}

/// Requests from the first question to the last, the directory's included.
async fn requests(long: usize) -> u64 {
    let jira = simulator::Config {
        issues: ISSUES,
        projects: 1,
        comments_per_issue: 3..=3,
        histories_per_issue: 5..=5,
        ..simulator::Config::default()
    };
    let fleet = TestFleet::with(FleetOptions { jira, ..FleetOptions::default() }).await;
    fleet.lose_webhooks();
    let world = fleet.jira();
    for key in world.issue_keys().iter().take(long) {
        for number in 3..COMMENTS {
            world.comment(key, format!("Comment {number}")).expect("it can be commented on");
        }
        for number in 5..HISTORIES {
            world.edit(key, |issue| issue.summary = format!("Edit {number}")).expect("it can be edited");
        }
    }
    let before = fleet.requests();
    fleet.backfill().await;
    fleet.assert_mirror_equals_jira().await;
    fleet.requests() - before
}
