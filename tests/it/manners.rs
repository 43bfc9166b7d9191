//! How the command line behaves: exit codes of the contract's table, hints, consent, completion, the manual, settings.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Output, Stdio},
    time::Duration,
};

use jira::{Budgets, Reach};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::Value;
use simulator::{Fault, Route};
use tests::{FleetOptions, TestFleet};

use crate::{cli::Cli, crash::binary, store::sample::connect};

async fn fleet() -> TestFleet {
    TestFleet::with(FleetOptions { worker: false, ..Default::default() }).await
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn every_failure_has_the_code_of_the_table() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "codes");
    for (code, args, next) in [
        (2, &["tenant", "create", "No Such"][..], "lower-case"),
        (2, &["jobs", "list", "--queue", "liv"], "'live'"),
        (2, &["jobs", "list", "--kind", "sync_toched"], "'sync_touched'"),
        (2, &["jobs", "list", "-o", "jsn"], "'json'"),
        (2, &["jobs", "lst"], "'list'"),
        (2, &["jobs", "list", "--limt", "3"], "'--limit'"),
        (2, &["apikey", "create", "k", "--tenant", "acme", "--scope", "issues:reed"], "'issues:read'"),
        (3, &["instance", "show", "acmee"], "is \"acme\" meant?"),
        (3, &["tenant", "show", "amce"], "is \"acme\" meant?"),
        (3, &["backfill", "initech"], "jirafleet instance list"),
        (4, &["tenant", "create", "acme"], "choose another one"),
    ] {
        let text = cli.fails(code, args).await;
        assert!(text.contains(next), "{args:?}: {text}");
    }
    fleet.jira().fail_next(Route::Myself, 1_000, &Fault::Status(503, None));
    cli.fails(69, &["instance", "test", "acme"]).await;
    fleet.jira().clear_faults();
    fleet.jira().replace_token("another");
    let text = cli.fails(5, &["instance", "test", "acme"]).await;
    assert!(text.contains("rotate-token"), "{text}");
    let budgets = Budgets::connect(&fleet.queues.url, &fleet.queues.prefix).await.unwrap();
    budgets.pause(fleet.instance.id, Reach::Instance, Duration::from_secs(600)).await.unwrap();
    let text = cli.fails(75, &["instance", "test", "acme"]).await;
    assert!(text.contains("again"), "{text}");
    let help = String::from_utf8(output(bare(&["--help"])).await.stdout).unwrap();
    let told = help.split("Exit codes: ").nth(1).unwrap().split_whitespace().filter_map(|word| word.parse().ok());
    assert_eq!(told.collect::<Vec<i32>>(), [0, 1, 2, 3, 4, 5, 7, 69, 70, 75, 78, 130], "{help}");
}

/// What is busy for a moment is another matter than what is away or wrong.
#[tokio::test]
async fn what_is_busy_is_told_from_what_is_wrong() {
    let fleet = fleet().await;
    let mut owner = Cli::of(&fleet, "busy");
    owner.database_url = fleet.database.owner_url.clone();
    // Somebody else migrates.
    let other = connect(&fleet.database.owner_url).await.begin().await.unwrap();
    other.execute_unprepared("LOCK TABLE mirror.seaql_migrations IN SHARE MODE").await.unwrap();
    let text = owner.fails(75, &["migrate", "down", "--yes"]).await;
    assert!(text.contains("again"), "{text}");
    other.rollback().await.unwrap();
}

