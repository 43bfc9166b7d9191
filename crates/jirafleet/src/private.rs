//! Private servers for `dev` and `demo`: started, migrated, and offered to the chores of the same data directory.

use std::{
    env, fs,
    io::Write,
    os::unix::{fs::OpenOptionsExt, net::UnixStream},
    path::{Path, PathBuf},
};

use rand::Rng;
use serde::{Deserialize, Serialize};
use servers::{Options, PrivateServers};

use crate::{
    config::Resolved,
    exit::{self, Failed},
};

/// What a running `jirafleet dev` offers to chores; kept in its data directory for as long as it runs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) database_url: String,
    pub(crate) owner_url: String,
    pub(crate) redis_url: String,
    pub(crate) master_key_file: PathBuf,
    /// Hosts that instances of this data directory may have although they are plain.
    #[serde(default)]
    pub(crate) insecure_sites: Vec<String>,
}

/// An offer that was found, and in which data directory. One that was killed leaves its offer behind.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) offer: Offer,
    data_dir: PathBuf,
}

/// Private servers, migrated and on offer. The offer is withdrawn when this is dropped, before the servers go.
pub(crate) struct Private {
    offer_file: OfferFile,
    servers: PrivateServers,
    pub(crate) resolved: Resolved,
}

/// Removes the offer when it is dropped.
struct OfferFile(PathBuf);

impl Drop for OfferFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What the `dev` of this data directory (or of the default one) offers, if it has left an offer.
pub(crate) fn offered(data_dir: Option<&Path>) -> Option<Found> {
    let data_dir = data_dir.map(Path::to_path_buf).or_else(default_data_dir)?;
    let offer = serde_json::from_str(&fs::read_to_string(data_dir.join(OFFER)).ok()?).ok()?;
    Some(Found { offer, data_dir })
}

impl Found {
    /// A failure to reach this server, which says what to do where it is an offered one.
    pub(crate) fn explain(&self, url: &str, failed: Failed) -> Failed {
        let offered = [&self.offer.database_url, &self.offer.owner_url, &self.offer.redis_url];
        if failed.code != exit::UNAVAILABLE || self.answers() || !offered.into_iter().any(|offered| offered == url) {
            return failed;
        }
        Failed::new(
            exit::UNAVAILABLE,
            format!(
                "`jirafleet dev` does not run in {}: start it, or name servers with --database-url and --redis-url",
                self.data_dir.display()
            ),
        )
    }

    /// What it offers for a setting.
    pub(crate) fn value(&self, setting: &str) -> Option<String> {
        match setting {
            "database_url" => Some(self.offer.database_url.clone()),
            "redis_url" => Some(self.offer.redis_url.clone()),
            "master_key_file" => Some(self.offer.master_key_file.display().to_string()),
            "allow_insecure_sites" => Some(self.offer.insecure_sites.join(",")).filter(|sites| !sites.is_empty()),
            _ => None,
        }
    }

    /// Where its servers keep everything.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Whether somebody listens at the offered Redis.
    fn answers(&self) -> bool {
        let socket = self.offer.redis_url.strip_prefix("unix://").and_then(|rest| rest.split('?').next());
        socket.is_some_and(|socket| UnixStream::connect(socket).is_ok())
    }
}

/// `$XDG_DATA_HOME/jirafleet`, `~/.local/share/jirafleet`, or for root `/var/lib/jirafleet`.
pub(crate) fn default_data_dir() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).map(PathBuf::from);
    servers::default_data_dir(variable("XDG_DATA_HOME").as_deref(), variable("HOME").as_deref())
}

const OFFER: &str = "offer.json";

impl Private {
    /// Starts the servers in `data_dir`, brings the schema up and leaves the offer.
    pub(crate) async fn start(data_dir: &Path, insecure_sites: Vec<String>) -> Result<Self, Failed> {
        let mut options = Options::new(data_dir);
        if let Some(path) = env::var_os("PATH") {
            options.search_path = path;
        }
        options.temp_dir = env::temp_dir();
        let servers = PrivateServers::start(options).await?;
        let data_dir = servers.data_dir().to_path_buf();
        migration::up(&servers.owner_url()).await?;
        let offer = Offer {
            database_url: servers.app_url(),
            owner_url: servers.owner_url(),
            redis_url: servers.redis_url(),
            master_key_file: master_key(&data_dir)?,
            insecure_sites,
        };
        let offer_file = OfferFile(data_dir.join(OFFER));
        write_private(&offer_file.0, &serde_json::to_string_pretty(&offer).map_err(Failed::bug)?)?;
        Ok(Self { offer_file, servers, resolved: resolved(offer) })
    }

    /// Waits until one of the servers ends without having been asked to.
    pub(crate) async fn failed(&self) -> Failed {
        self.servers.failed().await.into()
    }

    /// Where everything is kept.
    pub(crate) fn data_dir(&self) -> &Path {
        self.servers.data_dir()
    }

    /// Stops both servers in good order.
    pub(crate) async fn stop(self) -> Result<(), Failed> {
        drop(self.offer_file);
        Ok(self.servers.stop().await?)
    }
}

fn resolved(offer: Offer) -> Resolved {
    Resolved {
        database_url: offer.database_url,
        redis_prefix: "jirafleet".to_owned(),
        cache_url: Some(offer.redis_url.clone()),
        redis_url: offer.redis_url,
        master_key_file: offer.master_key_file,
        sites: domain::SiteRules { insecure: offer.insecure_sites },
        atlassian: jira::Atlassian::default(),
        offered: None,
    }
}

/// The data directory's own key, made the first time.
fn master_key(data_dir: &Path) -> Result<PathBuf, Failed> {
    let file = data_dir.join("master.key");
    if !file.exists() {
        write_private(&file, &random_hex(32))?;
    }
    Ok(file)
}

/// Random bytes as hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut random = vec![0_u8; bytes];
    rand::rng().fill_bytes(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(file: &Path, text: &str) -> Result<(), Failed> {
    let draft = file.with_extension("new");
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut out| out.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&draft, file));
    written.map_err(|error| Failed::configuration(format!("{} cannot be written: {error}", file.display())))
}
