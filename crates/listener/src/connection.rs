//! One client's connection, from its first byte to its end, and all of them together.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tower::ServiceExt as _;

use crate::Limits;

/// What an HTTP/2 client says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An HTTP/2 connection is asked for a sign of life after this much silence.
const PING_AFTER: Duration = Duration::from_secs(20);
const STREAMS_PER_CONNECTION: u32 = 200;
const HEADER_BYTES: u32 = 32 << 10;

/// All open connections of a listener.
pub(crate) struct Connections {
    app: Router,
    limits: Limits,
    protocol: Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    tasks: JoinSet<()>,
}

impl Connections {
    pub(crate) fn new(app: Router, limits: Limits) -> Self {
        let mut protocol = Builder::new(TokioExecutor::new());
        protocol.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_read);
        protocol
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(limits.header_read)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .max_header_list_size(HEADER_BYTES);
        Self { app, limits, protocol, graceful: GracefulShutdown::new(), tasks: JoinSet::new() }
    }

    /// Serves a client in a task of its own, which holds `slot` until the connection is closed.
    pub(crate) fn open(&mut self, stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit) {
        while self.tasks.try_join_next().is_some() {}
        // Answers are small and whole: waiting to fill a segment only delays them. A failure means the client has left.
        let _ = stream.set_nodelay(true);
        let app = self
            .app
            .clone()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request.map(Body::new)
            })
            .map_err(|never: Infallible| match never {});
        let io = TokioIo::new(Opening::new(stream, self.limits.header_read));
        let connection =
            self.protocol.serve_connection(io, hyper_util::service::TowerToHyperService::new(app)).into_owned();
        let connection = self.graceful.watch(connection);
        self.tasks.spawn(async move {
            let _slot = slot;
            let _open = Open::count();
            if let Err(error) = connection.await {
                tracing::debug!(error.code = "connection.broken", error = %error, "a connection ended early");
            }
        });
    }

    /// Lets requests that are being answered end, and tells how many connections had to be cut off.
    pub(crate) async fn drain(mut self) -> usize {
        if timeout(self.limits.drain, self.graceful.shutdown()).await.is_ok() {
            // A handler that panicked took only its own connection with it.
            while self.tasks.join_next().await.is_some() {}
            return 0;
        }
        while self.tasks.try_join_next().is_some() {}
        let cut_off = self.tasks.len();
        self.tasks.shutdown().await;
        cut_off
    }
}

/// Counts a connection as open while it lives.
struct Open;

impl Open {
    fn count() -> Self {
        metrics::gauge!("jirafleet_listener_connections").increment(1);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("jirafleet_listener_connections").decrement(1);
    }
}

/// A stream that fails when its client takes too long to show which protocol it speaks. hyper's own limit on the reading of a
/// header begins only after that.
struct Opening {
    stream: TcpStream,
    /// How much of [`PREFACE`] has been read; `None` in place of the timer once the protocol is known.
    matched: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Opening {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, matched: 0, deadline: Some(Box::pin(sleep(patience))) }
    }

    /// The protocol is known with the first byte that is not HTTP/2's, or with the last that is.
    fn see(&mut self, bytes: &[u8]) {
        let rest = &PREFACE[self.matched..];
        let length = rest.len().min(bytes.len());
        self.matched += length;
        if bytes[..length] != rest[..length] || self.matched == PREFACE.len() {
            self.deadline = None;
        }
    }
}

impl AsyncRead for Opening {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(deadline) = &mut self.deadline else {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        };
        if deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.see(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Opening {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
