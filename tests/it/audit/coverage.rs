//! Whatever changes something is in the log: every command of the binary and every operation of REST is either on a list of
//! those that change nothing, or is run here and looked for.

use std::{collections::BTreeSet, time::Duration};

use domain::IssueId;
use queue::Job;
use store::{AuditFilter, TenantStore};
use tests::TestFleet;

use crate::{
    cli::Cli,
    operate::{bury, enqueue},
};

/// Commands that change nothing of a tenant's: processes, listings, comparisons; the schema, which is there before any log;
/// and made-up tenants.
const READING: &[&str] = &[
    "all",
    "api",
    "apikey list",
    "audit query",
    "audit verify",
    "completion",
    "config show",
    "dead list",
    "dead show",
    "demo",
    "dev",
    "doctor",
    "gateway",
    "instance list",
    "instance show",
    "instance test",
    "jobs list",
    "jobs show",
    "keys list",
    "man",
    "migrate down",
    "migrate status",
    "migrate up",
    "openapi",
    "queue pauses",
    "queue status",
    "schedule list",
    "scheduler",
    "seed",
    "simulate",
    "sync status",
    "tenant list",
    "tenant show",
    "verify",
    "version",
    "webhook list",
    "worker",
];

/// The commands below one, by what its help lists.
async fn leaves(cli: &Cli, path: Vec<String>) -> Vec<String> {
    let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let help = cli.ok(&words).await;
    let Some(listed) = help.split("\nCommands:\n").nth(1) else { return vec![path.join(" ")] };
    let named = listed.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then(|| name.to_owned())
    });
    let mut found = Vec::new();
    for name in named.collect::<Vec<_>>() {
        found.extend(Box::pin(leaves(cli, [&path[..], &[name]].concat())).await);
    }
    found
}

/// An operator at the command line, and what was run so far.
struct Operator {
    cli: Cli,
    log: TenantStore,
    run: BTreeSet<String>,
}

impl Operator {
    /// Runs a command and looks for what it left in the log.
    async fn runs(&mut self, verb: &str, rest: &[&str], action: &str) {
        let before = self.newest().await.map_or(0, |(seq, _)| seq);
        let words: Vec<&str> = verb.split(' ').chain(rest.iter().copied()).collect();
        self.cli.ok(&words).await;
        let lines = self.log.audit(&AuditFilter::default(), 20).await.unwrap();
        let mut fresh = lines.iter().filter(|line| line.seq > before);
        let is_told = fresh.any(|line| line.action == action && line.outcome == "done");
        assert!(is_told, "{verb} left no {action} in the log, but {lines:#?}");
        self.run.insert(verb.to_owned());
    }

    async fn newest(&self) -> Option<(i64, String)> {
        let mut lines = self.log.audit(&AuditFilter::default(), 1).await.unwrap();
        lines.pop().map(|line| (line.seq, line.action))
    }
}

