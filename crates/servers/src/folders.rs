//! The data folder: who has it, what is in it, and whom its parts belong to.
//!
//! `lock` · `secrets.json` · `postgres/` the cluster · `redis/` its append-only log · `run/` the sockets · `log/`.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::account::{self, Account};
use crate::secrets::Secrets;
use crate::{Error, Options};

/// The shortest that the systems allow for a socket's path (macOS 104 with the closing zero; Linux 108).
const SOCKET_PATH_MAX: usize = 103;
const POSTGRES_SOCKET: &str = ".s.PGSQL.5432";
/// A log larger than this is set aside when its server starts.
const LOG_MAX: u64 = 16 << 20;
const TAIL_LINES: usize = 15;

/// A data folder that is ours as long as this lives.
pub(crate) struct Folders {
    pub(crate) data_dir: PathBuf,
    pub(crate) sockets: PathBuf,
    pub(crate) secrets: Secrets,
    pub(crate) account: Option<Account>,
    _lock: File,
}

impl Folders {
    /// Makes what is missing, takes the lock, and refuses a folder that the servers could not use.
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        let account = Account::for_servers()?;
        let data_dir = make_data_dir(&options.data_dir)?;
        if let Some(account) = &account {
            account.must_reach(&data_dir)?;
        }
        let lock = take_lock(&data_dir)?;
        let mut secrets = open_secrets(&data_dir)?;
        let sockets = place_for_sockets(&data_dir, &mut secrets, &options.temp_dir)?;
        let folders = Self { sockets, secrets, account, data_dir, _lock: lock };
        make_private(&folders.data_dir.join("log"), None)?;
        folders.make_for_server(&folders.sockets)?;
        folders.make_for_server(&folders.redis())?;
        Ok(folders)
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        self.data_dir.join("postgres")
    }

    pub(crate) fn redis(&self) -> PathBuf {
        self.data_dir.join("redis")
    }

    pub(crate) fn postgres_socket(&self) -> PathBuf {
        self.sockets.join(POSTGRES_SOCKET)
    }

    pub(crate) fn redis_socket(&self) -> PathBuf {
        self.sockets.join("redis.sock")
    }

    /// Makes a folder that only the servers' account can enter, or checks that it is one.
    pub(crate) fn make_for_server(&self, folder: &Path) -> Result<(), Error> {
        make_private(folder, self.account.as_ref())
    }

    /// Gives a file to the account the servers run as.
    pub(crate) fn give(&self, file: &Path) -> Result<(), Error> {
        match &self.account {
            Some(account) => {
                chown(file, Some(account.uid), Some(account.gid)).map_err(Error::io("change the owner of", file))
            }
            None => Ok(()),
        }
    }

    /// Opens the log of a server for appending.
    pub(crate) fn log(&self, name: &str) -> Result<Log, Error> {
        let path = self.data_dir.join("log").join(name);
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_MAX) {
            fs::rename(&path, path.with_extension("log.old")).map_err(Error::io("rename", &path))?;
        }
        let file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(Error::io("open", &path))?;
        let from = file.metadata().map_err(Error::io("look at", &path))?.len();
        Ok(Log { path, file, from })
    }
}

/// A log file, and where in it the present run begins.
pub(crate) struct Log {
    pub(crate) path: PathBuf,
    file: File,
    from: u64,
}

impl Log {
    /// For a child to write to.
    pub(crate) fn writer(&self) -> Result<File, Error> {
        self.file.try_clone().map_err(Error::io("open", &self.path))
    }

    /// The last lines of the present run.
    pub(crate) fn tail(&self) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.from))?;
            file.read_to_end(&mut bytes)
        });
        if read.is_err() {
            return String::new();
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

/// The major version of PostgreSQL that wrote the data in this folder, if there is data.
pub(crate) fn cluster_version(data_dir: &Path) -> Option<u32> {
    let text = fs::read_to_string(data_dir.join("postgres/PG_VERSION")).ok()?;
    text.trim().parse().ok()
}

/// Makes the data folder and gives its absolute path without symbolic links. Root's is passable for the servers'
/// account, which owns folders in it; a folder that held something else before keeps its mode.
fn make_data_dir(path: &Path) -> Result<PathBuf, Error> {
    let root = account::is_root();
    DirBuilder::new()
        .recursive(true)
        .mode(if root { 0o711 } else { 0o700 })
        .create(path)
        .map_err(Error::io("make", path))?;
    let path = fs::canonicalize(path).map_err(Error::io("look at", path))?;
    let empty = fs::read_dir(&path).map_err(Error::io("read", &path))?.next().is_none();
    if root && empty {
        fs::set_permissions(&path, Permissions::from_mode(0o711)).map_err(Error::io("change the mode of", &path))?;
    }
    Ok(path)
}

/// Holds the folder until the file is dropped, or this process ends in whatever way.
fn take_lock(data_dir: &Path) -> Result<File, Error> {
    let path = data_dir.join("lock");
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // What cannot be read is shown as 0.
            let _ = lock.read_to_string(&mut pid);
            return Err(Error::Held { pid: pid.trim().parse().unwrap_or_default(), data_dir: data_dir.to_path_buf() });
        }
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
    }
    lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(Error::io("write", &path))?;
    Ok(lock)
}

