//! What people are told most often when something is wrong, word by word: what, why, and what to do next.

use std::fmt::Write as _;

use simulator::{Fault, Route};
use tests::{FleetOptions, TestFleet};

use crate::cli::Cli;

/// What differs from run to run has a name instead.
fn settled(said: &str, fleet: &TestFleet, cli: &Cli) -> String {
    let mut said = said.replace(cli.key_file.to_str().unwrap(), "MASTER_KEY_FILE");
    for (value, name) in [(fleet.site(), "SITE"), (cli.database_url.clone(), "DATABASE_URL")] {
        said = said.replace(&value, name);
    }
    for trace in said.split("(trace ").skip(1).map(|rest| rest[..32].to_owned()).collect::<Vec<_>>() {
        said = said.replace(&trace, "TRACE");
    }
    let addresses =
        said.split("127.0.0.1:").skip(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let ports: Vec<String> = addresses.filter(|port| port != "1").collect();
    ports.into_iter().fold(said.clone(), |said, port| said.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:PORT"))
}

#[tokio::test]
async fn the_commonest_refusals() {
    let fleet = TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await;
    let cli = Cli::of(&fleet, "refused");
    let mut told = String::new();
    let mut ask = async |cli: &Cli, args: &[&str]| {
        let output = cli.run(args).await;
        let said = settled(&String::from_utf8(output.stderr).unwrap(), &fleet, cli);
        let typed = settled(&args.join(" "), &fleet, cli);
        writeln!(told, "$ jirafleet {typed}\n{}[{}]\n", said, output.status.code().unwrap()).unwrap();
    };
    for args in [
        &["tenant", "create", "No Such"][..],
        &["tenant", "create", "acme"],
        &["tenant", "show", "amce"],
        &["instance", "show", "nowhere"],
        &["instance", "remove", "acme"],
        &["backfill", "initech"],
        &["jobs", "lst"],
        &["jobs", "list", "--queue", "liv"],
        &["jobs", "list", "--limt", "3"],
        &["jobs", "cancel", "0197d2a0-0000-7000-8000-000000000000", "--yes"],
        &["dead", "show", "1-1"],
        &["sync", "issue", "acme", "not a key"],
        &["queue", "pause", "live"],
        &["apikey", "create", "k", "--tenant", "acme", "--scope", "issues:reed"],
        &["audit", "query", "--tenant", "acme", "--since", "yesterday"],
        &["verify", "acme", "--sample", "0"],
    ] {
        ask(&cli, args).await;
    }
    fleet.jira().fail_next(Route::Myself, 1_000, &Fault::Status(503, None));
    ask(&cli, &["instance", "test", "acme"]).await;
    fleet.jira().clear_faults();
    fleet.jira().replace_token("another");
    ask(&cli, &["instance", "test", "acme"]).await;
    let mut away = Cli::of(&fleet, "refused-away");
    away.redis_url = "redis://127.0.0.1:1".to_owned();
    ask(&away, &["queue", "status"]).await;
    away.database_url = "postgres://nobody:nothing@127.0.0.1:1/none".to_owned();
    ask(&away, &["tenant", "list"]).await;
    let mut wrong = Cli::of(&fleet, "refused-wrong");
    std::fs::write(&wrong.key_file, "6b".repeat(32)).unwrap();
    cli.ok(&["tenant", "list"]).await;
    ask(&wrong, &["tenant", "list"]).await;
    wrong.redis_url = "nonsense://".to_owned();
    ask(&wrong, &["queue", "status"]).await;
    insta::assert_snapshot!(told);
}
