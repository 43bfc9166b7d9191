//! What can keep the private servers from running, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the private servers do not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has the data folder.
    #[error("{} is in use by process {pid}: stop that one, or choose another --data-dir", .data_dir.display())]
    Held {
        /// The holder; 0 when it has not written its number yet.
        pid: u32,
        /// The folder both want.
        data_dir: PathBuf,
    },
    /// A program is not on this machine.
    #[error("{program} was not found in {searched}: install it with `{install}`")]
    Missing {
        /// What was looked for, with the lowest version that will do.
        program: &'static str,
        /// The places, in the order of the search.
        searched: String,
        /// A command line that installs it here.
        install: String,
    },
    /// A program is there, but too old.
    #[error("{} is version {found}, and {needed} or newer is needed: install a newer one with `{install}`", .program.display())]
    TooOld {
        /// The newest that was found.
        program: PathBuf,
        /// Its version.
        found: String,
        /// The lowest that will do.
        needed: &'static str,
        /// A command line that installs it here.
        install: String,
    },
    /// The data was written by another major version of PostgreSQL.
    #[error(
        "{} holds data of PostgreSQL {data}, and only {found} is installed: install PostgreSQL {data}, or choose another --data-dir",
        .data_dir.display()
    )]
    OtherMajor {
        /// The data folder.
        data_dir: PathBuf,
        /// Version of the data.
        data: u32,
        /// Versions of the programs.
        found: String,
    },
    /// Root starts the servers as another account, and that one cannot get to the data.
    #[error(
        "PostgreSQL refuses to run as root, so it runs as `{account}`, and that account may not enter {}: \
         choose another --data-dir, for example /var/lib/jirafleet, or run this as an ordinary user",
        .folder.display()
    )]
    Unreachable {
        /// The unprivileged account.
        account: String,
        /// The first folder it may not enter.
        folder: PathBuf,
    },
    /// Root has no unprivileged account to start the servers as.
    #[error(
        "PostgreSQL refuses to run as root, and /etc/passwd has neither `postgres` nor `nobody`: run this as an ordinary user"
    )]
    NoAccount,
    /// The data folder is not one this program made, or is damaged.
    #[error("{}: {what}; choose another --data-dir, or move that one away", .path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A server, or a program that prepares it, ended when it should not have.
    #[error("{program} ended ({status}); the end of {}:\n{tail}", .log.display())]
    Ended {
        /// Which.
        program: &'static str,
        /// How it ended.
        status: String,
        /// Its whole log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A server runs but does not answer.
    #[error("{program} did not answer within {} s; the end of {}:\n{tail}", .waited.as_secs(), .log.display())]
    Silent {
        /// Which.
        program: &'static str,
        /// How long was waited.
        waited: Duration,
        /// Its whole log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A server of an earlier run does not go away.
    #[error("{program} of an earlier run (process {pid}) does not stop: end it, then start again")]
    Lingering {
        /// Which.
        program: &'static str,
        /// Its process.
        pid: u32,
    },
    /// The file system or the kernel said no.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    /// The exit code for a command that cannot go on: 69, service unavailable (`EX_UNAVAILABLE`).
    pub const EXIT_CODE: u8 = 69;

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }
}
