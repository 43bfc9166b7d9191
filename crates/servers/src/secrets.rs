//! The passwords of the private servers: made once, kept in a file only its owner can read.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// Four passwords, and the place of the sockets when it is not inside the data folder. No `Debug`, so none is printed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) superuser: String,
    pub(crate) owner: String,
    pub(crate) app: String,
    pub(crate) redis: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sockets: Option<PathBuf>,
}

impl Secrets {
    /// Four new passwords of 192 random bits.
    pub(crate) fn new() -> Self {
        let password = || hex::encode(rand::random::<[u8; 24]>());
        Self { superuser: password(), owner: password(), app: password(), redis: password(), sockets: None }
    }

    /// What `path` holds; `None` when there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|_| Error::Damaged {
            path: path.to_path_buf(),
            what: "this is not the password file of private servers",
        })
    }

    /// Replaces `path` in one step, so a crash leaves the old file or the new one.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::io("write", path)(error.into()))?;
        let beside = path.with_extension("new");
        write_private(&beside, &text)?;
        fs::rename(&beside, path).map_err(Error::io("replace", path))
    }
}

/// Writes a file with mode 0600, anew even when it exists, and waits until it is on disk.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::io("remove", path)(error));
        }
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .map_err(Error::io("write", path))
}
