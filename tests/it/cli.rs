//! The command line: answers on stdout, one sentence with the next step on stderr, exit codes of the contract.

mod caller;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use domain::AccountId;
use simulator::{Fault, Route};
use tests::{FleetOptions, TestFleet};

use crate::crash::binary;

pub(crate) use caller::Cli;

async fn fleet() -> TestFleet {
    TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await
}

/// Until something waits in the queue.
async fn asked_for(fleet: &TestFleet) {
    let waiting = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while fleet.producer.is_idle().await.unwrap() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the command asks for work");
}

#[tokio::test]
async fn an_operator_registers_a_site_and_has_it_copied() {
    let mut fleet = fleet().await;
    let cli = Cli::of(&fleet, "day");
    let token = cli.key_file.with_extension("token");
    std::fs::write(&token, "simulated-token\n").unwrap();
    cli.ok(&["tenant", "create", "globex"]).await;
    let site = fleet.site();
    let add = ["instance", "add", "globex", "--tenant", "globex", "--site", &site, "--email", "mirror@example.com"];
    let add = [&add[..], &["--token-file", token.to_str().unwrap(), "--requests-per-minute", "6000"]].concat();
    cli.ok(&add).await;
    let listed = cli.ok(&["instance", "list", "-o", "jsonl"]).await;
    assert!(listed.lines().any(|line| line.contains("\"name\":\"globex\"") && line.contains("\"state\":\"active\"")));

    fleet.start_worker().await;
    let said = cli.run(&["backfill", "globex", "--follow"]).await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = cli.run(&["verify", "globex", "--full"]).await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(String::from_utf8_lossy(&said.stderr).contains("60 issues compared, 0 differ"));
    let status = cli.ok(&["sync", "status", "globex", "-o", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["schema"], "jirafleet.sync_status/1");
    std::fs::remove_file(token).unwrap();
}

#[tokio::test]
async fn what_happens_during_a_pause_is_made_up_for() {
    let mut fleet = TestFleet::start().await;
    fleet.backfill().await;
    let cli = Cli::of(&fleet, "pause");
    let key = fleet.jira().issue_keys()[0].clone();
    for (stop, go_on) in [
        (["tenant", "suspend", "acme"], ["tenant", "resume", "acme"]),
        (["instance", "pause", "acme"], ["instance", "resume", "acme"]),
    ] {
        cli.ok(&stop).await;
        // A fresh worker remembers nothing of the instance.
        fleet.stop_workers().await;
        fleet.start_worker().await;
        fleet.jira().edit(&key, |issue| issue.summary.push_str(" (while nobody worked)")).unwrap();
        fleet.drain().await;
        let said = fleet.jira().store_view(fleet.jira().issue_id(&key).unwrap()).unwrap();
        let summary = said["fields"]["summary"].as_str().unwrap();
        assert_ne!(fleet.row(&key).await.unwrap().summary, summary, "{stop:?}");
        cli.ok(&go_on).await;
        fleet.drain().await;
        assert_eq!(fleet.row(&key).await.unwrap().summary, summary, "{go_on:?}");
    }
}

#[tokio::test]
async fn drift_has_an_exit_code_of_its_own() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    let key = fleet.jira().issue_keys()[0].clone();
    fleet.jira().edit(&key, |issue| issue.summary = "nobody told the mirror".into()).unwrap();
    let cli = Cli::of(&fleet, "drift");
    let output = cli.run(&["verify", "acme", "--full", "-o", "jsonl"]).await;
    assert_eq!(output.status.code(), Some(7));
    assert!(String::from_utf8(output.stdout).unwrap().contains(&key));
}