fn open_secrets(data_dir: &Path) -> Result<Secrets, Error> {
    let path = data_dir.join("secrets.json");
    if let Some(secrets) = Secrets::read(&path)? {
        return Ok(secrets);
    }
    if cluster_version(data_dir).is_some() {
        return Err(Error::Damaged { path, what: "the passwords of the database beside it are lost" });
    }
    let secrets = Secrets::new();
    secrets.write(&path)?;
    Ok(secrets)
}

/// `run/` in the data folder, or when that path is too long for a socket a short one in `temp_dir`, remembered in the
/// password file.
fn place_for_sockets(data_dir: &Path, secrets: &mut Secrets, temp_dir: &Path) -> Result<PathBuf, Error> {
    let inside = data_dir.join("run");
    if fits_a_socket(&inside) {
        return Ok(inside);
    }
    // A name nobody can guess, so nobody can have made the folder before us; after a reboot it is simply made again.
    let outside = match &secrets.sockets {
        Some(known) => known.clone(),
        None => temp_dir.join(format!("jirafleet-{:012x}", rand::random::<u64>() >> 16)),
    };
    if secrets.sockets.is_none() {
        secrets.sockets = Some(outside.clone());
        secrets.write(&data_dir.join("secrets.json"))?;
    }
    Ok(outside)
}

fn fits_a_socket(folder: &Path) -> bool {
    folder.join(POSTGRES_SOCKET).as_os_str().len() <= SOCKET_PATH_MAX
}

/// A folder of mode 0700 that belongs to `account`, or to us. Refuses one that belongs to somebody else.
fn make_private(folder: &Path, account: Option<&Account>) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            if let Some(account) = account {
                chown(folder, Some(account.uid), Some(account.gid))
                    .map_err(Error::io("change the owner of", folder))?;
            }
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::io("make", folder)(error)),
    }
    let metadata = fs::symlink_metadata(folder).map_err(Error::io("look at", folder))?;
    let owner = account.map_or(rustix::process::geteuid().as_raw(), |account| account.uid);
    if !metadata.is_dir() || metadata.uid() != owner {
        return Err(Error::Damaged {
            path: folder.to_path_buf(),
            what: "this belongs to another account (was it made by another user, or with sudo?)",
        });
    }
    if metadata.mode() & 0o777 != 0o700 {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(Error::io("change the mode of", folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("jf-folders-{:016x}", rand::random::<u64>()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_short_path_keeps_its_sockets_inside() {
        let data_dir = scratch();
        let mut secrets = Secrets::new();
        let sockets = place_for_sockets(&data_dir, &mut secrets, Path::new("/tmp")).unwrap();
        assert_eq!(sockets, data_dir.join("run"));
        assert!(secrets.sockets.is_none());
        fs::remove_dir_all(data_dir).unwrap();
    }

    #[test]
    fn a_long_path_gets_a_short_one_and_keeps_it() {
        let data_dir = scratch();
        let long = data_dir.join("x".repeat(90));
        fs::create_dir(&long).unwrap();
        let mut secrets = Secrets::new();
        let first = place_for_sockets(&long, &mut secrets, Path::new("/tmp")).unwrap();
        assert!(first.starts_with("/tmp") && fits_a_socket(&first));
        let mut again = Secrets::read(&long.join("secrets.json")).unwrap().unwrap();
        let second = place_for_sockets(&long, &mut again, Path::new("/tmp")).unwrap();
        assert_eq!(first, second);
        fs::remove_dir_all(data_dir).unwrap();
    }

    #[test]
    fn the_second_to_ask_learns_who_was_first() {
        let data_dir = scratch();
        let lock = take_lock(&data_dir).unwrap();
        let Err(Error::Held { pid, .. }) = take_lock(&data_dir) else {
            panic!("the lock was given twice");
        };
        assert_eq!(pid, std::process::id());
        drop(lock);
        take_lock(&data_dir).unwrap();
        fs::remove_dir_all(data_dir).unwrap();
    }

    #[test]
    fn the_passwords_are_only_for_their_owner() {
        let data_dir = scratch();
        let first = open_secrets(&data_dir).unwrap();
        let mode = fs::metadata(data_dir.join("secrets.json")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = open_secrets(&data_dir).unwrap();
        assert!(first.app == second.app && first.app != first.owner && first.app.len() == 48);
        fs::remove_dir_all(data_dir).unwrap();
    }

    #[test]
    fn lost_passwords_are_not_replaced() {
        let data_dir = scratch();
        fs::create_dir(data_dir.join("postgres")).unwrap();
        fs::write(data_dir.join("postgres/PG_VERSION"), "15\n").unwrap();
        assert!(matches!(open_secrets(&data_dir), Err(Error::Damaged { .. })));
        fs::remove_dir_all(data_dir).unwrap();
    }
}
