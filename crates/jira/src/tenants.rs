//! Which site this is in Atlassian's own books, and which sites a grant reaches.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Client, Error, access::RESOURCES, access::Shown, lenient, reference::read, request::Request, retry};

/// A site that an OAuth grant reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its id at the gateway.
    pub cloud_id: String,
    /// Its address.
    pub url: String,
    /// Its name.
    pub name: Option<String>,
    /// What was granted there.
    pub scopes: Vec<String>,
}

impl Client {
    /// The site's id at Atlassian's gateway. Asked once; everybody may know it.
    pub async fn cloud_id(&self) -> Result<String, Error> {
        let (asked, request) = (self.asked("/_edge/tenant_info"), Request::get(self.at("/"), "/_edge/tenant_info"));
        retry::run(self.tries(&request), || async {
            self.inner.access.cloud_id(&self.inner.http, &asked).await.map(str::to_owned)
        })
        .await
    }

    /// Exchanges the code that a person was given for an OAuth app, and stores the tokens in the place of those before. A code
    /// works once and for some minutes, so nothing is tried again; `redirect_uri` is the one that the person was sent to.
    pub async fn authorise(&self, code: &SecretString, redirect_uri: &str) -> Result<(), Error> {
        let code = Shown::AuthorizationCode { code: code.expose_secret(), redirect_uri };
        let asked = self.asked("/oauth/token");
        let given = self.inner.access.authorise(&self.inner.http, code, &asked).await;
        given.map_err(|failure| match failure {
            retry::Failure::Passing { error, .. } | retry::Failure::Final(error) => error,
        })
    }

    /// The sites that the grant reaches. Only OAuth has such a list. Its answer does not say whom it was given to, so it is
    /// proven as others are.
    pub async fn accessible_resources(&self) -> Result<Vec<Resource>, Error> {
        let answer = self.send(Request::get(self.inner.access.resources(), RESOURCES)).await?;
        answer.tell(answer.read::<Vec<&RawValue>>("the accessible sites")?.into_iter().map(resource).collect())
    }
}

fn resource(raw: &RawValue) -> Result<Resource, Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default, deserialize_with = "lenient::text")]
        id: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        url: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        name: Option<String>,
        #[serde(default, deserialize_with = "lenient::part")]
        scopes: Option<Vec<String>>,
    }
    let wire: Wire = read(raw, "an accessible site")?;
    let missing = || Error::malformed("an accessible site without its id or address");
    Ok(Resource {
        cloud_id: wire.id.ok_or_else(missing)?,
        url: wire.url.ok_or_else(missing)?,
        name: wire.name,
        scopes: wire.scopes.unwrap_or_default(),
    })
}
