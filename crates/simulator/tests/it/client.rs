//! A plain client: asks as the service account and hands back status, headers and JSON.

use std::sync::Arc;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use simulator::{Config, Simulator, World};

/// A running site and someone who may ask it.
pub(crate) struct Site {
    pub(crate) simulator: Simulator,
    pub(crate) world: Arc<World>,
    client: reqwest::Client,
    _kept: Kept,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

/// Whatever a test asked, the answers were such as Jira's description has them.
struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        contract::assert_kept();
    }
}

impl Site {
    pub(crate) async fn start(config: Config) -> Self {
        let config = Config {
            observer: config.observer.clone().or_else(|| contract::observer(contract::Judge::Answers)),
            ..config
        };
        let simulator = Simulator::start(config).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { world: simulator.world(), simulator, client, _kept: Kept }
    }

    /// Without credentials.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.simulator.url()))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let config = self.world.config();
        self.bare(method, path).basic_auth(&config.email, Some(&config.token))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        reply(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        reply(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        reply(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        reply(self.request(Method::DELETE, path)).await
    }

    /// The numeric id behind a key, as text.
    pub(crate) fn id(&self, key: &str) -> String {
        self.world.issue_id(key).unwrap().to_string()
    }

    /// One field of an issue, as a direct read shows it.
    pub(crate) async fn field(&self, id: &str, field: &str) -> Value {
        self.get(&format!("/rest/api/3/issue/{id}?fields={field}")).await.json["fields"][field].clone()
    }

    /// One page of a search.
    pub(crate) async fn search(&self, body: Value) -> Reply {
        self.post("/rest/api/3/search/jql", &body).await
    }

    /// Every id a search finds, page by page; `between` runs after each page.
    pub(crate) async fn traverse(&self, jql: &str, page: usize, mut between: impl FnMut(&World)) -> Vec<u64> {
        let (mut found, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut body = json!({"jql": jql, "maxResults": page});
            if let Some(token) = &token {
                body["nextPageToken"] = json!(token);
            }
            let reply = self.search(body).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            found.extend(ids(&reply.json["issues"]));
            token = reply.json["nextPageToken"].as_str().map(str::to_owned);
            assert_eq!(reply.json["isLast"].as_bool().unwrap(), token.is_none());
            if token.is_none() {
                return found;
            }
            between(&self.world);
        }
    }
}

pub(crate) async fn reply(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let json = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    Reply { status, headers, json }
}

/// The ids in a list of issues.
pub(crate) fn ids(issues: &Value) -> Vec<u64> {
    issues.as_array().unwrap().iter().map(|issue| issue["id"].as_str().unwrap().parse().unwrap()).collect()
}

/// A document of one paragraph.
pub(crate) fn doc(words: &str) -> Value {
    let leaf = json!({"type": "text", "text": words});
    json!({"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [leaf]}]})
}
