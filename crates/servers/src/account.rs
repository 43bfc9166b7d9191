//! Who the servers run as. PostgreSQL refuses to run as root, so root hands both servers to an unprivileged account.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Error;

/// An unprivileged account, as `/etc/passwd` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Account {
    /// The account to run the servers as: `None` for an ordinary user, who runs them as itself.
    pub(crate) fn for_servers() -> Result<Option<Self>, Error> {
        if !is_root() {
            return Ok(None);
        }
        let path = Path::new("/etc/passwd");
        let passwd = fs::read_to_string(path).map_err(Error::io("read", path))?;
        ["postgres", "nobody"].iter().find_map(|name| Self::parse(&passwd, name)).map(Some).ok_or(Error::NoAccount)
    }

    fn parse(passwd: &str, name: &str) -> Option<Self> {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Self { name: name.to_owned(), uid, gid })
    }

    /// Refuses when the account may not enter `folder` or one of the folders above it. `folder` must be absolute.
    pub(crate) fn must_reach(&self, folder: &Path) -> Result<(), Error> {
        let mut above: Vec<&Path> = folder.ancestors().collect();
        above.reverse();
        for step in above {
            let metadata = fs::metadata(step).map_err(Error::io("look at", step))?;
            if !self.may_enter(&metadata) {
                return Err(Error::Unreachable { account: self.name.clone(), folder: step.to_path_buf() });
            }
        }
        Ok(())
    }

    fn may_enter(&self, metadata: &Metadata) -> bool {
        let bit = if metadata.uid() == self.uid {
            0o100
        } else if metadata.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\npostgresql:x:7:7::/:/bin/sh\npostgres:x:103:109::/:/bin/sh\n";

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let found = Account::parse(PASSWD, "postgres").map(|account| (account.uid, account.gid));
        assert_eq!(found, Some((103, 109)));
        assert_eq!(Account::parse(PASSWD, "nobody"), None);
    }

    #[test]
    fn the_root_folder_can_be_entered_by_anyone() {
        let account = Account { name: "nobody".into(), uid: 65534, gid: 65534 };
        assert!(account.must_reach(Path::new("/")).is_ok());
    }
}