#[tokio::test]
async fn servers_and_keys_that_are_wrong_are_one_sentence() {
    let fleet = fleet().await;
    let number = std::cell::Cell::new(0);
    let with = |change: &dyn Fn(&mut Cli)| {
        number.set(number.get() + 1);
        let mut cli = Cli::of(&fleet, &format!("wrong-{}", number.get()));
        change(&mut cli);
        cli
    };
    let away = "postgres://nobody:s3cret@127.0.0.1:1/none";
    for (code, cli, args, words) in [
        (69, with(&|cli| cli.database_url = away.into()), &["tenant", "list"][..], "check that it runs"),
        (69, with(&|cli| cli.database_url = away.into()), &["migrate", "up"], "check that it runs"),
        (78, with(&|cli| cli.database_url = "mysql://x/y".into()), &["tenant", "list"], "postgres://"),
        (78, with(&|cli| cli.database_url = "mysql://x/y".into()), &["migrate", "up"], "postgres://"),
        (
            69,
            with(&|cli| cli.redis_url = "redis://:s3cret@127.0.0.1:1".into()),
            &["queue", "status"],
            "check that it runs",
        ),
        (78, with(&|cli| cli.redis_url = "nonsense://s3cret".into()), &["queue", "status"], "Redis URL"),
        (78, with(&|cli| cli.key_file = "/nowhere/master.key".into()), &["tenant", "list"], "/nowhere/master.key"),
        (5, with(&|_| ()), &["migrate", "up"], "the owner's URL"),
    ] {
        let text = cli.fails(code, args).await;
        assert!(text.contains(words) && !text.contains("s3cret"), "{args:?}: {text}");
        assert_eq!(text.trim_end().lines().count(), 1, "{args:?}: {text}");
    }
    let cli = Cli::of(&fleet, "wrong-key");
    cli.ok(&["tenant", "list"]).await;
    std::fs::write(&cli.key_file, "6b".repeat(32)).unwrap();
    assert!(cli.fails(78, &["tenant", "list"]).await.contains("put it back"));
    std::fs::write(&cli.key_file, "not hexadecimal").unwrap();
    let text = cli.fails(78, &["tenant", "list"]).await;
    assert!(text.contains("64") && !text.contains("not hexadecimal"), "{text}");
}

#[tokio::test]
async fn a_migration_that_broke_off_says_how_to_go_on() {
    let fleet = fleet().await;
    let (cli, mut owner) = (Cli::of(&fleet, "half"), Cli::of(&fleet, "half-owner"));
    owner.database_url = fleet.database.owner_url.clone();
    let steps = migration::status(&owner.database_url).await.unwrap();
    let kept = steps.iter().position(|step| step.name == "m0013_idempotency").unwrap();
    owner.ok(&["migrate", "down", "--steps", &(steps.len() - kept).to_string(), "--yes"]).await;
    let connection = connect(&fleet.database.owner_url).await;
    connection.execute_unprepared("CREATE TABLE mirror.idempotency_keys (n int)").await.unwrap();
    let text = owner.fails(1, &["migrate", "up"]).await;
    assert!(text.contains("m0013_idempotency") && text.contains("migrate up` again"), "{text}");
    let text = cli.fails(78, &["tenant", "list"]).await;
    assert!(text.contains("older than this program") && text.contains("jirafleet migrate up"), "{text}");
    let steps = owner.ok(&["migrate", "status", "-o", "csv"]).await;
    assert!(steps.contains("m0012_webhooks,true") && steps.contains("m0013_idempotency,false"), "{steps}");
    connection.execute_unprepared("DROP TABLE mirror.idempotency_keys").await.unwrap();
    owner.ok(&["migrate", "up"]).await;
    cli.ok(&["tenant", "list"]).await;

    connection.execute_unprepared("INSERT INTO mirror.seaql_migrations VALUES ('m9999_future', 0)").await.unwrap();
    assert!(owner.fails(4, &["migrate", "up"]).await.contains("m9999_future"));
    cli.ok(&["tenant", "list"]).await;
    connection.close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_destroyed_unasked() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let cli = Cli::of(&fleet, "consent");
    let remove = ["instance", "remove", "acme"];
    let text = cli.fails(2, &remove).await;
    assert!(text.contains("60 issues") && text.contains("--yes"), "{text}");
    let dry = cli.run(&[&remove[..], &["--dry-run"]].concat()).await;
    assert!(dry.status.success() && said(&dry).contains("60 issues"), "{}", said(&dry));
    for (answer, code, stays) in [("n", 1, true), ("", 1, true), ("y", 0, false)] {
        let output = cli.at_a_terminal(&remove, answer).await;
        assert_eq!(output.status.code(), Some(code), "{answer:?}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Go on? [y/N]"), "{output:?}");
        let listed = cli.ok(&["instance", "list", "-o", "csv"]).await;
        assert_eq!(listed.contains("acme"), stays, "{answer:?}");
    }
    let mut owner = Cli::of(&fleet, "consent-owner");
    owner.database_url = fleet.database.owner_url.clone();
    let text = owner.fails(2, &["migrate", "down"]).await;
    assert!(text.contains("1 steps") && text.contains("m0017"), "{text}");
    let up = owner.run(&["migrate", "up", "--dry-run"]).await;
    assert!(said(&up).contains("0 steps would be applied"), "{}", said(&up));
}

fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).env("HOME", "/nowhere").env_remove("XDG_DATA_HOME");
    command
}

