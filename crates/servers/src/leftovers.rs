//! What an earlier run may have left behind when it was killed: servers that are still shutting down, and files that claim a
//! process number which since belongs to somebody else.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::{Instant, sleep};

use crate::Error;
use crate::folders::Folders;

/// Higher than any number Linux or macOS gives to a process.
const NOBODY: &str = "4194305";
const POLL: Duration = Duration::from_millis(10);

/// Ends servers of an earlier run in this folder and removes what would keep new ones from starting.
pub(crate) async fn clear(folders: &Folders) -> Result<(), Error> {
    let ways = [(Signal::INT, Duration::from_secs(20)), (Signal::QUIT, Duration::from_secs(10))];
    let cluster = folders.cluster();
    let pid_file = cluster.join("postmaster.pid");
    match end_former("PostgreSQL", &pid_file, &cluster, &ways).await? {
        Former::Stranger => disown(&pid_file)?,
        Former::None => {}
    }
    let ways = [(Signal::TERM, Duration::from_secs(20))];
    let redis = folders.redis();
    end_former("Redis", &redis.join("redis.pid"), &redis, &ways).await?;
    // The folder is locked and no server of it runs, so whatever is in here is stale.
    for entry in fs::read_dir(&folders.sockets).map_err(Error::io("read", &folders.sockets))?.flatten() {
        remove(&entry.path())?;
    }
    Ok(())
}

enum Former {
    /// No process has the number in the file.
    None,
    /// A process has it that is not the server.
    Stranger,
}

/// Ends the server whose number is in `pid_file`, if the process with that number works in `folder`.
async fn end_former(
    program: &'static str,
    pid_file: &Path,
    folder: &Path,
    ways: &[(Signal, Duration)],
) -> Result<Former, Error> {
    let Some(pid) = pid_in(pid_file).filter(|pid| is_alive(*pid)) else {
        return Ok(Former::None);
    };
    let number = pid.as_raw_nonzero().get().unsigned_abs();
    if !works_in(number, folder) {
        return Ok(Former::Stranger);
    }
    tracing::warn!(
        server.name = program,
        process.pid = number,
        "a server of an earlier run is still there and is ended first"
    );
    for (signal, patience) in ways.iter().chain(&[(Signal::KILL, Duration::from_secs(5))]) {
        // It may have ended in this very moment.
        let _ = kill_process(pid, *signal);
        let deadline = Instant::now() + *patience;
        while Instant::now() < deadline {
            if !is_alive(pid) || !works_in(number, folder) {
                return Ok(Former::None);
            }
            sleep(POLL).await;
        }
    }
    Err(Error::Lingering { program, pid: number })
}

/// PostgreSQL refuses to start while any process has the number in its pid file. A number that cannot exist lets it go on
/// to its second check, by the shared memory named in the same file, which finds sessions that outlived their server.
fn disown(pid_file: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(pid_file).map_err(Error::io("read", pid_file))?;
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(pid_file)
        .and_then(|mut file| write!(file, "{NOBODY}\n{rest}"))
        .map_err(Error::io("write", pid_file))
}

fn pid_in(pid_file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

fn is_alive(pid: Pid) -> bool {
    // Forbidden to signal it: it exists and belongs to somebody else.
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// Whether the process is a server of this folder: both servers work in it, and PostgreSQL names it as an argument. A
/// process that has ended and was not reaped works nowhere.
fn works_in(pid: u32, folder: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    if fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder) {
        return true;
    }
    let folder = folder.as_os_str().as_encoded_bytes();
    let command =
        if process.exists() { fs::read(process.join("cmdline")).unwrap_or_default() } else { command_by_ps(pid) };
    command.windows(folder.len()).any(|part| part == folder)
}

/// For systems without `/proc`.
fn command_by_ps(pid: u32) -> Vec<u8> {
    std::process::Command::new("/bin/ps")
        .args(["-ww", "-o", "command=", "-p", &pid.to_string()])
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default()
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;

    #[test]
    fn a_process_works_where_it_works() {
        let here = std::env::current_dir().unwrap();
        assert!(works_in(std::process::id(), &here));
        assert!(!works_in(std::process::id(), Path::new("/no/such/data/folder")));
    }

    #[test]
    fn a_number_that_cannot_exist_is_nobody() {
        let pid = Pid::from_raw(NOBODY.parse().unwrap()).unwrap();
        assert!(!is_alive(pid));
    }

    #[test]
    fn disowning_keeps_the_other_lines() {
        let path = std::env::temp_dir().join(format!("jf-pid-{:016x}", rand::random::<u64>()));
        fs::write(&path, "1\n/data\n1700000000\n").unwrap();
        disown(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "4194305\n/data\n1700000000\n");
        fs::remove_file(path).unwrap();
    }
}
