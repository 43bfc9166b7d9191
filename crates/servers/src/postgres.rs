//! The private PostgreSQL: started on a unix socket, watched until it takes logins, stopped or killed.

mod cluster;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use crate::folders::{Folders, Log};
use crate::keeper::{Keeper, Launch, Partings, Process};
use crate::{Durability, Error};

const NAME: &str = "PostgreSQL";
/// Includes recovery after a crash.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
/// Sessions that outlive a killed server notice within a moment; until then the data is theirs.
const ORPHANS: &str = "pre-existing shared memory block";
/// Fast shutdown, then immediate shutdown.
const WAYS_TO_END: [(Signal, Duration); 2] =
    [(Signal::INT, Duration::from_secs(30)), (Signal::QUIT, Duration::from_secs(10))];

/// One server on one cluster.
pub(crate) struct Postgres {
    bin_dir: PathBuf,
    folders: Arc<Folders>,
    durability: Durability,
    running: Option<(Process, Log)>,
}

impl Postgres {
    pub(crate) fn new(bin_dir: PathBuf, folders: Arc<Folders>, durability: Durability) -> Self {
        Self { bin_dir, folders, durability, running: None }
    }

    /// Makes the cluster, its roles and its database, if there is none yet.
    pub(crate) async fn prepare(&self, keeper: &Keeper) -> Result<(), Error> {
        cluster::prepare(self, keeper).await
    }

    /// Returns when the server takes logins; does nothing when it runs.
    pub(crate) async fn start(&mut self, keeper: &Keeper) -> Result<(), Error> {
        if self.pid().is_some() {
            return Ok(());
        }
        self.running = None;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let log = self.folders.log("postgres.log")?;
            let process = keeper.spawn(self.launch(&log)?).await?;
            match self.ready(&process, &log, deadline).await {
                Ok(()) => {
                    self.running = Some((process, log));
                    return Ok(());
                }
                Err(Error::Ended { tail, .. }) if tail.contains(ORPHANS) && Instant::now() < deadline => {
                    sleep(POLL * 10).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        if let Some((process, _)) = self.running.take() {
            process.end(&WAYS_TO_END).await;
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

    async fn ready(&self, process: &Process, log: &Log, deadline: Instant) -> Result<(), Error> {
        let socket = self.folders.postgres_socket();
        while Instant::now() < deadline {
            if process.has_ended() {
                return Err(ended(NAME, process, log).await);
            }
            if timeout(Duration::from_secs(1), takes_logins(&socket)).await.is_ok_and(|answer| answer.unwrap_or(false))
            {
                return Ok(());
            }
            sleep(POLL).await;
        }
        Err(Error::Silent { program: NAME, waited: READY_WITHIN, log: log.path.clone(), tail: log.tail() })
    }

    /// The server on the finished cluster. What is set here cannot be changed by the cluster's own settings.
    fn launch(&self, log: &Log) -> Result<Launch, Error> {
        let mut args: Vec<OsString> = vec!["-D".into(), self.folders.cluster().into()];
        let mut set = |setting: &str| args.extend(["-c".into(), setting.into()]);
        set("listen_addresses=");
        set("port=5432");
        set("unix_socket_permissions=0700");
        let mut sockets = OsString::from("unix_socket_directories=");
        sockets.push(quoted(&self.folders.sockets));
        args.extend(["-c".into(), sockets]);
        args.extend(self.durability_args());
        self.program("postgres", args, log)
    }

    fn durability_args(&self) -> Vec<OsString> {
        match self.durability {
            Durability::Durable => Vec::new(),
            // Commits still reach the kernel before they are acknowledged, or a fault test that kills the server would
            // blame us for what it lost.
            Durability::Throwaway => {
                ["fsync=off", "full_page_writes=off"].iter().flat_map(|setting| ["-c".into(), setting.into()]).collect()
            }
        }
    }

    fn program(&self, name: &str, args: Vec<OsString>, log: &Log) -> Result<Launch, Error> {
        Ok(Launch {
            name: "postgres",
            program: self.bin_dir.join(name),
            args,
            stdin: None,
            log: log.writer()?,
            account: self.folders.account.clone(),
            partings: Partings { orphaned: Signal::INT, dropped: Signal::QUIT },
        })
    }
}

/// How a process ended, with the end of its log.
pub(crate) async fn ended(program: &'static str, process: &Process, log: &Log) -> Error {
    let status = process.ended().await.map_or_else(|| "unknown".to_owned(), |status| status.to_string());
    Error::Ended { program, status, log: log.path.clone(), tail: log.tail() }
}

/// A list of folders is separated by commas, so a name needs quotes, and a quote in it is doubled.
fn quoted(folder: &Path) -> OsString {
    let mut bytes = vec![b'"'];
    for &byte in folder.as_os_str().as_encoded_bytes() {
        bytes.push(byte);
        if byte == b'"' {
            bytes.push(byte);
        }
    }
    bytes.push(b'"');
    OsString::from_vec(bytes)
}

/// Opens a session as far as the question for a password. While it starts, the server answers with an error instead
/// (protocol 3.0: a StartupMessage is answered by `R`, Authentication, or `E`, ErrorResponse).
async fn takes_logins(socket: &Path) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket).await?;
    let parameters = b"user\0postgres\0database\0postgres\0\0";
    let mut message = Vec::with_capacity(64);
    let length = u32::try_from(8 + parameters.len()).expect("a few dozen bytes");
    message.extend(length.to_be_bytes());
    message.extend(196_608_u32.to_be_bytes());
    message.extend(parameters);
    stream.write_all(&message).await?;
    let kind = stream.read_u8().await?;
    // Read to its end, or the server would note a broken connection in its log.
    let rest = u64::from(stream.read_u32().await?).saturating_sub(4);
    let mut rest = stream.take(rest.min(8192));
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(kind == b'R')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_comma_stays_one_folder() {
        assert_eq!(quoted(Path::new("/a,\"b")), "\"/a,\"\"b\"");
    }
}
