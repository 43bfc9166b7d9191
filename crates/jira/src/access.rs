//! Where questions go and what they carry: the site itself or Atlassian's gateway, with the credentials that it takes.
//!
//! Addresses are written as the site's own, as Jira writes them in its answers, and re-rooted on their way out.

mod refresh;

use base64::{Engine, prelude::BASE64_STANDARD};
use domain::Invalid;
use reqwest::{Url, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};

use crate::{
    Atlassian, Credentials, Error, answer, error::Asked, identity, lenient, retry::Failure, transfer::transfer,
};

use refresh::Held;
pub(crate) use refresh::Shown;

/// More than this no description of a site has, nor a pair of tokens.
const SMALL: usize = 64 << 10;

/// The only path of the gateway that belongs to no site.
pub(crate) const RESOURCES: &str = "/oauth/token/accessible-resources";

/// The way in.
pub(crate) struct Access {
    credentials: Credentials,
    site: Url,
    gateway: Url,
    auth: Url,
    cloud: OnceCell<String>,
    held: Mutex<Held>,
    /// Who we are among those who refresh.
    holder: String,
}

/// What one question carries.
pub(crate) struct Pass {
    pub(crate) authorization: HeaderValue,
    /// The site's id at the gateway; none at the site itself.
    cloud: Option<String>,
    /// Of the grant.
    version: Option<u64>,
}

impl Access {
    pub(crate) fn new(site: &str, credentials: Credentials, atlassian: &Atlassian) -> Result<Self, Error> {
        let address = |what: &str, text: &str| {
            Url::parse(text).map_err(|error| Error::from(Invalid::new(what, format!("is no address: {error}"))))
        };
        Ok(Self {
            credentials,
            site: address("the site", site)?,
            gateway: address("the gateway", &atlassian.gateway)?,
            auth: address("the auth server", &atlassian.auth)?,
            cloud: OnceCell::new(),
            held: Mutex::default(),
            holder: format!("{:016x}", rand::random::<u64>()),
        })
    }

    /// The address of a path of this site.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.site.clone();
        url.set_path(path);
        url
    }

    /// Where the gateway lists the sites of a grant.
    pub(crate) fn resources(&self) -> Url {
        let mut url = self.gateway.clone();
        url.set_path(RESOURCES);
        url
    }

    /// What to carry now. Asks for the site's id and for tokens where that is needed.
    pub(crate) async fn pass(&self, http: &reqwest::Client, asked: &Asked) -> Result<Pass, Failure> {
        match &self.credentials {
            Credentials::Basic { email, token } => {
                Ok(Pass { authorization: basic(email, token).map_err(Failure::Final)?, cloud: None, version: None })
            }
            Credentials::Scoped { email, token } => {
                let cloud = Some(self.cloud_id(http, asked).await?.to_owned());
                Ok(Pass { authorization: basic(email, token).map_err(Failure::Final)?, cloud, version: None })
            }
            Credentials::OAuth(app) => {
                let cloud = Some(self.cloud_id(http, asked).await?.to_owned());
                let grant = self.grant(http, app, asked).await?;
                let authorization =
                    secret(&format!("Bearer {}", grant.access.expose_secret())).map_err(Failure::Final)?;
                Ok(Pass { authorization, cloud, version: Some(grant.version) })
            }
        }
    }

    /// After a 401: whether there are other tokens now, so that asking once more may help.
    pub(crate) async fn renew(&self, http: &reqwest::Client, pass: &Pass, asked: &Asked) -> Result<bool, Failure> {
        match (&self.credentials, pass.version) {
            (Credentials::OAuth(app), Some(version)) => self.replace(http, app, version, asked).await.map(|()| true),
            _ => Ok(false),
        }
    }

    /// The address as it is asked. Nothing of ours is ever carried to another host.
    pub(crate) fn rooted(&self, url: &Url, pass: &Pass) -> Result<Url, Error> {
        let root = pass.cloud.as_ref().map(|cloud| format!("/ex/jira/{cloud}"));
        let is_rooted = |root: &String| {
            let path = url.path().strip_prefix(root.as_str());
            path.is_some_and(|path| path.starts_with('/')) || url.path() == RESOURCES
        };
        if url.origin() == self.gateway.origin() && root.as_ref().is_some_and(is_rooted) {
            return Ok(url.clone());
        }
        if url.origin() != self.site.origin() {
            return Err(Error::malformed("a link leads to another host"));
        }
        let Some(root) = root else { return Ok(url.clone()) };
        let mut rooted = self.gateway.clone();
        rooted.set_path(&format!("{root}{}", url.path()));
        rooted.set_query(url.query());
        Ok(rooted)
    }

    /// The site's id, asked for once. Everybody may know it.
    pub(crate) async fn cloud_id(&self, http: &reqwest::Client, asked: &Asked) -> Result<&str, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct TenantInfo {
            #[serde(default, deserialize_with = "lenient::text")]
            cloud_id: Option<String>,
        }
        let ask = || async {
            let asked = Asked { route: "/_edge/tenant_info", ..asked.clone() };
            let raw = transfer(http.get(self.at("/_edge/tenant_info")), asked, SMALL).await?;
            if raw.status.is_server_error() {
                return Err(answer::unavailable(raw.asked, raw.status, &raw.text, None));
            }
            answer::of_jira(&raw.asked, raw.status, answer::content_type(&raw.headers).as_deref(), &raw.text)?;
            let info = serde_json::from_str::<TenantInfo>(&raw.text).ok().and_then(|info| info.cloud_id);
            let is_id = |id: &String| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            let missing =
                || Failure::Final(Error::malformed("a site's description without its cloud id").about(&raw.asked));
            info.filter(is_id).ok_or_else(missing)
        };
        self.cloud.get_or_try_init(ask).await.map(String::as_str)
    }

    /// The sentence for an operator when these credentials are not taken.
    pub(crate) fn refused(&self, reason: &str) -> String {
        match &self.credentials {
            Credentials::OAuth(_) => identity::grant_refused(reason),
            _ => identity::refused(reason),
        }
    }
}