/// Every command there is, by the words to type, from the help itself.
async fn commands() -> Vec<Vec<String>> {
    let (mut found, mut open) = (Vec::new(), vec![Vec::<String>::new()]);
    while let Some(path) = open.pop() {
        let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = output(bare(&args)).await;
        assert!(help.status.success(), "{args:?}");
        let text = String::from_utf8(help.stdout).unwrap();
        let names = text.split("Commands:\n").nth(1).map(|rest| rest.split("\n\n").next().unwrap()).unwrap_or_default();
        for line in names.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                open.push(path.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
        found.push(path);
    }
    found
}

#[tokio::test]
async fn shells_and_the_manual_know_every_command() {
    let dir = std::env::temp_dir().join(format!("jirafleet-man-{}", std::process::id()));
    let man = output(bare(&["man", dir.to_str().unwrap()])).await;
    assert!(man.status.success(), "{}", said(&man));
    let bash = String::from_utf8(output(bare(&["completion", "bash"])).await.stdout).unwrap();
    let all = commands().await;
    assert!(all.len() > 60, "{}", all.len());
    for path in &all {
        let page = dir.join(format!("{}.1", [&["jirafleet".to_owned()][..], path].concat().join("-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(text.contains(".SH NAME"), "{}", page.display());
        let words: String =
            ["jirafleet"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("__subcmd__");
        assert!(bash.contains(&words.replace('-', "__subcmd__")), "{path:?} is not completed");
    }
    // What the repository shows is what the program says: `jirafleet man docs/man` after a change.
    let committed = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man");
    for folder in [&dir, &committed] {
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), all.len(), "{}", folder.display());
    }
    for page in std::fs::read_dir(&dir).unwrap().flatten() {
        let text = std::fs::read_to_string(committed.join(page.file_name())).unwrap_or_default();
        assert!(text == std::fs::read_to_string(page.path()).unwrap(), "docs/man: {}", page.path().display());
    }
    std::fs::remove_dir_all(&dir).unwrap();
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        let script = output(bare(&["completion", shell])).await;
        assert!(script.status.success() && script.stdout.len() > 10_000, "{shell}");
    }
    let mut check = Command::new("bash");
    check.args(["-n", "/dev/stdin"]).stdin(Stdio::piped());
    let mut check = check.spawn().unwrap();
    std::io::Write::write_all(&mut check.stdin.take().unwrap(), bash.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success(), "bash reads it");
    assert_eq!(output(bare(&["completion", "tcsh"])).await.status.code(), Some(2));
}

#[tokio::test]
async fn settings_are_shown_with_where_they_came_from() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "settings");
    let url_file = cli.key_file.with_extension("url");
    std::fs::write(&url_file, "postgres://jirafleet:s3cret@db.example/jirafleet\n").unwrap();
    let mut command = cli.command(&["config", "show", "--origin", "-o", "json", "--lease", "60"]);
    command.env_remove("JIRAFLEET_DATABASE_URL").env("JIRAFLEET_DATABASE_URL_FILE", &url_file);
    let shown = output(command).await;
    let whole: Value = serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| panic!("{}", said(&shown)));
    assert_eq!(whole["schema"], "jirafleet.config/1");
    let rows = whole["rows"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["setting"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(row("database-url")["value"], "postgres://jirafleet:***@db.example/jirafleet");
    assert_eq!(row("database-url")["origin"], format!("file {}", url_file.display()));
    assert_eq!((&row("lease")["value"], &row("lease")["origin"]), (&"60".into(), &"flag".into()));
    assert_eq!((&row("grace")["value"], &row("grace")["origin"]), (&"25".into(), &"default".into()));
    assert_eq!(
        (&row("redis-prefix")["origin"], &row("queues")["variable"]),
        (&"variable".into(), &"JIRAFLEET_QUEUES".into())
    );
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("s3cret"));
    std::fs::remove_file(url_file).unwrap();

    let dir = cli.key_file.with_extension("data");
    std::fs::create_dir(&dir).unwrap();
    let offer = serde_json::json!({
        "database_url": "postgres://jirafleet:s3cret@%2Frun/jirafleet", "owner_url": "postgres://o@%2Frun/jirafleet",
        "redis_url": "unix:///run/redis.sock?pass=s3cret", "master_key_file": "/data/master.key",
    });
    std::fs::write(dir.join("offer.json"), offer.to_string()).unwrap();
    let offered = output(bare(&["config", "show", "--origin", "-o", "csv", "--data-dir", dir.to_str().unwrap()])).await;
    let text = String::from_utf8(offered.stdout).unwrap();
    assert!(text.contains("redis-url,unix:///run/redis.sock?pass=***,jirafleet dev in "), "{text}");
    assert!(text.contains("gateway-listen,127.0.0.1:8080,default") && !text.contains("s3cret"), "{text}");
    std::fs::remove_dir_all(dir).unwrap();
}

