//! A Redis server of the harness' own, on a unix socket, that can be killed and started again.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// What all keys of the queue begin with.
pub(crate) const PREFIX: &str = "chaos";

/// Whether a server keeps what it was told over its own death.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// By an append-only log that is flushed every second.
    Log,
    /// Nothing: it is never restarted.
    Nothing,
}

/// How a server ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// SIGKILL.
    Killed,
    /// `SHUTDOWN`, which flushes the log.
    Asked,
}

pub(crate) struct Server {
    folder: PathBuf,
    keeps: Keeps,
    child: Option<Child>,
}

impl Server {
    pub(crate) async fn start(folder: &Path, keeps: Keeps) -> Self {
        std::fs::create_dir_all(folder).expect("the temporary folder can be written");
        let mut server = Self { folder: folder.to_owned(), keeps, child: None };
        server.run().await;
        server
    }

    /// Starts it and waits until it has read its log.
    pub(crate) async fn run(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        let append = if self.keeps == Keeps::Log { "yes" } else { "no" };
        // The kernel ends the server when this process dies, however it dies.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "redis-server", "--port", "0", "--save", "", "--appendonly", append]);
        command.args(["--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--unixsocket"]);
        command.arg(self.socket()).arg("--dir").arg(&self.folder).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server and setpriv are installed"));
        while !self.answers().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn answers(&self) -> bool {
        let client = redis::Client::open(self.url()).expect("a valid URL");
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
        redis::cmd("PING").query_async::<()>(&mut connection).await.is_ok()
    }

    pub(crate) async fn end(&mut self, how: End) {
        let Some(mut child) = self.child.take() else { return };
        match how {
            End::Killed => child.kill().expect("it is ours"),
            End::Asked => {
                let client = redis::Client::open(self.url()).expect("a valid URL");
                let mut connection = client.get_multiplexed_async_connection().await.expect("it runs");
                let _ = redis::cmd("SHUTDOWN").query_async::<()>(&mut connection).await;
            }
        }
        child.wait().expect("it is ours");
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("s")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