#[tokio::test]
async fn refusals_are_sentences_with_a_next_step() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "refusals");
    assert!(cli.fails(3, &["backfill", "nowhere"]).await.contains("jirafleet instance list"));
    assert!(cli.fails(3, &["tenant", "show", "nobody"]).await.contains("jirafleet tenant list"));
    assert!(cli.fails(2, &["tenant", "create", "No Such"]).await.contains("lower-case"));
    assert!(cli.fails(4, &["tenant", "create", "acme"]).await.contains("acme"));
    assert!(cli.fails(2, &["instance", "remove", "acme"]).await.contains("--yes"));
    assert!(cli.fails(2, &["sync", "issue", "acme", "not a key"]).await.contains("ACME-7"));
    let plain = ["instance", "add", "x", "--tenant", "acme", "--site", "http://jira.example.com", "--email", "a@b.c"];
    let token = ["--token-file", cli.key_file.to_str().unwrap()];
    assert!(cli.fails(2, &[&plain[..], &token].concat()).await.contains("https"));
    let login = ["instance", "add", "x", "--tenant", "acme", "--site", "https://u:s3cret@jira.example.com"];
    let said = cli.fails(2, &[&login[..], &["--email", "a@b.c"], &token].concat()).await;
    assert!(said.contains("jira.example.com") && !said.contains("s3cret"), "{said}");
    let site = fleet.site();
    for email in ["nobody", "a@b@c", "a b@c.d", "@c.d"] {
        let add = ["instance", "add", "x", "--tenant", "acme", "--site", &site, "--email", email];
        assert!(cli.fails(2, &[&add[..], &token].concat()).await.contains("--email"));
    }
    cli.fails(2, &["verify", "acme", "--sample", "0"]).await;
    cli.fails(2, &["no-such-verb"]).await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_nothing_stays() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "token");
    let site = fleet.site();
    let add = ["instance", "add", "wrong", "--tenant", "acme", "--site", &site, "--email", "mirror@example.com"];
    let add = [&add[..], &["--token-file", cli.key_file.to_str().unwrap()]].concat();
    let said = cli.fails(5, &add).await;
    assert!(said.contains("nothing was registered; check --email and --token-file"), "{said}");
    assert!(!said.contains("rotate-token") && !said.contains("resume"), "{said}");
    let away = ["instance", "add", "wrong", "--tenant", "acme", "--site", "http://127.0.0.1:1", "--email", "a@b.c"];
    let away = [&away[..], &["--token-file", cli.key_file.to_str().unwrap()]].concat();
    assert!(cli.fails(69, &away).await.contains("--no-check"));
    assert!(!cli.ok(&["instance", "list", "-o", "csv"]).await.contains("wrong"));
}

#[tokio::test]
async fn servers_that_are_away_are_named() {
    let fleet = fleet().await;
    let mut cli = Cli::of(&fleet, "away");
    cli.redis_url = "redis://127.0.0.1:1".to_owned();
    assert!(cli.fails(69, &["tenant", "list"]).await.contains("Redis"));
    cli.database_url = "postgres://nobody:nothing@127.0.0.1:1/none".to_owned();
    let said = cli.fails(69, &["tenant", "list"]).await;
    assert!(said.contains("PostgreSQL") && !said.contains("nothing"), "{said}");
    assert!(said.contains("Refused") && !said.contains("busy"), "{said}");
    let mut cli = Cli::of(&fleet, "odd");
    cli.redis_url = "nonsense://".to_owned();
    cli.fails(78, &["tenant", "list"]).await;
}

#[tokio::test]
async fn a_backfill_under_way_is_joined() {
    let mut fleet = fleet().await;
    let cli = Cli::of(&fleet, "join");
    cli.ok(&["backfill", "acme"]).await;
    assert!(cli.fails(4, &["backfill", "acme"]).await.contains("backfill acme --follow"));
    assert!(cli.fails(4, &["backfill", "acme", "--since", "2020-01-01", "--follow"]).await.contains("unfinished"));
    let following = cli.begin(&["backfill", "acme", "--follow"]);
    fleet.start_worker().await;
    let said = following.await.unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(String::from_utf8_lossy(&said.stderr).contains("ended"));
}

#[tokio::test]
async fn following_ends_when_the_backfill_was_given_up() {
    let fleet = TestFleet::start().await;
    let cli = Cli::of(&fleet, "dead");
    fleet.jira().fail_next(Route::Projects, 1_000, &Fault::Status(404, None));
    let said = cli.fails(1, &["backfill", "acme", "--follow"]).await;
    assert!(said.contains("given up") && said.contains("404"), "{said}");
    // What was given up then is no news to whoever asks again.
    fleet.jira().clear_faults();
    let said = cli.run(&["backfill", "acme", "--follow"]).await;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[tokio::test]
async fn following_ends_when_nothing_works_any_more() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "lost");
    let following = cli.begin(&["backfill", "acme", "--follow"]);
    asked_for(&fleet).await;
    let redis = redis::Client::open(fleet.queues.url.as_str()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("*{}*", fleet.queues.prefix)).query_async(&mut redis).await.unwrap();
    redis::cmd("DEL").arg(keys).query_async::<u64>(&mut redis).await.unwrap();
    let said = following.await.unwrap();
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("nothing works on the backfill of acme any more"), "{said}");
}

#[tokio::test]
async fn no_work_is_asked_for_of_what_rests() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "rest");
    let following = cli.begin(&["backfill", "acme", "--follow"]);
    asked_for(&fleet).await;
    cli.ok(&["tenant", "suspend", "acme"]).await;
    assert_eq!(following.await.unwrap().status.code(), Some(4), "it is not watched on");
    for work in [&["backfill", "acme"][..], &["sync", "poll", "acme"], &["sync", "issue", "acme", "ACME-1"]] {
        assert!(cli.fails(4, work).await.contains("jirafleet tenant resume acme"), "{work:?}");
    }
    cli.ok(&["tenant", "resume", "acme"]).await;
    cli.ok(&["instance", "pause", "acme"]).await;
    assert!(cli.fails(4, &["sync", "poll", "acme"]).await.contains("jirafleet instance resume acme"));
}

