//! This machine: the key's file, open files, room on the disk, and variables that nobody reads.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path};

use rustix::{
    fs::statvfs,
    process::{Resource, getrlimit},
};

use super::finding::Finding;
use crate::{config::Resolved, nearest};

/// What all of ours begin with.
const PREFIX: &str = "JIRAFLEET_";

pub(super) fn look(resolved: &Resolved) -> Vec<Finding> {
    vec![
        key(resolved),
        key_mode(&resolved.master_key_file),
        key_lines(resolved),
        files(getrlimit(Resource::Nofile).current),
        disk(resolved),
        variables(),
    ]
}

fn key(resolved: &Resolved) -> Finding {
    match resolved.master_key() {
        Ok(key) => Finding::ok("key.file", format!("{} holds the key {}", file(resolved), key.names()[0])),
        Err(failed) => {
            let why = "it opens Jira's tokens and webhook secrets; no process starts without it";
            let next = "name its file in --master-key-file; only a new house makes one (openssl rand -hex 32)";
            Finding::failure("key.file", failed, why, next)
        }
    }
}

fn file(resolved: &Resolved) -> String {
    resolved.master_key_file.display().to_string()
}

fn key_mode(file: &Path) -> Finding {
    let check = "key.mode";
    let Ok(about) = fs::metadata(file) else { return Finding::skipped(check, "there is no master key file") };
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Finding::ok(check, format!("{mode:03o}"));
    }
    let why = "other accounts of this machine can read the key to every token";
    Finding::warning(check, format!("{mode:03o}"), why, format!("chmod 600 {}", file.display()))
}

fn key_lines(resolved: &Resolved) -> Finding {
    let check = "key.rotation";
    let Ok(key) = resolved.master_key() else { return Finding::skipped(check, "there is no master key") };
    match key.names().len() {
        1 => Finding::ok(check, "no key is being replaced"),
        keys => {
            let why = "the replacement of the master key is unfinished: an old one still opens what it sealed";
            let next = format!("jirafleet keys rotate, then take the lower lines out of {}", file(resolved));
            Finding::warning(check, format!("{keys} keys are in use"), why, next)
        }
    }
}

/// A gateway holds a socket for each webhook that arrives, and everything one for each server it speaks to.
fn files(limit: Option<u64>) -> Finding {
    let check = "machine.files";
    let Some(limit) = limit else { return Finding::ok(check, "as many as wanted") };
    let found = format!("{limit} may be open at once");
    let why = "connections are files; a gateway without any left takes no webhook";
    let next = "raise the limit (`ulimit -n 65536`, LimitNOFILE= of systemd)";
    match limit {
        ..256 => Finding::failure(check, found, why, next),
        256..1024 => Finding::warning(check, found, why, next),
        _ => Finding::ok(check, found),
    }
}

/// Other servers' disks are theirs to tell of.
fn disk(resolved: &Resolved) -> Finding {
    let check = "machine.disk";
    let Some(data_dir) = resolved.offered.as_ref().map(crate::private::Found::data_dir) else {
        return Finding::skipped(check, "no private servers are used; see what their own machines say");
    };
    let room = match statvfs(data_dir) {
        Ok(room) => room,
        Err(error) => return Finding::skipped(check, format!("{}: {error}", data_dir.display())),
    };
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    let percent = room.f_bavail.saturating_mul(100).checked_div(room.f_blocks).unwrap_or_default();
    judge_disk(check, data_dir, free, percent)
}

fn judge_disk(check: &'static str, data_dir: &Path, free: u64, percent: u64) -> Finding {
    const GIBIBYTE: u64 = 1 << 30;
    let found = format!("{} MiB ({percent} %) are free in {}", free >> 20, data_dir.display());
    let why = "PostgreSQL and Redis stop when they cannot write";
    let next = "make room, or move the data with --data-dir";
    if free < GIBIBYTE / 4 || percent < 1 {
        return Finding::failure(check, found, why, next);
    }
    if free < GIBIBYTE || percent < 5 {
        return Finding::warning(check, found, why, next);
    }
    Finding::ok(check, found)
}

/// Kubernetes gives every pod variables about services, under names that begin with the service's.
fn variables() -> Finding {
    let known = crate::variables();
    let set = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let of_kubernetes = |name: &str| name.contains("_SERVICE_") || name.contains("_PORT");
    let odd: Vec<String> = set
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name) && !of_kubernetes(name))
        .map(|name| match nearest::to(&name, &known) {
            Some(near) => format!("{name} (is {near} meant?)"),
            None => name,
        })
        .collect();
    let check = "machine.variables";
    if odd.is_empty() {
        return Finding::ok(check, "all that begin with JIRAFLEET_ are read");
    }
    let next = "correct or unset them; `jirafleet config show --origin` lists all there are";
    Finding::warning(check, odd.join(", "), "nobody reads them, so what was meant holds not", next)
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn a_full_disk_is_a_failure_before_it_is_full() {
        let state = |free, percent| judge_disk("machine.disk", Path::new("/data"), free, percent).state;
        assert_eq!(state(100 << 30, 50), State::Ok);
        assert_eq!((state(100 << 30, 4), state(900 << 20, 50)), (State::Warning, State::Warning));
        assert_eq!((state(100 << 30, 0), state(100 << 20, 50)), (State::Failure, State::Failure));
    }
}
