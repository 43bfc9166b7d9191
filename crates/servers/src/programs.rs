//! Finds the server programs of this machine: what the caller named, then `PATH`, then the places where distributions keep
//! PostgreSQL outside `PATH`. Nothing is downloaded; what is missing is named together with the command that installs it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Options};

const POSTGRES_MINIMUM: u32 = 14;
const REDIS_MINIMUM: (u32, u32) = (6, 2);

/// Folders whose children are installations of PostgreSQL, one per version: Debian, the PostgreSQL project's RPMs, Homebrew.
const SHELVES: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql"),
    ("/usr/local/opt", "postgresql"),
];

/// What was found.
pub(crate) struct Programs {
    pub(crate) postgres_bin_dir: PathBuf,
    pub(crate) redis_server: PathBuf,
    /// Linux only: it makes the kernel signal a server when we die.
    pub(crate) setpriv: Option<PathBuf>,
}

/// Where to look, and for which PostgreSQL.
pub(crate) struct Search {
    postgres_bin_dir: Option<PathBuf>,
    redis_server: Option<PathBuf>,
    path: Vec<PathBuf>,
    shelves: Vec<(PathBuf, String)>,
    data_dir: PathBuf,
    cluster: Option<u32>,
}

impl Search {
    /// `cluster` is the major version the data in the folder was written by, when there is data.
    pub(crate) fn new(options: &Options, cluster: Option<u32>) -> Self {
        let shelves = SHELVES.map(|(folder, prefix)| (folder.into(), prefix.into()));
        Self {
            postgres_bin_dir: options.postgres_bin_dir.clone(),
            redis_server: options.redis_server.clone(),
            path: env::split_paths(&options.search_path).collect(),
            shelves: shelves.into(),
            data_dir: options.data_dir.clone(),
            cluster,
        }
    }

    /// The first program of one of these names on `PATH`.
    fn on_path(&self, names: &[&str]) -> Option<PathBuf> {
        names
            .iter()
            .flat_map(|name| self.path.iter().map(move |folder| folder.join(name)))
            .find(|program| is_executable(program))
    }

    /// Every folder that may hold PostgreSQL's programs, the most wanted first.
    fn postgres_folders(&self) -> Vec<PathBuf> {
        if let Some(folder) = &self.postgres_bin_dir {
            return vec![folder.clone()];
        }
        let mut folders = self.path.clone();
        folders.extend(self.shelves.iter().flat_map(|(folder, prefix)| shelf(folder, prefix)));
        folders.extend(
            self.on_path(&["pg_config"])
                .and_then(|program| output(&program, "--bindir"))
                .map(|folder| PathBuf::from(folder.trim())),
        );
        folders.retain(|folder| is_executable(&folder.join("postgres")) && is_executable(&folder.join("initdb")));
        folders
    }

    /// The first PostgreSQL that is new enough, or for existing data the first of the same major version.
    fn postgres(&self) -> Result<PathBuf, Error> {
        let found: Vec<(PathBuf, u32)> = self
            .postgres_folders()
            .into_iter()
            .filter_map(|folder| {
                let (major, _) = version(&output(&folder.join("postgres"), "--version")?)?;
                Some((folder, major))
            })
            .collect();
        let fits = |major: u32| match self.cluster {
            Some(cluster) => major == cluster,
            None => major >= POSTGRES_MINIMUM,
        };
        if let Some((folder, _)) = found.iter().find(|(_, major)| fits(*major)) {
            return Ok(folder.clone());
        }
        Err(self.no_postgres(&found))
    }

    fn no_postgres(&self, found: &[(PathBuf, u32)]) -> Error {
        let Some((newest, major)) = found.iter().max_by_key(|(_, major)| *major) else {
            let searched = match &self.postgres_bin_dir {
                Some(folder) => folder.display().to_string(),
                None => format!("PATH and {}", self.shelves[0].0.display()),
            };
            return Error::Missing {
                program: "the PostgreSQL server (14 or newer: postgres, initdb)",
                searched,
                install: self.install("postgresql", "postgresql-server postgresql-contrib"),
            };
        };
        match self.cluster {
            Some(data) => Error::OtherMajor {
                data_dir: self.data_dir.clone(),
                data,
                found: found.iter().map(|(_, major)| major.to_string()).collect::<Vec<_>>().join(", "),
            },
            None => Error::TooOld {
                program: newest.join("postgres"),
                found: major.to_string(),
                needed: "14",
                install: self.install("postgresql", "postgresql-server postgresql-contrib"),
            },
        }
    }

    fn redis(&self) -> Result<PathBuf, Error> {
        let program = match &self.redis_server {
            Some(program) => Some(program.clone()).filter(|program| is_executable(program)),
            None => self.on_path(&["redis-server", "valkey-server"]),
        };
        let found = program.and_then(|program| Some((version(&output(&program, "--version")?)?, program)));
        let Some((version, program)) = found else {
            return Err(Error::Missing {
                program: "the Redis server (6.2 or newer: redis-server or valkey-server)",
                searched: match &self.redis_server {
                    Some(program) => program.display().to_string(),
                    None => "PATH".to_owned(),
                },
                install: self.install("redis-server", "redis"),
            });
        };
        if version < REDIS_MINIMUM {
            return Err(Error::TooOld {
                program,
                found: format!("{}.{}", version.0, version.1),
                needed: "6.2",
                install: self.install("redis-server", "redis"),
            });
        }
        Ok(program)
    }

