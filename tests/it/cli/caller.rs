//! Whoever types commands: the binary under test, with the servers of a test's fleet in its environment.

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Output, Stdio},
};

use tests::TestFleet;

use crate::crash::binary;

pub(crate) struct Cli {
    pub(crate) key_file: std::path::PathBuf,
    pub(crate) database_url: String,
    pub(crate) redis_url: String,
    pub(crate) redis_prefix: String,
}

impl Cli {
    pub(crate) fn of(fleet: &TestFleet, name: &str) -> Self {
        let key_file = std::env::temp_dir().join(format!("jirafleet-cli-{name}-{}", std::process::id()));
        std::fs::write(&key_file, "5a".repeat(32)).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            key_file,
            database_url: fleet.database.app_url.clone(),
            redis_url: fleet.queues.url.clone(),
            redis_prefix: fleet.queues.prefix.clone(),
        }
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(args)
            .env("JIRAFLEET_DATABASE_URL", &self.database_url)
            .env("JIRAFLEET_REDIS_URL", &self.redis_url)
            .env("JIRAFLEET_REDIS_PREFIX", &self.redis_prefix)
            .env("JIRAFLEET_MASTER_KEY_FILE", &self.key_file)
            .env("JIRAFLEET_ALLOW_INSECURE_SITES", "127.0.0.1");
        command
    }

    /// Runs it at a terminal of its own, where somebody types this; what the terminal shows is its stdout.
    pub(crate) async fn at_a_terminal(&self, args: &[&str], answer: &str) -> Output {
        let called = self.command(&[]);
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{} {}", binary().display(), args.join(" ")), "/dev/null"]);
        for (name, value) in called.get_envs() {
            script.env(name, value.unwrap());
        }
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let answer = format!("{answer}\n");
        tokio::task::spawn_blocking(move || {
            let mut child = script.spawn().unwrap();
            // Held open until it has ended: the terminal goes away with it.
            let mut stdin = child.stdin.take().unwrap();
            std::io::Write::write_all(&mut stdin, answer.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            drop(stdin);
            output
        })
        .await
        .unwrap()
    }

    /// Starts what goes on for a while.
    pub(crate) fn begin(&self, args: &[&str]) -> tokio::task::JoinHandle<Output> {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    }

    /// Runs what must succeed; returns stdout.
    pub(crate) async fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must fail with this code; returns its one sentence.
    pub(crate) async fn fails(&self, code: i32, args: &[&str]) -> String {
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
