//! Connections to Redis, for every crate that speaks to it: which addresses are understood, and the settings that the
//! defaults leave out.
//!
//! redis gives every connection half a second to answer, no keepalive and no user timeout: a blocking read would fail each
//! time and lose what was delivered meanwhile, and a half-open connection would hang for ever.

mod sentinel;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, RedisError, RedisResult, ServerErrorKind,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);

/// An address of Redis that cannot be used. It does not quote the address, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("the Redis URL is not usable ({0}): write redis://HOST:PORT, unix://PATH or redis+sentinel://HOST:PORT/MASTER")]
pub struct BadUrl(String);

/// Makes connections.
#[derive(Clone, Debug)]
pub struct Connector(Way);

#[derive(Clone, Debug)]
enum Way {
    /// To one address.
    Direct(Client),
    /// To whichever server Sentinel calls the master.
    Sentinel(sentinel::Watched),
}

impl Connector {
    /// Reads `redis://..`, `redis+unix://..` or `redis+sentinel://[user[:password]@]host[:port][,host[:port]..]/master[/db]`;
    /// connects to nothing.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let wrong = |error: RedisError| BadUrl(error.to_string());
        if let Some(rest) = url.strip_prefix(sentinel::SCHEME) {
            return sentinel::Watched::parse(rest).map(|watched| Self(Way::Sentinel(watched)));
        }
        let info = url.into_connection_info().map_err(wrong)?.set_tcp_settings(tcp());
        Client::open(info).map(|client| Self(Way::Direct(client))).map_err(wrong)
    }

    /// A connection for one pump, which makes a new one when this one breaks.
    pub async fn connect(&self, response: Duration) -> RedisResult<MultiplexedConnection> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(response));
        self.client().await?.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn client(&self) -> RedisResult<Client> {
        match &self.0 {
            Way::Direct(client) => Ok(client.clone()),
            Way::Sentinel(watched) => watched.master().await,
        }
    }
}

fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(10)).with_interval(Duration::from_secs(5));
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(Duration::from_secs(10))
}

/// A shared connection that mends itself, for callers that cannot wait. After a failover it finds the new master.
#[derive(Clone)]
pub struct Managed {
    connector: Connector,
    response: Duration,
    current: Arc<Mutex<Option<ConnectionManager>>>,
}

impl fmt::Debug for Managed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Managed").field("connector", &self.connector).finish_non_exhaustive()
    }
}

impl Managed {
    /// Connects when it is first used; each answer may take so long.
    pub fn new(connector: Connector, response: Duration) -> Self {
        Self { connector, response, current: Arc::default() }
    }

    /// The connection, made when there is none. It tells of its own end by errors: see [`is_mended`](Self::is_mended).
    pub async fn get(&self) -> RedisResult<ConnectionManager> {
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
    pub fn is_mended(&self, error: &RedisError) -> bool {
        let is_demoted = matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly));
        let is_watched = matches!(self.connector.0, Way::Sentinel(_));
        if is_demoted || (is_watched && error.is_io_error()) {
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return true;
        }
        error.is_connection_dropped()
    }
}

/// Whether the same command may succeed later without anybody changing it. What is left are answers that say our own
/// request was wrong.
pub fn is_passing(error: &RedisError) -> bool {
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
