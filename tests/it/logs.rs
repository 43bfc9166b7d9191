//! What a run of the real processes leaves in their logs, at their loudest: lines that programs can read, with the ids by which
//! people search them, and nothing that is secret, somebody's address, or somebody's words.

use std::{
    collections::BTreeSet,
    fs::File,
    path::PathBuf,
    process::{Child, Command},
};

use queue::Job;
use serde_json::{Map, Value};
use simulator::{Fault, Route};
use tests::{FleetOptions, TestFleet};

use crate::{
    cli::Cli,
    crash::{command, until},
    walls::{root, sources},
};

const TOKEN: &str = "canary-token-5f1e";
const EMAIL: &str = "canary.person@corp.example";
const SUMMARY: &str = "canary summary about somebody";
const DESCRIPTION: &str = "canary description of a secret plan";
const COMMENT: &str = "canary comment that nobody should read";
const QUERY: &str = "canaryquery";
const BODY: &str = "canary body of a stranger";

struct Process {
    child: Child,
    log: PathBuf,
    key_file: PathBuf,
    gateway: String,
    api: String,
}

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Process {
    fn start(fleet: &TestFleet) -> Self {
        let base = std::env::temp_dir().join(format!("jirafleet-logs-{}", std::process::id()));
        let (log, key_file) = (base.with_extension("log"), base.with_extension("key"));
        std::fs::write(&key_file, "5a".repeat(32)).unwrap();
        let (gateway, api) = (free_address(), free_address());
        let args =
            ["all", "-vv", "--metrics-listen", "127.0.0.1:0", "--gateway-listen", &gateway, "--api-listen", &api];
        let child = command(fleet, &key_file, &args)
            .env_remove("RUST_LOG")
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log, key_file, gateway, api }
    }

    /// Ends it in good order; what it said.
    fn log(mut self) -> String {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
        let _ = std::fs::remove_file(&self.key_file);
    }
}

#[tokio::test]
async fn logs_can_be_searched_and_hold_nothing_they_must_not() {
    let jira = simulator::Config { issues: 60, email: EMAIL.into(), token: TOKEN.into(), ..Default::default() };
    let fleet = TestFleet::with(FleetOptions { jira, worker: false, ..FleetOptions::default() }).await;
    let cli = Cli::of(&fleet, "logs");
    let scopes = ["--scope", "issues:read,issues:write"];
    let key = cli.ok(&[&["apikey", "create", "scripts", "--tenant", "acme"][..], &scopes].concat()).await;
    let key = key.trim().to_owned();
    let process = Process::start(&fleet);
    until(|| async { tokio::net::TcpStream::connect(&process.api).await.is_ok() }).await;
    fleet.jira().set_webhook(&format!("http://{}/webhooks/acme", process.gateway), &fleet.webhook_secret);
    live(&fleet, &process, &key).await;
    let log = process.log() + &chores(&cli).await;

    let lines: Vec<Map<String, Value>> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        for field in ["ts", "level", "msg", "target"] {
            assert!(line.get(field).is_some_and(Value::is_string), "no {field}: {line:?}");
        }
    }
    let some_line_has = |fields: &[&str]| {
        let found = lines.iter().any(|line| fields.iter().all(|field| line.contains_key(*field)));
        assert!(found, "no line has all of {fields:?}");
    };
    for process in ["ingest_gateway", "worker", "scheduler", "api", "queue", "jira"] {
        let is_of_it = |line: &Map<String, Value>| line["target"].as_str().unwrap().split("::").next() == Some(process);
        assert!(lines.iter().any(is_of_it), "{process} said nothing");
    }
    some_line_has(&["tenant_id", "instance_id", "job_id", "kind", "attempt", "ms"]);
    some_line_has(&["request_id", "instance_id", "verdict"]);
    some_line_has(&["request_id", "tenant_id", "user_id", "http_route"]);
    some_line_has(&["error", "error_code", "job_id", "kind"]);
    let codes: BTreeSet<&str> = lines.iter().filter_map(|line| line.get("error_code")?.as_str()).collect();
    for code in ["jira.unavailable", "jira.not_jira", "jira.refused", "api.invalid", "api.unauthorized"] {
        assert!(codes.contains(code), "{code} is in no line: {codes:?}");
    }
    let secret = fleet.webhook_secret.as_str();
    let (master, login) = ("5a".repeat(32), fleet.database.app_url.split(['@', ':']).nth(2).unwrap_or_default());
    let basic = base64_of(&format!("{EMAIL}:{TOKEN}"));
    let canaries =
        [TOKEN, EMAIL, SUMMARY, DESCRIPTION, COMMENT, QUERY, BODY, &key, secret, &master, &basic, login, "canary"];
    for canary in canaries.into_iter().filter(|canary| canary.len() > 4) {
        let found = log.lines().find(|line| line.contains(canary));
        assert!(found.is_none(), "{canary:?} in {found:?}");
    }
    let address = log.lines().find(|line| line.contains("@example") || line.contains("@corp"));
    assert!(address.is_none(), "a mail address in {address:?}");
}

