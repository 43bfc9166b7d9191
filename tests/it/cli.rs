//! The command line: answers on stdout, one sentence with the next step on stderr, exit codes of the contract.

use std::process::{Command, Output};

use tests::{FleetOptions, TestFleet};

use crate::crash::binary;

struct Cli {
    key_file: std::path::PathBuf,
    database_url: String,
    redis_url: String,
    redis_prefix: String,
}

impl Cli {
    fn of(fleet: &TestFleet, name: &str) -> Self {
        let key_file = std::env::temp_dir().join(format!("jirafleet-cli-{name}-{}", std::process::id()));
        std::fs::write(&key_file, "5a".repeat(32)).unwrap();
        Self {
            key_file,
            database_url: fleet.database.app_url.clone(),
            redis_url: fleet.queues.url.clone(),
            redis_prefix: fleet.queues.prefix.clone(),
        }
    }

    async fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command
            .args(args)
            .env("JIRAFLEET_DATABASE_URL", &self.database_url)
            .env("JIRAFLEET_REDIS_URL", &self.redis_url)
            .env("JIRAFLEET_REDIS_PREFIX", &self.redis_prefix)
            .env("JIRAFLEET_MASTER_KEY_FILE", &self.key_file)
            .env("JIRAFLEET_ALLOW_INSECURE_SITES", "127.0.0.1");
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs what must succeed; returns stdout.
    async fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must fail with this code; returns its one sentence.
    async fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}: stdout is for data");
        assert!(!said.contains("panicked") && !said.contains("{ "), "{args:?}: {said}");
        said
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.key_file);
    }
}

async fn fleet() -> TestFleet {
    TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await
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
    let plain = [&plain[..], &["--token-file", cli.key_file.to_str().unwrap()]].concat();
    assert!(cli.fails(2, &plain).await.contains("https"));
    cli.fails(2, &["no-such-verb"]).await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_nothing_stays() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "token");
    let site = fleet.site();
    let add = ["instance", "add", "wrong", "--tenant", "acme", "--site", &site, "--email", "mirror@example.com"];
    let add = [&add[..], &["--token-file", cli.key_file.to_str().unwrap()]].concat();
    assert!(cli.fails(5, &add).await.contains("token"));
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
}
