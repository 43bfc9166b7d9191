//! Makes the cluster: `initdb` with passwords and checksums, settings for a mirror on a laptop, two roles, one database, three
//! extensions. It is made under another name and renamed when whole, so a crash half-way leaves nothing to repair.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::{Postgres, ended};
use crate::folders::Log;
use crate::keeper::{Keeper, Launch};
use crate::secrets::write_private;
use crate::{Durability, Error};

/// Settings that suit a mirror on one machine; `ALTER SYSTEM` still wins over them. Failing statements and the values in
/// them stay out of the log: they may be somebody's mail.
const SETTINGS: &str = "\
max_connections = 100
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_min_error_statement = panic
log_error_verbosity = terse
";

/// Begins the name of a cluster that is not whole yet.
const UNFINISHED: &str = "postgres.new-";

/// Does nothing when the cluster exists.
pub(super) async fn prepare(postgres: &Postgres, keeper: &Keeper) -> Result<(), Error> {
    let folders = &postgres.folders;
    sweep(&folders.data_dir);
    if folders.cluster().join("PG_VERSION").exists() {
        return Ok(());
    }
    // A new name each time: the programs of an attempt that was killed may still be writing for a moment.
    let unfinished = folders.data_dir.join(format!("{UNFINISHED}{:08x}", rand::random::<u32>()));
    folders.make_for_server(&unfinished)?;
    let log = folders.log("initdb.log")?;
    let maker = Maker { postgres, keeper, log: &log, cluster: &unfinished };
    maker.initialise().await?;
    maker.configure().await?;
    maker.fill().await?;
    fs::rename(&unfinished, folders.cluster()).map_err(Error::io("rename", &unfinished))?;
    sync_folder(&folders.data_dir)
}

struct Maker<'a> {
    postgres: &'a Postgres,
    keeper: &'a Keeper,
    log: &'a Log,
    cluster: &'a Path,
}

impl Maker<'_> {
    async fn initialise(&self) -> Result<(), Error> {
        let folders = &self.postgres.folders;
        let password_file = folders.sockets.join("password");
        write_private(&password_file, folders.secrets.superuser.as_bytes())?;
        folders.give(&password_file)?;
        // macOS has no C.UTF-8.
        let locale = if cfg!(target_os = "macos") { "--locale=C" } else { "--locale=C.UTF-8" };
        let mut args: Vec<OsString> = [
            "--username=postgres",
            "--auth-local=scram-sha-256",
            "--auth-host=scram-sha-256",
            "--data-checksums",
            "--encoding=UTF8",
            locale,
        ]
        .map(OsString::from)
        .into();
        if self.postgres.durability == Durability::Throwaway {
            args.push("--no-sync".into());
        }
        args.extend(["--pwfile".into(), password_file.clone().into(), "-D".into(), self.cluster.into()]);
        let done = self.run("initdb", self.postgres.program("initdb", args, self.log)?).await;
        fs::remove_file(&password_file).map_err(Error::io("remove", &password_file))?;
        done
    }

    /// Puts the settings in a file of their own, read by the one `initdb` made.
    async fn configure(&self) -> Result<(), Error> {
        let mut settings = SETTINGS.to_owned();
        for setting in ["default_toast_compression", "wal_compression"] {
            // lz4 is a choice of whoever built PostgreSQL, and for the write-ahead log new in 15.
            if self.understands(setting, "lz4").await? {
                settings.push_str(&format!("{setting} = lz4\n"));
            }
        }
        let path = self.cluster.join("jirafleet.conf");
        write_private(&path, settings.as_bytes())?;
        self.postgres.folders.give(&path)?;
        let main = self.cluster.join("postgresql.conf");
        OpenOptions::new()
            .append(true)
            .open(&main)
            .and_then(|mut file| file.write_all(b"\ninclude 'jirafleet.conf'\n"))
            .map_err(Error::io("write", &main))
    }

    /// Roles, database and extensions, in PostgreSQL's single-user mode: no server, no socket, no password on the way.
    async fn fill(&self) -> Result<(), Error> {
        let mut args: Vec<OsString> = vec!["--single".into(), "-D".into(), self.cluster.into()];
        for setting in ["exit_on_error=on", "log_checkpoints=off"] {
            args.extend(["-c".into(), setting.into()]);
        }
        args.extend(self.postgres.durability_args());
        args.push("template1".into());
        let mut launch = self.postgres.program("postgres", args, self.log)?;
        launch.stdin = Some(self.statements());
        self.run("postgres --single", launch).await
    }

    /// One statement per line. Extensions go to `template1`, so that every database made later has them.
    fn statements(&self) -> String {
        let secrets = &self.postgres.folders.secrets;
        format!(
            "CREATE EXTENSION pg_trgm\n\
             CREATE EXTENSION btree_gin\n\
             CREATE EXTENSION \"uuid-ossp\"\n\
             CREATE ROLE jirafleet_owner LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS PASSWORD '{}'\n\
             CREATE ROLE jirafleet LOGIN NOCREATEROLE NOCREATEDB NOSUPERUSER NOBYPASSRLS PASSWORD '{}'\n\
             CREATE DATABASE jirafleet OWNER jirafleet_owner\n",
            secrets.owner, secrets.app
        )
    }

    async fn understands(&self, setting: &str, value: &str) -> Result<bool, Error> {
        let args = vec![
            "-D".into(),
            self.cluster.into(),
            "-c".into(),
            format!("{setting}={value}").into(),
            "-C".into(),
            setting.into(),
        ];
        let mut launch = self.postgres.program("postgres", args, self.log)?;
        let nowhere = Path::new("/dev/null");
        launch.log = File::options().write(true).open(nowhere).map_err(Error::io("open", nowhere))?;
        let process = self.keeper.spawn(launch).await?;
        Ok(process.ended().await.is_some_and(|status| status.success()))
    }

    async fn run(&self, name: &'static str, launch: Launch) -> Result<(), Error> {
        let process = self.keeper.spawn(launch).await?;
        if process.ended().await.is_some_and(|status| status.success()) {
            return Ok(());
        }
        Err(ended(name, &process, self.log).await)
    }
}

/// Removes what attempts that were killed have left; what cannot be removed now is removed the next time.
fn sweep(data_dir: &Path) {
    for entry in fs::read_dir(data_dir).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::debug!(path = %entry.path().display(), error.code = "servers.files", error = %error, "an unfinished cluster stays for now");
        }
    }
}

/// Makes a rename last.
fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", folder))
}
