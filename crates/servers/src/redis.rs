//! The private Redis: on a unix socket only, with an append-only log, never evicting, because jobs live in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use crate::Error;
use crate::folders::{Folders, Log};
use crate::keeper::{Keeper, Launch, Partings, Process};
use crate::postgres::ended;

const NAME: &str = "Redis";
/// Includes reading the log back.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// One server on one folder.
pub(crate) struct Redis {
    program: PathBuf,
    folders: Arc<Folders>,
    running: Option<(Process, Log)>,
}

impl Redis {
    pub(crate) fn new(program: PathBuf, folders: Arc<Folders>) -> Self {
        Self { program, folders, running: None }
    }

    /// Returns when the server answers; does nothing when it runs.
    pub(crate) async fn start(&mut self, keeper: &Keeper) -> Result<(), Error> {
        if self.pid().is_some() {
            return Ok(());
        }
        self.running = None;
        let log = self.folders.log("redis.log")?;
        let process = keeper.spawn(self.launch(&log)?).await?;
        self.ready(&process, &log).await?;
        self.running = Some((process, log));
        Ok(())
    }

    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        if let Some((process, _)) = self.running.take() {
            process.end(&[(Signal::TERM, Duration::from_secs(20))]).await;
        }
        Ok(())
    }

    pub(crate) async fn kill(&mut self) -> Result<(), Error> {
        if let Some((process, _)) = self.running.take() {
            process.end(&[]).await;
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        let (process, _) = self.running.as_ref()?;
        (!process.has_ended()).then_some(process.pid)
    }

    /// Waits for an end nobody asked for.
    pub(crate) async fn failed(&self) -> Error {
        match &self.running {
            Some((process, log)) => ended(NAME, process, log).await,
            None => std::future::pending().await,
        }
    }

    fn launch(&self, log: &Log) -> Result<Launch, Error> {
        Ok(Launch {
            name: "redis",
            program: self.program.clone(),
            // The configuration comes by standard input: the password is neither on disk nor in the list of processes.
            args: vec!["-".into()],
            stdin: Some(self.configuration()),
            log: log.writer()?,
            account: self.folders.account.clone(),
            partings: Partings { orphaned: Signal::TERM, dropped: Signal::TERM },
        })
    }

    fn configuration(&self) -> String {
        let folder = self.folders.redis();
        let mut text = String::new();
        let mut set = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} {value}");
        };
        set("port", "0");
        set("unixsocket", &quoted(&self.folders.redis_socket()));
        set("unixsocketperm", "700");
        set("requirepass", &self.folders.secrets.redis);
        set("dir", &quoted(&folder));
        set("pidfile", &quoted(&folder.join("redis.pid")));
        set("daemonize", "no");
        set("appendonly", "yes");
        set("appendfsync", "everysec");
        set("maxmemory-policy", "noeviction");
        set("save", "\"\"");
        text
    }

    async fn ready(&self, process: &Process, log: &Log) -> Result<(), Error> {
        let deadline = Instant::now() + READY_WITHIN;
        let socket = self.folders.redis_socket();
        while Instant::now() < deadline {
            if process.has_ended() {
                return Err(ended(NAME, process, log).await);
            }
            let answer = answers(&socket, &self.folders.secrets.redis);
            if timeout(Duration::from_secs(1), answer).await.is_ok_and(|answer| answer.unwrap_or(false)) {
                return Ok(());
            }
            sleep(POLL).await;
        }
        Err(Error::Silent { program: NAME, waited: READY_WITHIN, log: log.path.clone(), tail: log.tail() })
    }
}

/// Whether it answers a PING; while it reads its log back it says `-LOADING`.
async fn answers(socket: &Path, password: &str) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket).await?;
    let request = format!("AUTH {password}\r\nPING\r\n");
    stream.write_all(request.as_bytes()).await?;
    let wanted = b"+OK\r\n+PONG\r\n";
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    Ok(answer == *wanted)
}

/// In the form of a double-quoted argument of Redis's configuration.
fn quoted(path: &Path) -> String {
    let mut text = String::from("\"");
    for byte in path.as_os_str().as_encoded_bytes() {
        // Writing to a String cannot fail.
        let _ = match byte {
            b'"' | b'\\' => write!(text, "\\{}", char::from(*byte)),
            0x20..=0x7e => write!(text, "{}", char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}"),
        };
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_configuration_file() {
        assert_eq!(quoted(Path::new("/a b/\"c\\é")), r#""/a b/\"c\\\xc3\xa9""#);
    }
}