#[tokio::test]
async fn every_command_that_changes_something_is_in_the_log() {
    let mut fleet = TestFleet::start().await;
    fleet.backfill().await;
    fleet.stop_workers().await;
    let cli = Cli::of(&fleet, "coverage");
    let all: BTreeSet<String> = leaves(&cli, Vec::new()).await.into_iter().collect();
    let log = fleet.store.tenant(fleet.instance.tenant);
    let mut operator = Operator { cli, log, run: BTreeSet::new() };
    let key = fleet.jira().issue_keys().remove(0);
    let secret = std::env::temp_dir().join(format!("jirafleet-coverage-{}", std::process::id()));
    let secrets = secret.to_str().unwrap();
    std::fs::write(&secret, "simulated-token\n").unwrap();

    operator.runs("backfill", &["acme"], "sync.backfill").await;
    operator.runs("sync poll", &["acme"], "sync.poll").await;
    operator.runs("sync census", &["acme"], "sync.census").await;
    operator.runs("sync reconcile", &["acme", "--full", "--repair"], "sync.census").await;
    operator.runs("sync issue", &["acme", &key], "sync.issue").await;
    jobs(&fleet, &mut operator).await;
    operator.runs("queue pause", &["bulk", "--why", "a test", "--by", "mia"], "queue.pause").await;
    operator.runs("queue resume", &["bulk"], "queue.resume").await;
    let gateway = format!("http://{}", fleet.gateway);
    operator.runs("webhook register", &["acme", "--gateway", &gateway], "webhook.register").await;
    operator.runs("webhook verify", &["acme"], "webhook.verify").await;
    operator.runs("webhook refresh", &["acme"], "webhook.refresh").await;
    operator.runs("webhook rotate-secret", &["acme"], "webhook.register").await;
    operator.runs("webhook remove", &["acme", "--yes"], "webhook.remove").await;
    operator.runs("apikey create", &["ci", "--tenant", "acme", "--scope", "issues:read"], "apikey.create").await;
    operator.runs("apikey revoke", &["ci", "--tenant", "acme", "--yes"], "apikey.revoke").await;
    operator.runs("keys rotate", &["--data-keys", "--tenant", "acme"], "keys.rotate").await;
    operator.runs("instance pause", &["acme"], "instance.pause").await;
    operator.runs("instance resume", &["acme"], "instance.resume").await;
    operator.runs("instance rotate-token", &["acme", "--token-file", secrets], "instance.rotate_token").await;
    let site = fleet.site();
    let add = ["more", "--tenant", "acme", "--site", &site, "--email", "mirror@example.com", "--token-file", secrets];
    operator.runs("instance add", &add, "instance.add").await;
    operator.runs("instance remove", &["more", "--yes"], "instance.remove").await;
    operator.runs("tenant suspend", &["acme"], "tenant.suspend").await;
    operator.runs("tenant resume", &["acme"], "tenant.resume").await;
    operator.runs("tenant rename", &["acme", "acme-eu"], "tenant.rename").await;
    operator.cli.ok(&["tenant", "create", "globex"]).await;
    let globex = fleet.store.system().tenant_by_name("globex").await.unwrap().unwrap();
    operator.log = fleet.store.tenant(globex.id);
    assert_eq!(operator.newest().await.unwrap().1, "tenant.create");
    operator.run.insert("tenant create".to_owned());
    std::fs::remove_file(secret).unwrap();

    let known: BTreeSet<String> = READING.iter().map(|verb| (*verb).to_owned()).chain(operator.run).collect();
    assert_eq!(all, known, "every command is run here, or changes nothing");
}

async fn jobs(fleet: &TestFleet, operator: &mut Operator) {
    let instance = fleet.instance.id;
    let late = Job::Revisit { instance };
    fleet.producer.enqueue_in(late, Duration::from_secs(3600)).await.unwrap();
    let listed = operator.cli.ok(&["jobs", "list", "--state", "delayed", "-o", "jsonl"]).await;
    let delayed: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    operator.runs("jobs retry", &[delayed["id"].as_str().unwrap()], "jobs.retry").await;
    let first = enqueue(fleet, Job::SyncDirectory { instance }).await;
    operator.runs("jobs cancel", &[&first, "--yes"], "jobs.cancel").await;
    let second = enqueue(fleet, Job::KeepWebhook { instance }).await;
    operator.runs("jobs discard", &[&second, "--yes"], "jobs.discard").await;
    for issue in [7, 8] {
        enqueue(fleet, Job::SyncIssue { instance, issue: IssueId(issue) }).await;
    }
    bury(fleet, 2).await;
    let listed = operator.cli.ok(&["dead", "list", "--kind", "sync_issue", "-o", "jsonl"]).await;
    let letters: Vec<serde_json::Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    operator.runs("dead replay", &[letters[0]["letter"].as_str().unwrap()], "dead.replay").await;
    operator.runs("dead discard", &[letters[1]["letter"].as_str().unwrap(), "--yes"], "dead.discard").await;
}

/// What `tests/it/api` writes and looks for in the log, one by one.
#[test]
fn every_operation_that_changes_something_is_known() {
    let description = api::openapi();
    let mut changing = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if method != "get" {
                changing.insert((path.as_str(), operation["operationId"].as_str().unwrap()));
            }
        }
    }
    let known = [
        ("/api/v1/fleet/tenants", "create_tenant"),
        ("/api/v1/fleet/tenants/{tenant}", "change_tenant"),
        ("/api/v1/issues", "create_issue"),
        ("/api/v1/issues/{issue}", "update_issue"),
        ("/api/v1/issues/{issue}/comments", "add_comment"),
        ("/api/v1/issues/{issue}/transitions", "transition_issue"),
        ("/api/v1/tokens", "create_token"),
    ];
    assert_eq!(changing, known.into(), "a new one needs a test that looks for its line in the log");
}
