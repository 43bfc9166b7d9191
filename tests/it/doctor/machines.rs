//! A machine that is not set up as it should be.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::json;

use super::{Report, examine, examine_with, house, is_found, report};
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

#[tokio::test]
async fn ports_that_others_have_and_a_collector_that_is_away_are_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-ports");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, ours) = (other.local_addr().unwrap().to_string(), fleet.gateway.to_string());
    let at = ["doctor", "-o", "json", "--api-listen", &taken, "--gateway-listen", &ours];
    let rest = ["--metrics-listen", "127.0.0.1:0", "--otlp-endpoint", "http://127.0.0.1:1"];
    let report = report(&cli.run(&[&at[..], &rest].concat()).await);
    is_found(report.of("machine.ports", "api"), "warning", "another program listens");
    let gateway = report.of("machine.ports", "gateway");
    assert_eq!((&gateway["state"], &gateway["found"]), (&"ok".into(), &format!("jirafleet listens at {ours}").into()));
    assert_eq!(report.of("machine.ports", "metrics")["state"], "ok");
    report.finds("traces.collector", "warning", "nobody listens at 127.0.0.1:1");
    let odd = examine_with(&cli, &["--otlp-endpoint", "collector:4317"]).await;
    odd.finds("traces.collector", "failure", "is no address");
}

#[tokio::test]
async fn others_whose_tokens_cannot_be_proven_are_found() {
    let fleet = house().await;
    let cli = Cli::of(&fleet, "doctor-issuers");
    let file = cli.key_file.with_extension("issuers");
    let of_file = ["--issuers-file", file.to_str().unwrap()];
    examine_with(&cli, &of_file).await.finds("api.issuers", "failure", "cannot be read");
    let named = |tenant: &str, jwks: &str| {
        let issuer = json!({"issuer": "https://login.example", "audience": "jirafleet", "jwks": jwks,
            "tenant": tenant, "scopes": ["issues:read"]});
        fs::write(&file, json!([issuer]).to_string()).unwrap();
    };
    named("nobody", "https://127.0.0.1:1/keys");
    examine_with(&cli, &of_file).await.finds("api.issuers", "failure", "no tenant \"nobody\"");
    named("acme", "https://127.0.0.1:1/keys");
    examine_with(&cli, &of_file).await.finds("api.issuers", "failure", "cannot be fetched");
    fs::remove_file(file).unwrap();
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
