//! The README's way of a new user, line by line as it stands there: only where Jira, the gateway and the API are is replaced
//! by where they are in this test.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use simulator::{Config, Simulator};

use crate::{
    crash::{binary, free_address},
    store::sample::connect,
    walls::root,
};

/// What the README calls them.
const SITE: &str = "https://acme.atlassian.net";
const EMAIL: &str = "mirror@acme.example";
const HOOKS: &str = "https://hooks.acme.example";
const API: &str = "http://127.0.0.1:8081";

/// The code blocks of the section about one's own site: language and text.
fn blocks() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("## Your own Jira Cloud site").nth(1).unwrap().split("\n## ").next().unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).map(|(language, text)| (language.into(), text.into())).collect()
}

/// A user at their desk: a folder, a `dev` that runs, and where everything is.
struct Desk {
    folder: PathBuf,
    gateway: String,
    api: String,
    site: String,
    dev: Option<Child>,
}

impl Desk {
    fn new(site: String) -> Self {
        let folder = std::env::temp_dir().join(format!("jirafleet-readme-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("token.txt"), "a token\n").unwrap();
        Self { folder, gateway: free_address().to_string(), api: free_address().to_string(), site, dev: None }
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A shell that is given these lines.
    fn shell(&self, lines: &str) -> Command {
        let lines = lines.replace(SITE, &self.site).replace(HOOKS, &format!("http://{}", self.gateway));
        let lines = lines.replace(API, &format!("http://{}", self.api));
        let path =
            [binary().parent().unwrap(), Path::new("/usr/bin"), Path::new("/bin")].map(|one| one.display().to_string());
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &lines]).current_dir(&self.folder).stdin(Stdio::null());
        shell
            .env("PATH", path.join(":"))
            .env("HOME", &self.folder)
            .env("JIRAFLEET_DATA_DIR", self.data_dir())
            .env("JIRAFLEET_GATEWAY_LISTEN", &self.gateway)
            .env("JIRAFLEET_API_LISTEN", &self.api)
            .env("JIRAFLEET_METRICS_LISTEN", "127.0.0.1:0")
            .env("JIRAFLEET_ALLOW_INSECURE_SITES", "127.0.0.1");
        shell
    }

    /// Runs lines that must succeed; what they say on both ways out.
    async fn types(&self, lines: &str) -> String {
        let mut shell = self.shell(&format!("exec 2>&1; {lines}"));
        let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{lines}\n{said}");
        said
    }

    /// Starts `dev` and waits until it says what to do next.
    async fn starts(&mut self, line: &str) {
        let mut shell = self.shell(&format!("exec {line}"));
        let mut child = shell.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        self.dev = Some(child);
        let (tell, told) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            // Read to its end: a full pipe would stop it.
            for line in said.lines().map_while(Result::ok) {
                if line.starts_with("Next: jirafleet tenant create acme") {
                    tell.take().map(|tell| tell.send(()));
                }
            }
        });
        tokio::time::timeout(Duration::from_secs(60), told).await.expect("in time").expect("it says what is next");
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(mut dev) = self.dev.take() {
            let _ = Command::new("kill").arg(dev.id().to_string()).status();
            let _ = dev.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn a_new_user_comes_all_the_way() {
    let config = Config { email: EMAIL.to_owned(), token: "a token".to_owned(), issues: 60, ..Config::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let mut desk = Desk::new(simulator.url());
    let blocks = blocks();
    let [start, path, webhook, seed_sql, program] = blocks.as_slice() else { panic!("{blocks:?}") };

    let dev = start.1.lines().find(|line| line.starts_with("jirafleet dev")).expect("a line that starts it");
    desk.starts(dev).await;
    let said = desk.types(&path.1).await;
    for words in ["the backfill of acme ended", "0 differ", "backfill:", "0 failures"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = desk.types(&webhook.1).await;
    assert!(said.contains("ms after the change"), "{said}");
    let said = desk.types(&program.1).await;
    assert!(said.contains("\"key\""), "{said}");

    assert_eq!(seed_sql.0, "sql");
    assert_eq!(rows(&desk, &seed_sql.1).await, 10);
    is_fresh(&desk, &simulator).await;
}

/// An edit in Jira is seen by the program of the README within the five seconds that are promised.
async fn is_fresh(desk: &Desk, simulator: &Simulator) {
    let world = simulator.world();
    let key = world.issue_keys()[0].clone();
    world.edit(&key, |issue| issue.summary = "changed a moment ago".into()).unwrap();
    let edited = Instant::now();
    let look =
        format!("curl -s -H \"Authorization: Bearer $(cat key.txt)\" '{API}/api/v1/issues?sort=-updated&limit=1'");
    while !desk.types(&look).await.contains("changed a moment ago") {
        assert!(edited.elapsed() < Duration::from_secs(5), "it takes longer than five seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many rows the README's SQL shows to the processes' login.
async fn rows(desk: &Desk, sql: &str) -> usize {
    let offer = std::fs::read_to_string(desk.data_dir().join("offer.json")).unwrap();
    let offer: serde_json::Value = serde_json::from_str(&offer).unwrap();
    let tenant = desk.types("jirafleet tenant show acme -o csv | tail -1 | cut -d, -f2").await;
    let place = "<tenant id from `jirafleet tenant list`>";
    assert!(sql.contains(place), "{sql}");
    let (set, select) = sql.trim().trim_start_matches("begin;").trim_end_matches("commit;").split_once(';').unwrap();
    let tx = connect(offer["database_url"].as_str().unwrap()).await.begin().await.unwrap();
    tx.execute_unprepared(&set.replace(place, tenant.trim())).await.unwrap();
    let statement = Statement::from_string(tx.get_database_backend(), select.trim().trim_end_matches(';'));
    let rows = tx.query_all_raw(statement).await.unwrap();
    tx.rollback().await.unwrap();
    rows.len()
}