#[tokio::test]
async fn a_token_is_stored_only_when_it_works_and_is_ours() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "rotate");
    let token = cli.key_file.with_extension("token");
    let rotate = ["instance", "rotate-token", "acme", "--token-file", token.to_str().unwrap()];
    std::fs::write(&token, "wrong").unwrap();
    let said = cli.fails(5, &rotate).await;
    assert!(said.contains("nothing was changed") && !said.contains("rotate-token"), "{said}");
    cli.ok(&["instance", "test", "acme"]).await;

    std::fs::write(&token, "fresh").unwrap();
    fleet.jira().replace_token("fresh");
    cli.fails(5, &["instance", "test", "acme"]).await;
    cli.ok(&rotate).await;
    cli.ok(&["instance", "test", "acme"]).await;

    let tenant = fleet.store.tenant(fleet.instance.tenant);
    tenant.set_account(fleet.instance.id, &AccountId("somebody:else".into())).await.unwrap();
    assert!(cli.fails(5, &rotate).await.contains("nothing was changed"));
    std::fs::remove_file(token).unwrap();
}

#[tokio::test]
async fn verify_looks_both_ways() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    let keys = fleet.jira().issue_keys();
    fleet.jira().delete(&keys[0]).unwrap();
    let left = fleet.jira().issue_keys();
    fleet.jira().poison(fleet.jira().issue_id(&left[0]).unwrap());
    let cli = Cli::of(&fleet, "ways");
    let output = cli.run(&["verify", "acme", "--full", "-o", "jsonl"]).await;
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let of = |key: &str| listed.lines().find(|line| line.contains(&format!("\"{key}\""))).map(str::to_owned);
    assert!(of(&keys[0]).unwrap().contains("not in Jira"), "{listed}");
    assert!(of(&left[0]).unwrap().contains("could not be read"), "{listed}");
}

#[tokio::test]
async fn nobody_listening_is_no_reason_to_panic() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "pipes");
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let ends = |mut command: Command| async {
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            drop(child.stdout.take());
            child.wait_with_output().unwrap()
        })
        .await
        .unwrap()
    };
    for list in [&["tenant", "list"][..], &["instance", "list", "-o", "json"], &["version"]] {
        let mut gone = cli.command(list);
        gone.stdout(Stdio::piped()).stderr(Stdio::piped());
        let gone = ends(gone).await;
        assert_eq!((gone.status.code(), gone.stderr.len()), (Some(0), 0), "{list:?}");
        let mut into_full = cli.command(list);
        into_full.stdout(full()).stderr(Stdio::piped());
        let into_full = ends(into_full).await;
        assert_eq!(into_full.status.code(), Some(1), "{list:?}");
        assert!(String::from_utf8_lossy(&into_full.stderr).starts_with("jirafleet: standard output"), "{list:?}");
    }
    let mut mute = cli.command(&["tenant", "show", "nobody"]);
    mute.stdout(Stdio::null()).stderr(full());
    assert_eq!(ends(mute).await.status.code(), Some(3));
}

#[tokio::test]
async fn a_stale_offer_is_explained_and_a_failed_dev_leaves_none() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "offer");
    let dir = cli.key_file.with_extension("data");
    let dir_text = dir.to_str().unwrap();
    // Its gateway's port is taken.
    let taken = fleet.gateway.to_string();
    let dev = ["dev", "--data-dir", dir_text, "--gateway-listen", &taken, "--api-listen", "127.0.0.1:0"];
    assert!(cli.fails(69, &[&dev[..], &["--metrics-listen", "127.0.0.1:0"]].concat()).await.contains(&taken));
    assert!(!dir.join("offer.json").exists(), "the offer is withdrawn");

    let socket = dir.join("run").join("gone.sock");
    let offer = serde_json::json!({
        "database_url": "postgres://jirafleet:x@%2Fnowhere/jirafleet",
        "owner_url": "postgres://jirafleet_owner:x@%2Fnowhere/jirafleet",
        "redis_url": format!("unix://{}?pass=x", socket.display()),
        "master_key_file": cli.key_file,
    });
    std::fs::write(dir.join("offer.json"), offer.to_string()).unwrap();
    for chore in [["tenant", "list"], ["migrate", "status"]] {
        let mut command = Command::new(binary());
        command.args(chore).args(["--data-dir", dir_text]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{chore:?}: {said}");
        assert!(said.contains("does not run in") && said.contains("--database-url"), "{chore:?}: {said}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
