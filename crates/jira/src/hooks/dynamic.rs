//! Webhooks that an OAuth app registers for itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Client, Error, budget::Verb, lenient, paging::Listing, reference::read, request::Request};

const PATH: &str = "/rest/api/3/webhook";
const ROUTE: &str = "/webhook";

/// What one dynamic webhook listens for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DynamicWebhook {
    /// Such as `jira:issue_updated`.
    pub events: Vec<String>,
    /// Needed; only simple clauses are taken, such as `project in (ACME)`.
    pub jql_filter: String,
}

/// A dynamic webhook as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredWebhook {
    /// Jira's number.
    pub id: i64,
    /// Which events are sent.
    pub events: Vec<String>,
    /// About which issues.
    pub jql_filter: String,
    /// When it dies, unless it is refreshed.
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registration<'a> {
    url: &'a str,
    webhooks: &'a [DynamicWebhook],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ids<'a> {
    webhook_ids: &'a [i64],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Results {
    webhook_registration_result: Option<Vec<RegistrationResult>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegistrationResult {
    #[serde(default, deserialize_with = "lenient::id")]
    created_webhook_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::part")]
    errors: Option<Vec<String>>,
}

impl Client {
    /// Registers dynamic webhooks at one address, which is the app's only one. The results are in their order: each has
    /// Jira's number, or its reasons against it.
    pub async fn register_dynamic_webhooks(
        &self,
        url: &str,
        webhooks: &[DynamicWebhook],
    ) -> Result<Vec<Result<i64, Vec<String>>>, Error> {
        let settle = "to find out, list the dynamic webhooks";
        let request = Request::once(Verb::Post, self.at(PATH), ROUTE, settle);
        let answer = self.send(request.saying(&Registration { url, webhooks })?).await?;
        let results: Results = answer.read("the webhooks that were registered")?;
        let results = results.webhook_registration_result.unwrap_or_default();
        if results.len() != webhooks.len() {
            return Err(answer.malformed("another number of results than of webhooks"));
        }
        let result = |result: RegistrationResult| {
            result.created_webhook_id.ok_or_else(|| result.errors.unwrap_or_else(|| vec!["no reason given".to_owned()]))
        };
        Ok(results.into_iter().map(result).collect())
    }

    /// The dynamic webhooks of this app and account, expired ones too.
    pub async fn dynamic_webhooks(&self) -> Result<Vec<RegisteredWebhook>, Error> {
        let listing = Listing { route: ROUTE, path: PATH, parameters: &[], size: 100, lists: &["values"] };
        self.all(&listing, registered).await
    }

    /// Lets dynamic webhooks live for another thirty days; says until when.
    pub async fn refresh_dynamic_webhooks(&self, ids: &[i64]) -> Result<DateTime<Utc>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Refreshed {
            #[serde(default, deserialize_with = "lenient::time")]
            expiration_date: Option<DateTime<Utc>>,
        }
        let url = self.at("/rest/api/3/webhook/refresh");
        let request = Request::repeatable(Verb::Put, url, "/webhook/refresh", &Ids { webhook_ids: ids })?;
        let answer = self.send(request).await?;
        let refreshed: Refreshed = answer.read("the webhooks' new end")?;
        refreshed.expiration_date.ok_or_else(|| answer.malformed("webhooks that were refreshed without a new end"))
    }

    /// Removes dynamic webhooks. Those that are gone are removed.
    pub async fn delete_dynamic_webhooks(&self, ids: &[i64]) -> Result<(), Error> {
        let request = Request::repeatable(Verb::Delete, self.at(PATH), ROUTE, &Ids { webhook_ids: ids })?;
        self.send(request).await.map(|_| ())
    }
}

fn registered(raw: &RawValue) -> Result<RegisteredWebhook, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        #[serde(default, deserialize_with = "lenient::id")]
        id: Option<i64>,
        #[serde(default, deserialize_with = "lenient::part")]
        events: Option<Vec<String>>,
        #[serde(default, deserialize_with = "lenient::text")]
        jql_filter: Option<String>,
        #[serde(default, deserialize_with = "lenient::time")]
        expiration_date: Option<DateTime<Utc>>,
    }
    let wire: Wire = read(raw, "a dynamic webhook")?;
    Ok(RegisteredWebhook {
        id: wire.id.ok_or_else(|| Error::malformed("a dynamic webhook without its number"))?,
        events: wire.events.unwrap_or_default(),
        jql_filter: wire.jql_filter.unwrap_or_default(),
        expires_at: wire.expiration_date,
    })
}
