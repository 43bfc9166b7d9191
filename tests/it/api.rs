//! REST over real HTTP: every route, every refusal, and pages that can be walked.

mod description;
mod examples;
mod limits;
mod reading;
mod refusals;
mod tenants;
mod timing;
mod tokens;
mod writing;

use std::net::SocketAddr;

use chrono::Utc;
use domain::{Scope, TenantId};
use listener::{Listener, health::Readiness};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use store::{ApiToken, NewApiKey};
use tests::TestFleet;
use tokio_util::sync::CancellationToken;

/// The api of a fleet, and a key to it.
pub(crate) struct Desk {
    pub(crate) fleet: TestFleet,
    pub(crate) address: SocketAddr,
    pub(crate) key: ApiToken,
    pub(crate) client: Client,
    shutdown: CancellationToken,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A gate that counts in the fleet's Redis.
pub(crate) fn gate(fleet: &TestFleet, rates: api::Rates) -> api::Gate {
    api::Gate::new(&fleet.queues.url, &fleet.queues.prefix, rates).unwrap()
}

/// Makes a key of a tenant's.
pub(crate) async fn key(fleet: &TestFleet, tenant: TenantId, scopes: &[Scope]) -> ApiToken {
    let name = format!("key-{}", uuid::Uuid::now_v7());
    let new = NewApiKey {
        name,
        environment: "test".to_owned(),
        scopes: scopes.to_vec(),
        networks: Vec::new(),
        expires_at: None,
    };
    fleet.store.tenant(tenant).create_api_key(new).await.unwrap().1
}

impl Desk {
    /// An api for a fleet whose mirror is full, and a key that is good for everything.
    pub(crate) async fn open() -> Self {
        let fleet = TestFleet::start().await;
        fleet.backfill().await;
        Self::on(fleet).await
    }

    pub(crate) async fn on(fleet: TestFleet) -> Self {
        let gate = gate(&fleet, api::Rates { attempts: 10_000, ..api::Rates::default() });
        Self::behind(fleet, gate).await
    }

    /// The same behind another gate.
    pub(crate) async fn behind(fleet: TestFleet, gate: api::Gate) -> Self {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (address, shutdown) = (listener.local_addr(), CancellationToken::new());
        let api = api::Api {
            listener,
            store: fleet.store.clone(),
            producer: fleet.producer.clone(),
            clients: fleet.clients(),
            readiness: Readiness::new(),
            gate,
        };
        tokio::spawn(api::serve(api, shutdown.clone()));
        let key = key(&fleet, fleet.instance.tenant, &Scope::ALL).await;
        Self { fleet, address, key, client: Client::new(), shutdown }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.ask_with(method, path, &self.key)
    }

    pub(crate) fn ask_with(&self, method: Method, path: &str, key: &ApiToken) -> RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(key.expose())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    /// What a good answer says.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The key of one of the fleet's issues.
    pub(crate) fn some_issue(&self) -> String {
        self.fleet.jira().issue_keys().remove(0)
    }
}

/// Asserts that an answer is a problem document with this status and code, and returns it.
pub(crate) async fn problem(response: Response, status: StatusCode, code: &str) -> Value {
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let found = response.status();
    let body: Value = response.json().await.unwrap();
    assert_eq!((found, body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(kind, "application/problem+json");
    assert_eq!(body["type"], format!("urn:jirafleet:problem:{code}"));
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(body["request_id"], id);
    body
}

/// Another tenant without any site, and a key of its own.
pub(crate) async fn stranger(fleet: &TestFleet) -> ApiToken {
    let tenant = fleet.store.system().create_tenant("globex").await.unwrap();
    key(fleet, tenant.id, &Scope::ALL).await
}

/// Now, for filters.
pub(crate) fn now() -> String {
    Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
