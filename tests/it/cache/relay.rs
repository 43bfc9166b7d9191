//! Stands between a process and Redis, and lets entries on their way wait: a reader that is paused before its put.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixStream},
    sync::watch,
};

/// A relay; it ends with the test.
pub(super) struct Relay {
    pub(super) url: String,
    open: watch::Sender<bool>,
    seen: Arc<watch::Sender<u64>>,
    answered: Arc<watch::Sender<u64>>,
}

/// Where Redis listens, and what it wants to hear.
fn parts(url: &str) -> (String, Option<String>) {
    let rest = url.strip_prefix("unix://").or_else(|| url.strip_prefix("redis+unix://")).expect("a socket");
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let pass = query.split('&').find_map(|pair| pair.strip_prefix("pass=")).map(str::to_owned);
    (path.to_owned(), pass)
}

impl Relay {
    pub(super) async fn start(redis_url: &str) -> Self {
        Self::start_late(redis_url, 0).await
    }

    /// Entries take up to so many milliseconds to Redis.
    pub(super) async fn start_late(redis_url: &str, ms: u64) -> Self {
        let (path, pass) = parts(redis_url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let url = pass.map_or_else(|| format!("redis://{at}"), |pass| format!("redis://:{pass}@{at}"));
        let open = watch::Sender::new(true);
        let (seen, answered) = (Arc::new(watch::Sender::new(0)), Arc::new(watch::Sender::new(0)));
        let gate = (open.subscribe(), Arc::clone(&seen), Arc::clone(&answered));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&path).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let (open, seen, answered) = gate.clone();
                tokio::spawn(pass_on(from_client, to_server, Some((open, seen, ms)), None));
                tokio::spawn(pass_on(from_server, to_client, None, Some(answered)));
            }
        });
        Self { url, open, seen, answered }
    }

    /// From now on entries wait.
    pub(super) fn hold(&self) {
        self.open.send_replace(false);
    }

    /// Waits until an entry waits.
    pub(super) async fn until_held(&self) {
        self.seen.subscribe().wait_for(|seen| *seen > 0).await.unwrap();
    }

    /// Lets entries through, and waits until Redis has answered to one.
    pub(super) async fn release(&self) {
        let mut answered = self.answered.subscribe();
        let before = *answered.borrow_and_update();
        self.open.send_replace(true);
        answered.wait_for(|answered| *answered > before).await.unwrap();
    }
}

type Gate = (watch::Receiver<bool>, Arc<watch::Sender<u64>>, u64);

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut gate: Option<Gate>,
    count: Option<Arc<watch::Sender<u64>>>,
) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        if let Some((open, seen, ms)) = gate.as_mut().filter(|_| is_put(&chunk[..length])) {
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..=*ms))).await;
            if !*open.borrow() {
                seen.send_modify(|seen| *seen += 1);
            }
            let _ = open.wait_for(|open| *open).await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
        if let Some(count) = &count {
            count.send_modify(|count| *count += 1);
        }
    }
}

/// Only entries begin so.
fn is_put(chunk: &[u8]) -> bool {
    chunk.windows(2).any(|two| two == b"={") || chunk.windows(5).any(|five| five == b"=null")
}