    /// `setpriv` comes with every Linux but may be left out of small images; other systems do not have it.
    fn setpriv(&self) -> Result<Option<PathBuf>, Error> {
        if !cfg!(target_os = "linux") {
            return Ok(None);
        }
        let usual = Path::new("/usr/bin/setpriv");
        if is_executable(usual) {
            return Ok(Some(usual.to_path_buf()));
        }
        self.on_path(&["setpriv"]).map(Some).ok_or_else(|| Error::Missing {
            program: "setpriv (of util-linux)",
            searched: "PATH".to_owned(),
            install: self.install("util-linux", "util-linux"),
        })
    }

    /// The command that installs a package here.
    fn install(&self, apt: &str, dnf: &str) -> String {
        let has = |name: &str| self.on_path(&[name]).is_some() || is_executable(&Path::new("/usr/bin").join(name));
        if has("apt-get") {
            format!("sudo apt-get install {apt}")
        } else if has("dnf") {
            format!("sudo dnf install {dnf}")
        } else if has("brew") {
            format!("brew install {}", if apt == "postgresql" { "postgresql@17" } else { dnf })
        } else {
            format!("<your package manager> install {apt}")
        }
    }
}

impl Programs {
    pub(crate) fn find(search: &Search) -> Result<Self, Error> {
        Ok(Self { postgres_bin_dir: search.postgres()?, redis_server: search.redis()?, setpriv: search.setpriv()? })
    }
}

/// The `bin` folders of the versions on one shelf, the highest version first.
fn shelf(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix(prefix)?.trim_start_matches(['@', '-']);
            Some((number.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// Major and minor version in what a program prints about itself: "postgres (PostgreSQL) 15.14 (Debian ..)",
/// "Redis server v=7.0.15 sha=..", "Valkey server v=8.1.1 ..", "postgres (PostgreSQL) 18beta1".
fn version(text: &str) -> Option<(u32, u32)> {
    let word = text.split_whitespace().find_map(|word| {
        let word = word.strip_prefix("v=").unwrap_or(word);
        word.starts_with(|c: char| c.is_ascii_digit()).then_some(word)
    })?;
    let mut numbers = word.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let major = numbers.next()?.ok()?;
    let minor = match numbers.next() {
        Some(Ok(minor)) => minor,
        _ => 0,
    };
    Some((major, minor))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// What `program` prints for one argument; `None` when it fails.
fn output(program: &Path, argument: impl AsRef<OsStr>) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;

    /// A folder of its own under the system's temporary folder, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let path = env::temp_dir().join(format!("jf-programs-{:016x}", rand::random::<u64>()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn program(&self, path: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn search(&self) -> Search {
            Search {
                postgres_bin_dir: None,
                redis_server: None,
                path: vec![self.0.join("a"), self.0.join("b")],
                shelves: vec![(self.0.join("shelf"), String::new())],
                data_dir: self.0.join("data"),
                cluster: None,
            }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn versions_are_read_from_what_programs_say() {
        assert_eq!(version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), Some((15, 14)));
        assert_eq!(version("postgres (PostgreSQL) 18beta1"), Some((18, 0)));
        assert_eq!(version("Redis server v=7.0.15 sha=00000000:0 bits=64"), Some((7, 0)));
        assert_eq!(version("Valkey server v=8.1.1 sha=0:0"), Some((8, 1)));
        assert_eq!(version("no number"), None);
    }

    #[test]
    fn the_path_comes_first_and_then_the_highest_version() {
        let scratch = Scratch::new();
        for folder in ["b", "shelf/9/bin", "shelf/15/bin", "shelf/16/bin"] {
            scratch.program(&format!("{folder}/postgres"));
            scratch.program(&format!("{folder}/initdb"));
        }
        // A client package alone is not a server.
        scratch.program("shelf/17/bin/postgres");
        let found = scratch.search().postgres_folders();
        let wanted = ["b", "shelf/16/bin", "shelf/15/bin", "shelf/9/bin"].map(|path| scratch.0.join(path));
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_named_folder_is_the_only_place() {
        let scratch = Scratch::new();
        scratch.program("b/postgres");
        scratch.program("b/initdb");
        let mut search = scratch.search();
        search.postgres_bin_dir = Some(scratch.0.join("nowhere"));
        let error = search.postgres().unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{error}");
        assert!(error.contains("install it with `") && error.contains("postgresql"), "{error}");
    }

    #[test]
    fn valkey_will_do_where_there_is_no_redis() {
        let scratch = Scratch::new();
        scratch.program("a/valkey-server");
        let names = ["redis-server", "valkey-server"];
        assert_eq!(scratch.search().on_path(&names), Some(scratch.0.join("a/valkey-server")));
        scratch.program("b/redis-server");
        assert_eq!(scratch.search().on_path(&names), Some(scratch.0.join("b/redis-server")));
    }

    #[test]
    fn a_machine_without_programs_is_told_what_to_install() {
        let scratch = Scratch::new();
        let search = scratch.search();
        let postgres = search.postgres().unwrap_err().to_string();
        assert!(postgres.starts_with("the PostgreSQL server (14 or newer"), "{postgres}");
        let redis = search.redis().unwrap_err().to_string();
        assert!(redis.contains("was not found in PATH"), "{redis}");
    }
}
