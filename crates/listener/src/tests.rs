//! The listener on a loopback port, talked to byte by byte.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::time::Instant;

use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::health::Readiness;

const SHORT: Duration = Duration::from_millis(200);

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(app: Router, limits: Limits) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap().with_limits(limits);
        let address = listener.local_addr();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(listener, app, shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything the server says to these bytes until it closes.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_all(&mut stream).await
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset ends an answer as well as a close.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn short() -> Limits {
    Limits { header_read: SHORT, drain: SHORT, ..Limits::default() }
}

fn app() -> Router {
    health::routes(Readiness::new())
        .route("/peer", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()))
}

const PEER: &[u8] = b"GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_answered_and_its_sender_known() {
    let running = Running::start(app(), Limits::default()).await;
    let answer = running.say(PEER).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn readiness_is_told_in_json() {
    let readiness = Readiness::new().check("redis", || async { Err("away".to_owned()) });
    let running = Running::start(health::routes(readiness), Limits::default()).await;
    let answer = running.say(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.ends_with(r#"{"ready":false,"checks":{"redis":"away"}}"#), "{answer}");
}

#[tokio::test]
async fn half_a_header_does_not_hold_a_connection() {
    let running = Running::start(app(), short()).await;
    let halves: [&[u8]; 5] = [b"", b"G", b"PRI * HT", b"GET / HTTP/1.1\r\nhost: x\r\nx-sl", b"POST /"];
    for half in halves {
        let begin = Instant::now();
        running.say(half).await;
        assert!(begin.elapsed() < SHORT * 5, "{:?} was held", String::from_utf8_lossy(half));
    }
}

#[tokio::test]
async fn an_http2_client_is_greeted() {
    let running = Running::start(app(), short()).await;
    let mut stream = running.connect().await;
    // The preface in two pieces, then an empty SETTINGS frame.
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    stream.flush().await.unwrap();
    stream.write_all(b"\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the first frame is SETTINGS");
}

#[tokio::test]
async fn a_slow_answer_outlives_the_time_for_headers() {
    let slow = Router::new().route(
        "/",
        get(async || {
            tokio::time::sleep(SHORT * 3).await;
            "done"
        }),
    );
    let running = Running::start(slow, short()).await;
    let answer = running.say(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("done"), "{answer}");
}

#[tokio::test]
async fn a_full_house_waits_for_a_free_place() {
    let limits = Limits { connections: 1, ..short() };
    let running = Running::start(app(), limits).await;
    let _first = running.connect().await;
    // Served when the first, which says nothing, has used up its time.
    let answer = running.say(PEER).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// An app whose only answer waits for the second of these; the first tells that it was asked.
fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (asked_too, go_too) = (Arc::clone(&asked), Arc::clone(&go));
    let app = Router::new().route(
        "/",
        get(async move || {
            asked_too.notify_one();
            go_too.notified().await;
            "done"
        }),
    );
    (app, asked, go)
}

#[tokio::test]
async fn an_open_request_is_answered_before_the_end() {
    let (app, asked, go) = held();
    let running = Running::start(app, Limits::default()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    asked.notified().await;
    running.shutdown.cancel();
    go.notify_one();
    assert!(read_all(&mut stream).await.ends_with("done"));
    running.task.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_request_without_end_is_cut_off() {
    let (app, asked, _go) = held();
    let running = Running::start(app, short()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    asked.notified().await;
    let begin = Instant::now();
    running.shutdown.cancel();
    running.task.await.unwrap();
    assert!(begin.elapsed() < SHORT * 5);
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let first = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let error = Listener::bind(first.local_addr()).await.unwrap_err().to_string();
    assert!(error.contains(&first.local_addr().to_string()) && error.contains("another program"), "{error}");
}
