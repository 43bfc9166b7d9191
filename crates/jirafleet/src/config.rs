//! Every flag and variable of every process. Nobody else reads the environment.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use domain::{Site, SiteRules};
use jira::Atlassian;
use store::{CacheConfig, MasterKey};

use crate::{
    exit::Failed,
    private::{self, Found},
};

/// Where the servers are and what opens the seals. Whatever is not given is taken from a running `jirafleet dev`.
#[derive(Args, Clone, Default)]
pub(crate) struct Surroundings {
    /// PostgreSQL, as the application's role: postgres://user:password@host/database
    #[arg(long, global = true, env = "JIRAFLEET_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// A file that holds the database's URL.
    #[arg(
        long,
        global = true,
        env = "JIRAFLEET_DATABASE_URL_FILE",
        value_name = "FILE",
        conflicts_with = "database_url"
    )]
    database_url_file: Option<PathBuf>,
    /// Redis: redis://host:6379 or unix:///path/to/socket
    #[arg(long, global = true, env = "JIRAFLEET_REDIS_URL", hide_env_values = true, value_name = "URL")]
    redis_url: Option<String>,
    /// A file that holds Redis's URL.
    #[arg(long, global = true, env = "JIRAFLEET_REDIS_URL_FILE", value_name = "FILE", conflicts_with = "redis_url")]
    redis_url_file: Option<PathBuf>,
    /// What all keys in Redis begin with.
    #[arg(long, global = true, env = "JIRAFLEET_REDIS_PREFIX", default_value = "jirafleet", value_name = "TEXT")]
    redis_prefix: String,
    /// Where rows that are read often are kept for some minutes: another Redis, or `none`; the same one unless given.
    #[arg(long, global = true, env = "JIRAFLEET_CACHE_REDIS_URL", hide_env_values = true, value_name = "URL")]
    cache_redis_url: Option<String>,
    /// 32 random bytes as 64 hexadecimal digits; seals Jira's tokens and webhook secrets at rest. While it is being replaced,
    /// several such lines with the newest first.
    #[arg(long, global = true, env = "JIRAFLEET_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// Hosts (name or name:port, separated by commas) for which plain http and loopback sites are accepted.
    #[arg(long, global = true, env = "JIRAFLEET_ALLOW_INSECURE_SITES", value_delimiter = ',', value_name = "HOSTS")]
    allow_insecure_sites: Vec<String>,
    #[command(flatten)]
    atlassian: AtlassianArgs,
    /// The data directory of the `jirafleet dev` to speak to.
    #[arg(long, global = true, env = "JIRAFLEET_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Where Atlassian's own servers are; elsewhere only with a simulated Jira, hence hidden.
#[derive(Args, Clone, Default)]
pub(crate) struct AtlassianArgs {
    /// In the place of Atlassian's gateway, api.atlassian.com
    #[arg(long, global = true, hide = true, env = "JIRAFLEET_ATLASSIAN_GATEWAY", value_name = "URL")]
    atlassian_gateway: Option<String>,
    /// In the place of Atlassian's authorization server, auth.atlassian.com
    #[arg(long, global = true, hide = true, env = "JIRAFLEET_ATLASSIAN_AUTH", value_name = "URL")]
    atlassian_auth: Option<String>,
}

/// Where a process answers for its health and figures.
#[derive(Args, Clone)]
pub(crate) struct MetricsArgs {
    /// Where /metrics, /healthz and /readyz are answered.
    #[arg(long, env = "JIRAFLEET_METRICS_LISTEN", default_value = "127.0.0.1:9091", value_name = "ADDR")]
    pub(crate) metrics_listen: SocketAddr,
    /// A collector of OpenTelemetry, as in http://127.0.0.1:4318, to which spans are sent over OTLP; none are unless given.
    #[arg(long, env = "JIRAFLEET_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
}

/// Everything resolved: what processes and chores are wired with.
#[derive(Clone)]
pub(crate) struct Resolved {
    pub(crate) database_url: String,
    pub(crate) redis_url: String,
    pub(crate) redis_prefix: String,
    /// `None` for no cache.
    pub(crate) cache_url: Option<String>,
    pub(crate) master_key_file: PathBuf,
    pub(crate) sites: SiteRules,
    pub(crate) atlassian: Atlassian,
    /// The offer that filled the gaps, if there was one.
    pub(crate) offered: Option<Found>,
}

