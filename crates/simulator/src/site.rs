//! Serves a world over HTTP, as one Jira site.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::{Config, Links};
use crate::line::{Lines, Switch};
use crate::world::World;
use crate::{rest, webhooks};

/// How long open requests may go on after `stop`.
const GRACE: Duration = Duration::from_secs(2);

/// A running site. Dropping it stops it, too.
pub struct Simulator {
    world: Arc<World>,
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
    sender: JoinHandle<()>,
    stop: DropGuard,
}

impl Simulator {
    /// Makes the site and serves it from now on. Fails when the address is taken.
    pub async fn start(mut config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        if config.links == Links::Served {
            config.links = Links::To(format!("http://{address}"));
        }
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.build().map_err(io::Error::other)?;
        // A large site takes a second to make up.
        let world = tokio::task::spawn_blocking(move || World::new(config)).await.map_err(io::Error::other)?;
        let world = Arc::new(world);
        let stop = CancellationToken::new();
        let sender = tokio::spawn(webhooks::send_all(world.clone(), client, stop.clone()));
        let service = rest::router(world.clone()).into_make_service_with_connect_info::<Switch>();
        let quiet = stop.clone().cancelled_owned();
        let served = axum::serve(Lines(listener), service).with_graceful_shutdown(quiet);
        let server = tokio::spawn(async move { served.await });
        Ok(Self { world, address, server, sender, stop: stop.drop_guard() })
    }

    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The site behind the routes, to script and to compare with.
    pub fn world(&self) -> Arc<World> {
        self.world.clone()
    }

    /// Stops listening, lets open requests end (for two seconds at most) and drops webhooks on their way.
    pub async fn stop(self) {
        let Self { server, sender, stop, .. } = self;
        drop(stop);
        let abort = server.abort_handle();
        if tokio::time::timeout(GRACE, server).await.is_err() {
            abort.abort();
        }
        if let Err(error) = sender.await {
            tracing::warn!(%error, "the simulated site's webhook sender ended badly");
        }
    }
}
