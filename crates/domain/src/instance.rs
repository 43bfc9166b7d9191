//! Tenants and the Jira sites they registered.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AccountId, InstanceId, TenantId};

/// Something a person gave us that cannot be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {why}", if what.is_empty() { "it" } else { what })]
pub struct Invalid {
    /// What was given: a field's or an option's name; empty for all of it.
    pub what: String,
    /// What it must be instead.
    pub why: String,
}

impl Invalid {
    /// Puts a refusal into words: `what` is the subject of the sentence, `why` the rest.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

/// Who pays for a set of instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// Stable.
    pub id: TenantId,
    /// Unique among tenants.
    pub name: String,
    /// Suspended tenants keep their mirror and get no work done.
    pub suspended: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// One Jira Cloud site registered by a tenant. Its credentials are not in here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Stable; part of every key and unique key.
    pub id: InstanceId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Unique in the whole house, so that operators need not say whose.
    pub name: String,
    /// Where Jira is.
    pub site: Site,
    /// Who we are there, once known: every answer must come from this account.
    pub account: Option<AccountId>,
    /// Whether work is done for it.
    pub state: InstanceState,
    /// How often it is polled.
    #[serde(with = "seconds")]
    #[schema(value_type = u64)]
    pub poll_interval: Duration,
    /// Requests a minute that Jira will take from the whole fleet.
    pub requests_per_minute: u32,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// IANA name of the zone its day is counted in: that of our account's profile there, once known.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// Whether work is done for an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum InstanceState {
    /// It is.
    Active,
    /// An operator said no.
    Paused {
        /// One sentence for the next operator, where there is something to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// We stopped by ourselves; an operator must look.
    Suspended {
        /// One sentence for that operator.
        reason: String,
    },
}

impl InstanceState {
    /// Its stable name in the database and in listings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused { .. } => "paused",
            Self::Suspended { .. } => "suspended",
        }
    }

    /// Why no work is done for it, where that was told.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Active => None,
            Self::Paused { reason } => reason.as_deref(),
            Self::Suspended { reason } => Some(reason),
        }
    }
}

/// A name for a tenant or an instance: what fits a URL's path and a command line without quoting.
pub fn valid_name(what: &str, name: &str) -> Result<(), Invalid> {
    let fits = (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if fits {
        return Ok(());
    }
    Err(Invalid::new(what, "must be 1 to 63 lower-case letters, digits, hyphens or underscores"))
}

/// Where a Jira site is: scheme and host, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Site(String);

/// Which sites may be spoken to without TLS, as `host[:port]`; empty in production.
#[derive(Clone, Debug, Default)]
pub struct SiteRules {
    /// Hosts for which plain http and loopback addresses are accepted.
    pub insecure: Vec<String>,
}

impl Site {
    /// Parses a site's address. Only https to a public name is taken, except for the hosts that `rules` lists: whoever
    /// registers a site decides where our credentials and requests go.
    pub fn parse(text: &str, rules: &SiteRules) -> Result<Self, Invalid> {
        let refuse = |why: &str| Invalid::new(format!("site {:?}", without_login(text)), why);
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| refuse("must start with https://, as in https://acme.atlassian.net"))?;
        let host = rest.trim_end_matches('/');
        if host.is_empty() || host.contains(['/', '?', '#', '@', ' ', '\\']) {
            return Err(refuse(
                "must be a scheme and a host, without a login or a path, as in https://acme.atlassian.net",
            ));
        }
        let host = host.to_ascii_lowercase();
        let listed = rules.insecure.iter().any(|entry| covers(entry, &host));
        match scheme {
            "https" if listed || is_public(&host) => {}
            "http" if listed => {}
            "https" => return Err(refuse("must be a public host name, not an address of an inner network")),
            _ => {
                return Err(refuse(
                    "must use https (plain http only for hosts listed in JIRAFLEET_ALLOW_INSECURE_SITES)",
                ));
            }
        }
        Ok(Self(format!("{scheme}://{host}")))
    }

    /// A site that was checked when it was registered.
    pub fn trusted(text: String) -> Self {
        Self(text)
    }

    /// The address, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What of a refused address may be repeated: scheme and host. A login before the `@`, a path or a query may be secret.
fn without_login(text: &str) -> String {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme)).unwrap_or_default();
    let rest = text.strip_prefix(scheme).unwrap_or(text);
    let host = rest.rsplit('@').next().unwrap_or_default();
    let host = host.split_once("://").map_or(host, |(_, host)| host);
    format!("{scheme}{}", host.split(['/', '?', '#', '\\']).next().unwrap_or_default())
}

/// An entry without a port covers every port of its host.
fn covers(entry: &str, host: &str) -> bool {
    let entry = entry.trim().to_ascii_lowercase();
    entry == host || host.rsplit_once(':').is_some_and(|(name, _)| entry == name)
}

/// A name with a dot that is neither an address nor a name that only means something inside a network.
fn is_public(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    let last = name.rsplit('.').next().unwrap_or_default();
    name.contains('.')
        && !host.starts_with('[')
        && !matches!(last, "local" | "localhost" | "internal" | "lan" | "home" | "arpa")
        && last.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(value.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_sites_are_taken() {
        let rules = SiteRules::default();
        let site = Site::parse("https://Acme.atlassian.net/", &rules).expect("a plain site");
        assert_eq!(site.as_str(), "https://acme.atlassian.net");
        for bad in [
            "acme.atlassian.net",
            "http://acme.atlassian.net",
            "https://127.0.0.1",
            "https://localhost:8080",
            "https://metadata.google.internal",
            "https://[::1]",
            "https://user@acme.atlassian.net",
            "https://acme.atlassian.net/jira",
            "ftp://acme.atlassian.net",
        ] {
            assert!(Site::parse(bad, &rules).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_repeats_no_login() {
        for bad in [
            "http://u:s3cret@jira.example.com",
            "https://u:s3/cret@jira.example.com/",
            "u:s3cret@jira.example.com",
            "u:s3cret@https://jira.example.com/s3cret",
            "https://jira.example.com/?token=s3cret",
        ] {
            let said = Site::parse(bad, &SiteRules::default()).expect_err("a login or a path").to_string();
            assert!(said.contains("jira.example.com") && !said.contains("cret"), "{said}");
        }
    }

    #[test]
    fn listed_hosts_may_be_plain() {
        let rules = SiteRules { insecure: vec!["127.0.0.1".into(), "jira.test:8000".into()] };
        assert!(Site::parse("http://127.0.0.1:4321", &rules).is_ok());
        assert!(Site::parse("http://jira.test:8000", &rules).is_ok());
        assert!(Site::parse("http://jira.test:8001", &rules).is_err());
    }

    #[test]
    fn names_fit_a_path() {
        assert!(valid_name("tenant name", "acme-eu_1").is_ok());
        for bad in ["", "-a", "Acme", "a/b", "a b", "ä"] {
            assert!(valid_name("tenant name", bad).is_err(), "{bad:?}");
        }
    }
}
