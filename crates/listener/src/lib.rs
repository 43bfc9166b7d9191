//! One HTTP listener for every process: HTTP/1 and HTTP/2 on one port, a bound on connections, a limit on the time a client
//! takes to say what it wants, and an orderly end. Health questions are in [`health`].

mod connection;
pub mod health;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use connection::Connections;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How long to leave it be when the kernel gives no new sockets (EMFILE, ENFILE, ENOBUFS, ENOMEM).
const BREATH: Duration = Duration::from_millis(100);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody listens there already.
    #[error(
        "cannot listen on {address}: another program does; stop that one, or give another address with the --..-listen option"
    )]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Ports below 1024 are for root.
    #[error("cannot listen on {address}: not allowed; choose a port above 1023")]
    Forbidden {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The kernel said no for another reason, such as an address this machine does not have.
    #[error("cannot listen on {address}: {source}; choose an address of this machine, such as 127.0.0.1 or 0.0.0.0")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
}

/// What one client, or all of them, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first to the last byte of a request's header; also how long a kept-alive HTTP/1 connection may be idle.
    pub header_read: Duration,
    /// From the wish to stop until open requests are cut off.
    pub drain: Duration,
    /// Open at once; more wait in the kernel's queue.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(4),
            drain: Duration::from_secs(10),
            // Below the customary limit of 1024 open files, with room for PostgreSQL, Redis and Jira.
            connections: 800,
        }
    }
}

/// A bound port; nothing is accepted before [`serve`].
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one. Must be called in a tokio runtime.
    pub async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => Error::InUse { address },
            io::ErrorKind::PermissionDenied => Error::Forbidden { address },
            _ => Error::Other { address, source },
        };
        let socket = TcpListener::bind(address).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Self { socket, address, limits: Limits::default() })
    }

    /// The same port with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The address that was bound, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next client. Neither a client that left again nor a lack of file descriptors ends the listening.
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_about_one_client(&error) => {}
                Err(error) => {
                    metrics::counter!("jirafleet_listener_accept_errors_total").increment(1);
                    tracing::error!(listener.address = %self.address, error.code = "listener.exhausted", error = %error, "cannot accept connections for the moment");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

/// Answers requests with `app` until `shutdown`; then accepts no more, lets open requests end within [`Limits::drain`], and
/// returns. Handlers find the client's address as axum's `ConnectInfo<SocketAddr>`.
pub async fn serve(listener: Listener, app: Router, shutdown: CancellationToken) {
    // Shown before there are any: a rate does not see the step to a figure's first value.
    metrics::counter!("jirafleet_listener_accept_errors_total").increment(0);
    let slots = Arc::new(Semaphore::new(listener.limits.connections));
    let mut connections = Connections::new(app, listener.limits);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            (slot, (stream, peer)) = next => {
                // The semaphore is never closed, so there is always a slot.
                if let Ok(slot) = slot {
                    connections.open(stream, peer, slot);
                }
            }
        }
    }
    let Listener { socket, address, .. } = listener;
    // Closed before the draining: new clients are refused at once instead of waiting for nothing.
    drop(socket);
    let cut_off = connections.drain().await;
    if cut_off > 0 {
        tracing::warn!(listener.address = %address, connections = cut_off, "open connections were cut off");
    }
}

fn is_about_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
