//! From a key to a caller. A key that is mistyped is refused without a question; a good one is remembered for less than a
//! second, so that a revocation takes hold within that time in every process.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use store::{Actor, ActorKind, ApiKey, ApiToken, Store};

use super::{Caller, Error};

/// How long an answer of the store is believed, counted from the question.
const REMEMBERED: Duration = Duration::from_millis(900);
/// As many keys as are remembered.
const MOST: usize = 10_000;
/// A key whose last use was written down longer ago than this is written down again.
const COARSE: TimeDelta = TimeDelta::minutes(5);

/// Who is let in.
#[derive(Default)]
pub(crate) struct Access {
    /// By the hash of the token, which is kept nowhere.
    known: Mutex<HashMap<[u8; 32], (Instant, ApiKey)>>,
}

/// The circumstances of one request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) from: IpAddr,
    pub(crate) at: DateTime<Utc>,
    pub(crate) id: String,
    pub(crate) trace: Option<String>,
}

impl Access {
    /// Who holds this key. All reasons against a key sound the same.
    pub(crate) async fn caller(&self, store: &Store, key: Option<&str>, request: &Request) -> Result<Caller, Error> {
        let token = key.and_then(|text| ApiToken::parse(text).ok()).ok_or(Error::Unproven)?;
        let key = self.key(store, &token).await?.filter(|key| key.admits(request.at, request.from));
        let key = key.ok_or(Error::Unproven)?;
        let actor = Actor {
            request_id: Some(request.id.clone()),
            trace_id: request.trace.clone(),
            ..Actor::new(ActorKind::ApiKey, key.id.to_string())
        };
        Ok(Caller { tenant: key.tenant, actor, scopes: key.scopes })
    }

    async fn key(&self, store: &Store, token: &ApiToken) -> Result<Option<ApiKey>, Error> {
        let hash: [u8; 32] = Sha256::digest(token.expose()).into();
        let asked = Instant::now();
        if let Some(key) = self.remembered(&hash, asked) {
            return Ok(Some(key));
        }
        let Some(key) = store.system().api_key(token).await? else { return Ok(None) };
        self.remember(hash, asked, &key);
        note_use(store, &key);
        Ok(Some(key))
    }

    fn remembered(&self, hash: &[u8; 32], now: Instant) -> Option<ApiKey> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, key) = known.get(hash)?;
        (now.duration_since(*since) < REMEMBERED).then(|| key.clone())
    }

    fn remember(&self, hash: [u8; 32], asked: Instant, key: &ApiKey) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(hash, (asked, key.clone()));
    }
}

/// Writes down now and then that a key is used; nobody waits for it.
fn note_use(store: &Store, key: &ApiKey) {
    if key.last_used_at.is_some_and(|last| Utc::now() - last < COARSE) {
        return;
    }
    let (mirror, id) = (store.tenant(key.tenant), key.id);
    tokio::spawn(async move {
        if let Err(error) = mirror.api_key_used(id).await {
            tracing::warn!(key.id = %id, error = %error, "a key's use was not written down");
        }
    });
}
