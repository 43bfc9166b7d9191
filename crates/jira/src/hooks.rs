//! The webhooks of a site: those an administrator has, which last, and those an OAuth app registers, which die silently after
//! thirty days unless they are refreshed.

mod dynamic;

use domain::Invalid;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Client, Error, budget::Verb, lenient, reference::read, request::Request};

pub use dynamic::{DynamicWebhook, RegisteredWebhook};

const ROUTE: &str = "/webhooks/1.0/webhook";
const PATH: &str = "/rest/webhooks/1.0/webhook";

/// A webhook to be registered with an administrator's credentials.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// What administrators see.
    pub name: String,
    /// Where events are sent: https.
    pub url: String,
    /// Such as `jira:issue_updated`.
    pub events: Vec<String>,
    /// Restricts events about issues.
    pub jql: Option<String>,
    /// What deliveries are signed with. Jira never shows it again.
    pub secret: SecretString,
}

/// A webhook of an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Jira's number.
    pub id: i64,
    /// What administrators see.
    pub name: String,
    /// Where events are sent.
    pub url: String,
    /// Which are sent.
    pub events: Vec<String>,
    /// Whether they are.
    pub enabled: bool,
    /// Whether deliveries are signed; nothing where Jira does not say.
    pub signed: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registration<'a> {
    name: &'a str,
    url: &'a str,
    events: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Filters<'a>>,
    exclude_body: bool,
    secret: &'a str,
}

#[derive(Serialize)]
struct Filters<'a> {
    #[serde(rename = "issue-related-events-section")]
    issues: &'a str,
}

impl Client {
    /// Registers a webhook; needs an administrator's credentials.
    pub async fn register_webhook(&self, new: &NewWebhook) -> Result<Webhook, Error> {
        let secret = new.secret.expose_secret();
        // Jira would take it and sign nothing.
        if secret.is_empty() {
            return Err(Invalid::new("the webhook's secret", "must not be empty").into());
        }
        let registration = Registration {
            name: &new.name,
            url: &new.url,
            events: &new.events,
            filters: new.jql.as_deref().map(|issues| Filters { issues }),
            exclude_body: false,
            secret,
        };
        let settle = "to find out, list the webhooks and look for its name and address";
        let request = Request::once(Verb::Post, self.at(PATH), ROUTE, settle).saying(&registration)?;
        let answer = self.send(request).await?;
        answer.tell(webhook(answer.read("a webhook")?))
    }

    /// All webhooks of administrators.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        let answer = self.send(Request::get(self.at(PATH), ROUTE)).await?;
        answer.tell(answer.read::<Vec<&RawValue>>("the webhooks")?.into_iter().map(webhook).collect())
    }

    /// Removes a webhook of an administrator. One that is gone is removed.
    pub async fn delete_webhook(&self, id: i64) -> Result<(), Error> {
        let request = Request::get(self.at(&format!("{PATH}/{id}")), "/webhooks/1.0/webhook/{id}");
        match self.send(request.deleting()).await {
            Err(error) if error.is_absence() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }
}

fn webhook(raw: &RawValue) -> Result<Webhook, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        #[serde(rename = "self", default, deserialize_with = "lenient::text")]
        address: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        name: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        url: Option<String>,
        #[serde(default, deserialize_with = "lenient::part")]
        events: Option<Vec<String>>,
        #[serde(default, deserialize_with = "lenient::flag")]
        enabled: Option<bool>,
        #[serde(default, deserialize_with = "lenient::flag")]
        is_signed: Option<bool>,
    }
    let wire: Wire = read(raw, "a webhook")?;
    let address = wire.address.and_then(|address| Url::parse(&address).ok());
    let id = address.and_then(|address| address.path_segments()?.next_back()?.parse().ok());
    Ok(Webhook {
        id: id.ok_or_else(|| Error::malformed("a webhook without its number"))?,
        name: wire.name.unwrap_or_default(),
        url: wire.url.unwrap_or_default(),
        events: wire.events.unwrap_or_default(),
        enabled: wire.enabled.unwrap_or(true),
        signed: wire.is_signed,
    })
}
