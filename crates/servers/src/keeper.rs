//! The thread that starts the servers and stays alive as long as they may run. Linux signals a child when the *thread* that
//! started it ends, so a thread of an async runtime, which may be retired at any time, cannot be that thread.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::{oneshot, watch};

use crate::Error;
use crate::account::Account;

/// How long a dropped server has to end before it is killed.
const DROP_GRACE: Duration = Duration::from_secs(3);

/// A program to start.
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) stdin: Option<String>,
    pub(crate) log: File,
    pub(crate) account: Option<Account>,
    pub(crate) partings: Partings,
}

/// How a program wants to be told to end when there is nobody left to wait for it.
#[derive(Clone, Copy)]
pub(crate) struct Partings {
    /// Sent by the kernel when this process dies: the orderly way.
    pub(crate) orphaned: Signal,
    /// Sent when it is dropped: the quickest way that loses nothing acknowledged.
    pub(crate) dropped: Signal,
}

type Order = (Launch, oneshot::Sender<Result<Process, Error>>);

/// The starting thread; it ends when this is dropped.
pub(crate) struct Keeper {
    orders: mpsc::Sender<Order>,
}

impl Keeper {
    /// `path` is the `PATH` of the children, whose environment is otherwise empty: a stray `PGPORT` would count.
    pub(crate) fn start(setpriv: Option<PathBuf>, path: OsString) -> Result<Self, Error> {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::Builder::new()
            .name("server-keeper".into())
            .spawn(move || {
                for (launch, reply) in inbox {
                    // Nobody waits any more: the process is dropped with the reply, and so ended.
                    let _ = reply.send(spawn(launch, setpriv.as_deref(), &path));
                }
            })
            .map_err(Error::io("start", Path::new("a thread")))?;
        Ok(Self { orders })
    }

    pub(crate) async fn spawn(&self, launch: Launch) -> Result<Process, Error> {
        let gone = || Error::io("reach", Path::new("the starting thread"))(std::io::ErrorKind::BrokenPipe.into());
        let (reply, answer) = oneshot::channel();
        self.orders.send((launch, reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// A child; ended when dropped.
pub(crate) struct Process {
    pub(crate) pid: u32,
    raw: Pid,
    dropped: Signal,
    exit: watch::Receiver<Option<ExitStatus>>,
    /// Held while a signal is sent and while the child is reaped, so that no signal goes to a number given anew.
    reaped: Arc<Mutex<bool>>,
}

impl Process {
    /// Sends a signal; nothing happens when the process has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // The child is ours and unreaped, so its number is its own; it may be ending just now.
            let _ = kill_process(self.raw, signal);
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> Option<ExitStatus> {
        let mut exit = self.exit.clone();
        // An error means that the waiting thread is gone, and that the child was waited for.
        exit.wait_for(Option::is_some).await.ok().and_then(|status| *status)
    }

    /// Asks for the end in each of these ways, the next when the time of the one before is over, and kills at last.
    pub(crate) async fn end(self, ways: &[(Signal, Duration)]) {
        for (signal, patience) in ways {
            self.signal(*signal);
            if tokio::time::timeout(*patience, self.ended()).await.is_ok() {
                return;
            }
        }
        self.signal(Signal::KILL);
        self.ended().await;
    }

    fn ends_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.has_ended() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        self.signal(self.dropped);
        if !self.ends_within(DROP_GRACE) {
            self.signal(Signal::KILL);
            self.ends_within(DROP_GRACE);
        }
    }
}

fn spawn(launch: Launch, setpriv: Option<&Path>, path: &OsString) -> Result<Process, Error> {
    let name = launch.name;
    let dropped = launch.partings.dropped;
    let program = launch.program.clone();
    let mut child = start(launch, setpriv, path).map_err(Error::io("start", &program))?;
    let raw = Pid::from_child(&child);
    let pid = child.id();
    let (sender, exit) = watch::channel(None);
    let reaped = Arc::new(Mutex::new(false));
    let gate = Arc::clone(&reaped);
    let waiter = thread::Builder::new().name(format!("{name}-waiter")).spawn(move || {
        // Waits without reaping, so that the gate is closed only for the moment of the reaping itself.
        while matches!(
            waitid(WaitId::Pid(raw), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT),
            Err(rustix::io::Errno::INTR)
        ) {}
        let mut reaped = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let status = child.wait().unwrap_or_default();
        *reaped = true;
        drop(reaped);
        sender.send_replace(Some(status));
    });
    waiter.map_err(Error::io("start", Path::new("a thread")))?;
    Ok(Process { pid, raw, dropped, exit, reaped })
}

fn start(launch: Launch, setpriv: Option<&Path>, path: &OsString) -> std::io::Result<Child> {
    let mut command = match setpriv {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", signal_name(launch.partings.orphaned), "--"]).arg(&launch.program);
            command
        }
        None => Command::new(&launch.program),
    };
    command
        .args(&launch.args)
        .env_clear()
        .env("PATH", path)
        .env("LC_ALL", "C")
        .current_dir("/")
        // A group of its own: Ctrl-C in the terminal reaches us, and we end the servers in good order.
        .process_group(0)
        .stdin(if launch.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(launch.log.try_clone()?)
        .stderr(launch.log);
    if let Some(account) = &launch.account {
        command.uid(account.uid).gid(account.gid);
    }
    let mut child = command.spawn()?;
    if let (Some(text), Some(mut stdin)) = (launch.stdin, child.stdin.take()) {
        // A child that ends before it has read says so by its status.
        let _ = stdin.write_all(text.as_bytes());
    }
    Ok(child)
}

/// The names `setpriv` knows.
fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::INT => "INT",
        Signal::QUIT => "QUIT",
        _ => "TERM",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;

    fn shell(script: &str) -> Launch {
        Launch {
            name: "sh",
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            stdin: None,
            log: File::options().write(true).open("/dev/null").unwrap(),
            account: None,
            partings: Partings { orphaned: Signal::TERM, dropped: Signal::TERM },
        }
    }

    fn keeper() -> Keeper {
        Keeper::start(None, "/usr/bin:/bin".into()).unwrap()
    }

    #[tokio::test]
    async fn the_status_of_a_child_is_told() {
        let process = keeper().spawn(shell("exit 7")).await.unwrap();
        assert_eq!(process.ended().await.unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn a_deaf_child_is_killed_in_the_end() {
        let keeper = keeper();
        let deaf = "trap '' TERM INT; while :; do read -r _ < /dev/null; done";
        let process = keeper.spawn(shell(deaf)).await.unwrap();
        let exit = process.exit.clone();
        process.end(&[(Signal::INT, Duration::from_millis(50))]).await;
        assert!(exit.borrow().is_some());
    }

    #[tokio::test]
    async fn a_dropped_child_ends() {
        let process = keeper().spawn(shell("exec sleep 1000")).await.unwrap();
        let exit = process.exit.clone();
        drop(process);
        assert!(exit.borrow().is_some());
    }
}
