//! Finding the master that Redis Sentinel watches over, anew for every connection.

use std::{sync::Arc, time::Duration};

use redis::{
    Client, ConnectionAddr, ErrorKind, RedisError, RedisResult,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use tokio::{sync::Mutex, time::timeout};

use crate::BadUrl;

/// How such URLs begin.
pub(super) const SCHEME: &str = "redis+sentinel://";

/// Where Sentinel listens unless the URL says otherwise.
const PORT: u16 = 26_379;

/// How long all sentinels together may take to name a master.
const ANSWER: Duration = Duration::from_secs(2);

/// One master by its name.
#[derive(Clone)]
pub(crate) struct Watched(Arc<Mutex<SentinelClient>>);

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

impl Watched {
    /// Reads `[user[:password]@]host[:port][,host[:port]..]/master[/db]`. User and password are those of the servers.
    pub(super) fn parse(rest: &str) -> Result<Self, BadUrl> {
        let parts = Parts::read(rest).ok_or_else(|| {
            BadUrl(format!("{SCHEME} needs [user[:password]@]host[:port][,host[:port]..]/master[/db]"))
        })?;
        let wrong = |error: RedisError| BadUrl(error.to_string());
        let sentinels = parts.sentinels.into_iter().map(|(host, port)| ConnectionAddr::Tcp(host, port));
        let mut builder =
            SentinelClientBuilder::new(sentinels, parts.master, SentinelServerType::Master).map_err(wrong)?;
        builder = builder.set_client_to_redis_tcp_settings(crate::tcp()).set_client_to_redis_db(parts.db);
        if let Some(user) = parts.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = parts.password {
            builder = builder.set_client_to_redis_password(password);
        }
        builder.build().map(|client| Self(Arc::new(Mutex::new(client)))).map_err(wrong)
    }

    /// The way to the server that is master now.
    pub(super) async fn master(&self) -> RedisResult<Client> {
        let ask = async { self.0.lock().await.async_get_client().await };
        let silent = || RedisError::from((ErrorKind::Io, "no sentinel named a master in time"));
        let client = timeout(ANSWER, ask).await.map_err(|_| silent())?;
        // Whatever a sentinel says, the next answer may be another one.
        client.map_err(|error| RedisError::from((ErrorKind::Io, "no sentinel names a master", error.to_string())))
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    user: Option<String>,
    password: Option<String>,
    sentinels: Vec<(String, u16)>,
    master: String,
    db: i64,
}

impl Parts {
    fn read(rest: &str) -> Option<Self> {
        let (who, places) = rest.rsplit_once('@').map_or((None, rest), |(who, places)| (Some(who), places));
        let (hosts, path) = places.split_once('/')?;
        let (master, db) = path.split_once('/').unwrap_or((path, "0"));
        let sentinels: Option<Vec<_>> = hosts.split(',').map(address).collect();
        let (user, password) = match who.map(|who| who.split_once(':').unwrap_or((who, ""))) {
            None => (None, None),
            Some((user, password)) => (some(user), some(password)),
        };
        (!master.is_empty()).then_some(())?;
        Some(Self { user, password, sentinels: sentinels?, master: master.to_owned(), db: db.parse().ok()? })
    }
}

fn address(text: &str) -> Option<(String, u16)> {
    match text.rsplit_once(':') {
        Some((host, port)) => Some((some(host)?, port.parse().ok()?)),
        None => Some((some(text)?, PORT)),
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let parts = Parts::read(":secret@one:5000,two/jirafleet/3").expect("a valid URL");
        assert_eq!((parts.user, parts.password.as_deref()), (None, Some("secret")));
        assert_eq!(parts.sentinels, [("one".to_owned(), 5000), ("two".to_owned(), PORT)]);
        assert_eq!((parts.master.as_str(), parts.db), ("jirafleet", 3));
        for wrong in ["", "one", "one/", "one:x/m", ",/m", "one/m/x", "/m"] {
            assert_eq!(Parts::read(wrong), None, "{wrong}");
        }
    }
}
