//! A scripted site: a handler sees every request and answers as it likes, `/myself` included.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Response, StatusCode},
};
use domain::{AccountId, InstanceId};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{Atlassian, Budgets, Client, ClientConfig, Credentials, budget::Held};

/// What was asked, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) authorization: String,
    pub(super) body: Value,
}

/// A running site and a client of it.
pub(super) struct Site {
    pub(super) client: Client,
    held: Arc<Mutex<Vec<Held>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    address: std::net::SocketAddr,
}

/// How a site answers one request: the number of requests so far, and the request.
pub(super) type Reply = Response<Body>;

impl Site {
    /// Starts a site on a free port of the loopback interface; it ends with the test.
    pub(super) async fn start(reply: impl Fn(usize, &Asked) -> Reply + Clone + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = Arc::clone(&asked);
        let app = Router::new().fallback(move |request: Request| {
            let (log, reply) = (Arc::clone(&log), reply.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
                let authorization = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
                let asked = Asked {
                    method: parts.method.to_string(),
                    authorization: authorization.unwrap_or_default().to_owned(),
                    path: parts.uri.path().to_owned(),
                    query: parts.uri.query().unwrap_or_default().to_owned(),
                    body: serde_json::from_slice(&body).unwrap_or(Value::Null),
                };
                let before = {
                    let mut log = log.lock().expect("no panics while held");
                    log.push(asked.clone());
                    log.len() - 1
                };
                reply(before, &asked)
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (client, held) = client(address, Some("a1"));
        Self { client, held, asked, address }
    }

    /// A client that does not know yet who it is.
    pub(super) fn stranger(&self) -> Client {
        client(self.address, None).0
    }

    /// A client with other limits.
    pub(super) fn client_with(&self, change: impl FnOnce(&mut ClientConfig)) -> Client {
        let mut config = config(self.address, Some("a1"));
        change(&mut config);
        Client::new(config, Budgets::open().0).expect("a client").with_first_wait(Duration::from_millis(1))
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was paused or slowed so far.
    pub(super) fn held(&self) -> Vec<Held> {
        self.held.lock().expect("no panics while held").clone()
    }

    /// Everything that was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panics while held").clone()
    }

    /// How often a path was asked.
    pub(super) fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path.ends_with(path)).count()
    }
}

fn config(address: std::net::SocketAddr, account: Option<&str>) -> ClientConfig {
    ClientConfig {
        instance: InstanceId::generate(),
        site: domain::Site::trusted(format!("http://{address}")),
        credentials: Credentials::Basic { email: "bot@example.com".into(), token: "token".to_owned().into() },
        account: account.map(|account| AccountId(account.to_owned())),
        requests_per_minute: 6000,
        user_agent: "jirafleet/test".into(),
        timeout: Duration::from_secs(5),
        body_cap: 1 << 20,
        atlassian: Atlassian::default(),
    }
}

fn client(address: std::net::SocketAddr, account: Option<&str>) -> (Client, Arc<Mutex<Vec<Held>>>) {
    let (budgets, held) = Budgets::open();
    let client = Client::new(config(address, account), budgets).expect("a client");
    (client.with_first_wait(Duration::from_millis(1)), held)
}

/// An answer with a status and these headers.
pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let mut response = Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).expect("a response")
}

/// An answer to our own account.
pub(super) fn ours(body: impl Into<Body>) -> Reply {
    answer(200, &[("x-aaccountid", "a1")], body)
}

/// Who we are.
pub(super) const MYSELF: &str = r#"{"accountId":"a1","displayName":"Bot","timeZone":"UTC"}"#;
