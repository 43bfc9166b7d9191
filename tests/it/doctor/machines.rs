//! A machine that is not set up as it should be.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::{Report, examine, house, report};
use crate::{cli::Cli, crash::binary};

#[tokio::test]
async fn a_key_that_is_wrong_is_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-key");
    let mode = |bits| fs::set_permissions(&cli.key_file, fs::Permissions::from_mode(bits)).unwrap();
    mode(0o644);
    examine(&cli).await.finds("key.mode", "warning", "644");
    mode(0o600);
    let sound = examine(&cli).await;
    assert_eq!((sound.state("key.mode"), sound.state("key.rotation")), ("ok", "ok"));

    fs::write(&cli.key_file, format!("{}\n{}\n", "6b".repeat(32), "5a".repeat(32))).unwrap();
    let report = examine(&cli).await;
    report.finds("key.rotation", "warning", "2 keys");
    assert_eq!(report.state("key.opens"), "ok");
    fs::write(&cli.key_file, "6b".repeat(32)).unwrap();
    let report = examine(&cli).await;
    report.finds("key.opens", "failure", "is not in the master key file");
    assert_eq!(report.state("jira.token"), "skipped");
    fs::write(&cli.key_file, "no key at all").unwrap();
    let report = examine(&cli).await;
    report.finds("key.file", "failure", "");
    assert!(
        report.rows.values().all(|row| !row.to_string().contains("no key at all")),
        "what is in the file stays there"
    );
    assert_eq!(report.state("key.opens"), "skipped");
}

/// What the doctor says, called by a shell that set something up for it.
async fn called_by(cli: &Cli, words: &str) -> Report {
    let called = cli.command(&[]);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(words).env("JIRAFLEET", binary());
    for (name, value) in called.get_envs() {
        shell.env(name, value.unwrap());
    }
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    report(&output)
}

#[tokio::test]
async fn few_files_and_misspelt_variables_are_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-machine");
    let few = called_by(&cli, "ulimit -n 200; exec $JIRAFLEET doctor -o json").await;
    few.finds("machine.files", "failure", "200");
    let some = called_by(&cli, "ulimit -n 300; exec $JIRAFLEET doctor -o json").await;
    some.finds("machine.files", "warning", "300");
    let odd = "JIRAFLEET_GATEWAY_LISTN=x JIRAFLEET_API_SERVICE_HOST=10.0.0.1 exec $JIRAFLEET doctor -o json";
    let odd = called_by(&cli, odd).await;
    odd.finds("machine.variables", "warning", "is JIRAFLEET_GATEWAY_LISTEN meant?");
    assert!(!odd.row("machine.variables").to_string().contains("SERVICE_HOST"), "Kubernetes sets those");
}