impl Surroundings {
    /// Settles every value: what was given, else what a running `jirafleet dev` offers, else a refusal.
    pub(crate) fn resolve(&self) -> Result<Resolved, Failed> {
        let found = private::offered(self.data_dir.as_deref());
        let offered = found.as_ref().map(|found| &found.offer);
        let database_url = one_of(&self.database_url, &self.database_url_file)?
            .or_else(|| offered.map(|offer| offer.database_url.clone()))
            .ok_or_else(|| missing("database", "--database-url or JIRAFLEET_DATABASE_URL"))?;
        let redis_url = self
            .redis_url_given()?
            .or_else(|| offered.map(|offer| offer.redis_url.clone()))
            .ok_or_else(|| missing("Redis", "--redis-url or JIRAFLEET_REDIS_URL"))?;
        let master_key_file = self
            .master_key_file
            .clone()
            .or_else(|| offered.map(|offer| offer.master_key_file.clone()))
            .ok_or_else(|| missing("master key", "--master-key-file or JIRAFLEET_MASTER_KEY_FILE"))?;
        let mut insecure = self.allow_insecure_sites.clone();
        insecure.extend(offered.map(|offer| offer.insecure_sites.clone()).unwrap_or_default());
        let sites = SiteRules { insecure };
        let redis_prefix = self.redis_prefix.clone();
        let cache_url = self.cache_redis_url.as_ref().unwrap_or(&redis_url);
        let cache_url = (cache_url != "none").then(|| cache_url.clone());
        let atlassian = self.atlassian.resolve(&sites)?;
        Ok(Resolved {
            database_url,
            redis_url,
            redis_prefix,
            cache_url,
            master_key_file,
            sites,
            atlassian,
            offered: found,
        })
    }

    /// The database alone, for the schema's owner.
    pub(crate) fn owner_database(&self) -> Result<String, Failed> {
        if let Some(url) = one_of(&self.database_url, &self.database_url_file)? {
            return Ok(url);
        }
        private::offered(self.data_dir.as_deref())
            .map(|found| found.offer.owner_url)
            .ok_or_else(|| missing("database", "--database-url (of the schema's owner) or JIRAFLEET_DATABASE_URL"))
    }

    /// A failure to reach the server with this URL, which says what to do where `jirafleet dev` had offered it.
    pub(crate) fn explain(&self, url: &str, failed: impl Into<Failed>) -> Failed {
        match private::offered(self.data_dir.as_deref()) {
            Some(found) => found.explain(url, failed.into()),
            None => failed.into(),
        }
    }

    fn redis_url_given(&self) -> Result<Option<String>, Failed> {
        one_of(&self.redis_url, &self.redis_url_file)
    }
}

impl AtlassianArgs {
    /// Held to the rules of sites: our credentials go there.
    pub(crate) fn resolve(&self, rules: &SiteRules) -> Result<Atlassian, Failed> {
        let at = |given: &Option<String>, usual: String| match given {
            Some(text) => Site::parse(text, rules).map(|site| site.as_str().to_owned()),
            None => Ok(usual),
        };
        let usual = Atlassian::default();
        Ok(Atlassian {
            gateway: at(&self.atlassian_gateway, usual.gateway)?,
            auth: at(&self.atlassian_auth, usual.auth)?,
        })
    }
}

impl Resolved {
    /// A failure to reach the server with this URL, which says what to do where `jirafleet dev` had offered it.
    pub(crate) fn explain(&self, url: &str, failed: impl Into<Failed>) -> Failed {
        match &self.offered {
            Some(found) => found.explain(url, failed.into()),
            None => failed.into(),
        }
    }

    /// Where the store keeps what is read often.
    pub(crate) fn cache(&self) -> Option<CacheConfig> {
        let cache = |url: &String| CacheConfig { url: url.clone(), prefix: self.redis_prefix.clone() };
        self.cache_url.as_ref().map(cache)
    }

    /// Reads the key that opens the seals.
    pub(crate) fn master_key(&self) -> Result<MasterKey, Failed> {
        let text = read_secret("master key", &self.master_key_file)?;
        let kept = |key: MasterKey| {
            if self.master_key_file == Path::new("-") { key } else { key.kept_in(&self.master_key_file) }
        };
        MasterKey::from_hex(&text)
            .map(kept)
            .map_err(|error| Failed::configuration(format!("{}: {error}", self.master_key_file.display())))
    }
}

/// Reads a secret from a file, or from standard input when the file is `-`; blanks at its ends do not count.
pub(crate) fn read_secret(what: &str, file: &Path) -> Result<String, Failed> {
    let text =
        if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { fs::read_to_string(file) };
    let text = text.map_err(|error| {
        Failed::configuration(format!("the {what} cannot be read from {}: {error}", file.display()))
    })?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Failed::configuration(format!("the {what} in {} is empty", file.display())));
    }
    Ok(text.to_owned())
}

/// Who is at the command line, for the audit log: the account that called, also behind sudo.
pub(crate) fn operator() -> String {
    let named =
        ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok().filter(|user| !user.is_empty()));
    named.unwrap_or_else(|| "unknown".to_owned())
}

fn one_of(value: &Option<String>, file: &Option<PathBuf>) -> Result<Option<String>, Failed> {
    match (value, file) {
        (Some(value), _) => Ok(Some(value.clone())),
        (None, Some(file)) => read_secret("URL", file).map(Some),
        (None, None) => Ok(None),
    }
}

fn missing(what: &str, how: &str) -> Failed {
    Failed::configuration(format!("no {what} is known: set {how}, or start `jirafleet dev` first"))
}