fn basic(email: &str, token: &SecretString) -> Result<HeaderValue, Error> {
    secret(&format!("Basic {}", BASE64_STANDARD.encode(format!("{email}:{}", token.expose_secret()))))
}

/// A header that is never printed.
fn secret(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Invalid::new("the token", "holds characters that HTTP cannot carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let credentials = Credentials::Scoped { email: "bot@example.com".into(), token: "t".to_owned().into() };
        Access::new("https://acme.atlassian.net", credentials, &Atlassian::default()).expect("addresses")
    }

    fn rooted(link: &str, cloud: Option<&str>) -> Result<String, Error> {
        let pass =
            Pass { authorization: HeaderValue::from_static("x"), cloud: cloud.map(str::to_owned), version: None };
        access().rooted(&Url::parse(link).expect("an address"), &pass).map(String::from)
    }

    #[test]
    fn links_of_the_site_are_followed_through_the_gateway() {
        let link = "https://acme.atlassian.net/rest/api/3/worklog/updated?since=1";
        assert_eq!(rooted(link, None).expect("ours"), link);
        let through = "https://api.atlassian.com/ex/jira/c-1/rest/api/3/worklog/updated?since=1";
        assert_eq!(rooted(link, Some("c-1")).expect("ours"), through);
        assert_eq!(rooted(through, Some("c-1")).expect("ours"), through);
    }

    #[test]
    fn credentials_go_to_no_other_host() {
        for link in [
            "https://acme.atlassian.net.evil.example/x",
            "http://acme.atlassian.net/x",
            "https://acme.atlassian.net:8443/",
        ] {
            assert!(rooted(link, Some("c-1")).is_err() && rooted(link, None).is_err(), "{link}");
        }
        let other = "https://api.atlassian.com/ex/jira/c-12/rest/api/3/field";
        assert!(rooted(other, Some("c-1")).is_err(), "another site of the gateway's");
        assert!(
            rooted("https://api.atlassian.com/ex/jira/c-1/x", None).is_err(),
            "a token of the site's is not the gateway's"
        );
    }
}
