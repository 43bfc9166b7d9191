//! A Redis server for one measurement: fresh, on loopback, gone afterwards.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Whether what Redis was told survives its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Nothing is written to disk.
    Nothing,
    /// An append-only log, flushed every second.
    Log,
}

pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    pub(crate) url: String,
}

impl Server {
    /// Starts one and waits until it answers.
    pub(crate) async fn start(keeps: Keeps) -> Self {
        let folder = std::env::temp_dir().join(format!("jirafleet-bench-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let port = free_port();
        let append = if keeps == Keeps::Log { "yes" } else { "no" };
        // The kernel ends the server when this process dies, however it dies.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "redis-server", "--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", append, "--appendfsync", "everysec", "--dir"]).arg(&folder);
        command.args(["--slowlog-log-slower-than", "1000", "--slowlog-max-len", "100000"]);
        let child = command.stdout(Stdio::null()).spawn().expect("redis-server and setpriv are installed");
        let server = Self { child, folder, url: format!("redis://127.0.0.1:{port}/0") };
        while !server.answers().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server
    }

    async fn answers(&self) -> bool {
        let client = redis::Client::open(self.url.as_str()).expect("a valid URL");
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
        redis::cmd("PING").query_async::<()>(&mut connection).await.is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// One that the kernel does not give to anybody else right now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}