/// What chores say at their loudest: those that work, and those that fail.
async fn chores(cli: &Cli) -> String {
    let token = cli.key_file.with_extension("token");
    std::fs::write(&token, TOKEN).unwrap();
    let mut said = String::new();
    for chore in [
        &["instance", "test", "acme"][..],
        &["instance", "rotate-token", "acme", "--token-file", token.to_str().unwrap()],
        &["verify", "acme", "--full"],
        &["sync", "status"],
        &["webhook", "verify", "acme"],
        &["keys", "list"],
        &["doctor"],
        &["backfill", "nowhere"],
    ] {
        let output = cli.run(&[&["-vv"], chore].concat()).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with('{')).collect();
        assert!(!lines.is_empty(), "{chore:?} said nothing: {stderr}");
        said += &(lines.join("\n") + "\n");
        // Words for people, too.
        for canary in [TOKEN, SUMMARY, DESCRIPTION, COMMENT] {
            assert!(!stderr.contains(canary), "{canary} in what {chore:?} says");
        }
    }
    std::fs::remove_file(token).unwrap();
    said
}

/// A day in short, with trouble: all that may make a process talk.
async fn live(fleet: &TestFleet, process: &Process, key: &str) {
    let job = Job::Backfill { instance: fleet.instance.id, projects: Vec::new(), since: None };
    fleet.producer.enqueue(job).await.unwrap();
    fleet.drain().await;
    let keys = fleet.jira().issue_keys();
    fleet.jira().edit(&keys[0], |issue| issue.summary = SUMMARY.to_owned()).unwrap();
    fleet.jira().edit(&keys[1], |issue| issue.description = Some(DESCRIPTION.into())).unwrap();
    fleet.jira().comment(&keys[2], COMMENT).unwrap();
    fleet.drain().await;
    for fault in [Fault::Status(500, None), Fault::Html, Fault::Truncated, Fault::Cut, Fault::Status(400, None)] {
        fleet.jira().fail_next(Route::BulkFetch, 1, &fault);
        fleet.jira().edit(&keys[3], |issue| issue.summary = format!("{SUMMARY} {fault:?}")).unwrap();
        fleet.drain().await;
    }
    let http = reqwest::Client::new();
    let stranger = http.post(format!("http://{}/webhooks/acme", process.gateway)).body(BODY);
    assert_eq!(stranger.send().await.unwrap().status(), 401);
    let issues = format!("http://{}/api/v1/issues", process.api);
    for (key, query, status) in [(key, "", 200), (key, "?nonsense=canaryquery", 400), ("canary-no-key", "", 401)] {
        let answer = http.get(format!("{issues}{query}")).bearer_auth(key).send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.text().await.unwrap());
    }
    let comment = http.post(format!("{issues}/{}/comments", keys[0])).bearer_auth(key);
    let comment = comment.header("content-type", "application/json").body(format!("{{\"body\":\"{COMMENT}\"}}"));
    comment.send().await.unwrap();
    fleet.drain().await;
}

#[test]
fn every_error_that_is_logged_has_a_code() {
    let rooms = std::fs::read_dir(root().join("crates")).unwrap().flatten().map(|entry| entry.path());
    let rooms = rooms.chain(["worker", "scheduler", "ingest-gateway"].map(|room| root().join(room)));
    let mut told = 0;
    for file in rooms.flat_map(|room| sources(&room.join("src"))) {
        // Its span has the code.
        let is_covered = file.ends_with("worker/src/attempt.rs") || file.to_string_lossy().contains("simulator");
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.split("tracing::").skip(1).filter(|_| !is_covered) {
            let call = line.split(");").next().unwrap();
            let fields = call.split_once("!(").filter(|(level, _)| ["error", "warn", "info", "debug"].contains(level));
            let Some((_, fields)) = fields else { continue };
            let names_it = ["%error", "error = ", "?error", " error,"].iter().any(|name| fields.contains(name));
            if names_it || fields.starts_with("error,") || call.starts_with("error!") {
                assert!(fields.contains("error.code = "), "{}: {call}", file.display());
                told += 1;
            }
        }
    }
    assert!(told > 30, "the sources were not read: {told}");
}

/// As in an Authorization header; the alphabet is all that is needed of a crate.
fn base64_of(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            encoded.push(char::from(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    encoded
}
