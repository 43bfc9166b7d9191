//! A receiver of webhooks: keeps what it is sent, and answers as a test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;

/// One delivery, in the order of arrival.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Default)]
pub(crate) struct Inside {
    pub(crate) received: Vec<Received>,
    /// Answers still to be given; then `always`.
    pub(crate) answers: VecDeque<u16>,
    /// 200 where nothing else is said.
    pub(crate) always: Option<u16>,
}

/// A running receiver.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    inside: Arc<Mutex<Inside>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let inside = Arc::new(Mutex::new(Inside::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(inside.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inside }
    }

    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    /// What arrived since the last time.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.inside().received)
    }

    /// The names of the events that arrived since the last time.
    pub(crate) fn events(&self) -> Vec<String> {
        self.take().iter().map(|it| it.json()["webhookEvent"].as_str().unwrap_or("-").to_owned()).collect()
    }
}

async fn receive(State(inside): State<Arc<Mutex<Inside>>>, uri: Uri, headers: HeaderMap, bytes: Bytes) -> StatusCode {
    let mut inside = inside.lock().unwrap();
    inside.received.push(Received { path: uri.to_string(), headers, bytes });
    let answer = inside.answers.pop_front().or(inside.always).unwrap_or(200);
    StatusCode::from_u16(answer).unwrap()
}
