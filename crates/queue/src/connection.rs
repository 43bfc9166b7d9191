//! Connections to Redis, with the settings that the defaults leave out.
//!
//! redis gives every connection half a second to answer, no keepalive and no user timeout: a blocking read would fail each
//! time and lose what was delivered meanwhile, and a half-open connection would hang for ever.

mod sentinel;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, RedisError, RedisResult, ServerErrorKind,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use tokio::time::Instant;

use crate::{Config, Error};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);

/// Makes connections.
#[derive(Clone, Debug)]
pub(crate) enum Connector {
    /// To one address.
    Direct(Client),
    /// To whichever server Sentinel calls the master.
    Sentinel(sentinel::Watched),
}

impl Connector {
    /// Reads the URL; connects to nothing.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let wrong = |error: RedisError| Error::Misconfigured(format!("the Redis URL is not usable: {error}"));
        if let Some(rest) = config.url.strip_prefix(sentinel::SCHEME) {
            return sentinel::Watched::parse(rest).map(Self::Sentinel);
        }
        let info = config.url.as_str().into_connection_info().map_err(wrong)?.set_tcp_settings(tcp());
        Client::open(info).map(Self::Direct).map_err(wrong)
    }

    /// A connection for one pump, which makes a new one when this one breaks.
    pub(crate) async fn connect(&self, response: Duration) -> RedisResult<MultiplexedConnection> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(response));
        self.client().await?.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn client(&self) -> RedisResult<Client> {
        match self {
            Self::Direct(client) => Ok(client.clone()),
            Self::Sentinel(watched) => watched.master().await,
        }
    }
}

fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(10)).with_interval(Duration::from_secs(5));
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(Duration::from_secs(10))
}

/// A shared connection that mends itself, for callers that cannot wait. After a failover it finds the new master.
#[derive(Clone)]
pub(crate) struct Managed {
    connector: Connector,
    response: Duration,
    current: Arc<Mutex<Option<ConnectionManager>>>,
}

impl Managed {
    /// Connects when it is first used.
    pub(crate) fn new(connector: Connector, response: Duration) -> Self {
        Self { connector, response, current: Arc::default() }
    }

    pub(crate) async fn get(&self) -> RedisResult<ConnectionManager> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(current) = current {
            return Ok(current);
        }
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(self.response))
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(200))
            .set_number_of_retries(1);
        let made = self.connector.client().await?.get_connection_manager_lazy(config)?;
        Ok(self.current.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(made).clone())
    }

    /// Whether asking once more may help at once: the connection was found broken, or leads to a server that is no master
    /// any more. Such a one is given up.
    pub(crate) fn is_mended(&self, error: &RedisError) -> bool {
        let is_demoted = matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly));
        let is_watched = matches!(self.connector, Connector::Sentinel(_));
        if is_demoted || (is_watched && error.is_io_error()) {
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return true;
        }
        error.is_connection_dropped()
    }
}

/// Whether the same command may succeed later without anybody changing it. What is left are answers that say our own
/// request was wrong.
pub(crate) fn is_passing(error: &RedisError) -> bool {
    use redis::ServerErrorKind as Server;
    match error.kind() {
        ErrorKind::Server(Server::ResponseError | Server::ExecAbort) => error.code() == Some("OOM") || says_oom(error),
        ErrorKind::Extension => matches!(error.code(), Some("OOM" | "MISCONF" | "NOREPLICAS" | "BUSY" | "UNKILLABLE")),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType | ErrorKind::Client => false,
        _ => true,
    }
}

/// Inside a script, Redis reports a full memory as an ordinary error with a text.
fn says_oom(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("OOM") || detail.contains("maxmemory"))
}

/// Tells the log once when Redis goes away, and once when it is back, however many pumps notice.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Option<Instant>>);

impl Outage {
    pub(crate) fn begins(&self, queue: crate::QueueName, error: &RedisError) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none() {
            *since = Some(Instant::now());
            metrics::counter!("jirafleet_queue_outages_total", "queue" => queue.as_str()).increment(1);
            tracing::warn!(queue = queue.as_str(), %error, "Redis is away; what runs goes on, the rest waits");
        }
    }

    pub(crate) fn ends(&self, queue: crate::QueueName) {
        let since = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(since) = since {
            let lasted = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(queue = queue.as_str(), duration_ms = lasted, "Redis is back");
        }
    }
}

/// Waits that double from 20 ms to a second.
#[derive(Debug)]
pub(crate) struct Patience(Duration);

impl Patience {
    pub(crate) const FIRST: Duration = Duration::from_millis(20);
    const LAST: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        self.0 = (self.0 * 2).min(Self::LAST);
    }
}