/// What is JSON names its schema and version; the same listing is one line an object, YAML, CSV with a heading, and tables of
/// which the wide one leaves nothing out. Members and their types are those of the snapshot: another form is another version.
#[tokio::test]
async fn every_listing_speaks_every_format() {
    let fleet = TestFleet::start().await;
    fleet.backfill().await;
    let cli = Cli::of(&fleet, "formats");
    cli.ok(&["apikey", "create", "reader", "--tenant", "acme", "--scope", "issues:read"]).await;
    cli.ok(&["queue", "pause", "upkeep", "--why", "to be listed"]).await;
    bury(&fleet).await;
    let mut forms = BTreeMap::new();
    for listing in [
        &["tenant", "list"][..],
        &["tenant", "show", "acme"],
        &["instance", "list"],
        &["instance", "show", "acme"],
        &["sync", "status"],
        &["queue", "status"],
        &["queue", "pauses"],
        &["schedule", "list"],
        &["jobs", "list"],
        &["dead", "list"],
        &["webhook", "list"],
        &["apikey", "list", "--tenant", "acme"],
        &["audit", "query", "--tenant", "acme"],
        &["audit", "verify"],
        &["keys", "list"],
        &["migrate", "status"],
        &["doctor"],
        &["config", "show"],
        &["version"],
    ] {
        let with = |format| [listing, &["-o", format]].concat();
        let json = cli.run(&with("json")).await;
        let whole: Value =
            serde_json::from_slice(&json.stdout).unwrap_or_else(|_| panic!("{listing:?}: {}", said(&json)));
        let schema = whole["schema"].as_str().unwrap();
        assert!(schema.starts_with("jirafleet.") && schema.contains('/'), "{listing:?}: {schema}");
        forms.entry(schema.to_owned()).or_insert_with(|| form(&whole["rows"][0]));
        let rows = whole["rows"].as_array().unwrap();
        let lines = String::from_utf8(cli.run(&with("jsonl")).await.stdout).unwrap();
        assert_eq!(lines.lines().count(), rows.len(), "{listing:?}");
        assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|row| row.is_object())));
        let csv = String::from_utf8(cli.run(&with("csv")).await.stdout).unwrap();
        if let Some(row) = rows.first() {
            let heading: BTreeSet<&str> = csv.lines().next().unwrap().split(',').collect();
            assert_eq!(heading, row.as_object().unwrap().keys().map(String::as_str).collect(), "{listing:?}");
        }
        let yaml = String::from_utf8(cli.run(&with("yaml")).await.stdout).unwrap();
        assert!(yaml.starts_with(&format!("schema: {schema}\nrows:")), "{listing:?}: {yaml}");
        for (format, all) in [("table", false), ("wide", true)] {
            let table = String::from_utf8(cli.run(&with(format)).await.stdout).unwrap();
            let is_listed = |name: &&String| table.contains(&name.to_uppercase().replace('_', " "));
            let columns = rows.first().map(|row| row.as_object().unwrap().keys()).into_iter().flatten();
            // These two speak to people in words of their own.
            if all && !matches!(listing, ["doctor" | "version"]) {
                assert!(columns.clone().all(|name| is_listed(&name)), "{listing:?}: {table}");
            }
            assert!(rows.is_empty() || !table.is_empty(), "{listing:?}");
        }
    }
    assert_eq!(forms.len(), 17, "{forms:?}");
    let forms: Vec<String> = forms.into_iter().map(|(schema, form)| format!("{schema}: {form}")).collect();
    insta::assert_snapshot!(forms.join("\n"));
}

/// Leaves a dead letter.
async fn bury(fleet: &TestFleet) {
    let redis = redis::Client::open(fleet.queues.url.as_str()).unwrap();
    let mut add = redis::cmd("XADD");
    add.arg(format!("{}:{{bulk}}:dead", fleet.queues.prefix))
        .arg("*")
        .arg("e")
        .arg("{}")
        .arg("reason")
        .arg("not a job");
    add.query_async::<()>(&mut redis.get_multiplexed_async_connection().await.unwrap()).await.unwrap();
}

/// The members of a row with their types.
fn form(row: &Value) -> String {
    let of = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let members = row.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name} {}", of(value))).collect::<Vec<_>>().join(", ")
}
