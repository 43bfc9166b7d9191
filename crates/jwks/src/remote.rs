//! Keys behind an address.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use reqwest::{Client, Url, redirect::Policy};

use crate::{PublicKey, public_keys};

/// Keys older than this are fetched again, as soon as somebody needs one.
const FRESH: Duration = Duration::from_secs(600);
/// Keys older than this prove nothing any more.
const USABLE: Duration = Duration::from_secs(24 * 3600);
/// Between two fetches.
const PAUSE: Duration = Duration::from_secs(60);
/// How long a fetch may take, and how many bytes it may bring.
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: usize = 256 << 10;

/// An address from which no keys are taken.
#[derive(Debug, thiserror::Error)]
#[error("keys are only fetched from an https address{0}: give one such as https://login.example/.well-known/jwks.json")]
pub struct BadAddress(&'static str);

/// A key set behind an address, as it was when it was fetched last.
#[derive(Debug)]
pub struct KeySet {
    url: Url,
    client: Client,
    held: RwLock<Held>,
    /// Whoever fetches holds it: all others wait for that one fetch.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    keys: HashMap<String, PublicKey>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

impl KeySet {
    /// The set at this address; `insecure` hosts may be asked without TLS. Nothing is fetched yet.
    pub fn at(url: &str, insecure: &[String]) -> Result<Self, BadAddress> {
        let url: Url = url.parse().map_err(|_| BadAddress(""))?;
        let is_trusted = url.host_str().is_some_and(|host| insecure.iter().any(|known| known == host));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_trusted) {
            return Err(BadAddress(""));
        }
        let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).build();
        let client = client.map_err(|_| BadAddress(", and TLS does not start here"))?;
        Ok(Self { url, client, held: RwLock::default(), fetching: tokio::sync::Mutex::default() })
    }

    /// How many keys the set has, asked anew; or why that cannot be told.
    pub async fn look(&self) -> Result<usize, String> {
        self.ask().await.map(|keys| keys.len())
    }

    /// The key of this name, if the set has it.
    pub async fn key(&self, kid: &str) -> Option<PublicKey> {
        let now = Instant::now();
        if let Some(key) = self.held_key(kid, now, FRESH) {
            return Some(key);
        }
        if self.may_fetch(now) {
            let _turn = self.fetching.lock().await;
            // Whoever had the turn before may have brought it.
            if self.may_fetch(Instant::now()) {
                self.fetch().await;
            }
        }
        self.held_key(kid, Instant::now(), USABLE)
    }

    fn held_key(&self, kid: &str, now: Instant, within: Duration) -> Option<PublicKey> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let is_usable = held.fetched.is_some_and(|at| now.duration_since(at) < within);
        held.keys.get(kid).filter(|_| is_usable).cloned()
    }

    fn may_fetch(&self, now: Instant) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.tried.is_none_or(|at| now.duration_since(at) >= PAUSE)
    }

    async fn fetch(&self) {
        let asked = Instant::now();
        let keys = self.ask().await;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.tried = Some(asked);
        match keys {
            Ok(keys) => {
                tracing::info!(jwks.host = self.url.host_str(), keys = keys.len(), "public keys were fetched");
                held.keys = keys;
                held.fetched = Some(asked);
            }
            Err(reason) => {
                tracing::warn!(
                    jwks.host = self.url.host_str(),
                    error.code = "jwks.unavailable",
                    reason,
                    "public keys could not be fetched"
                );
            }
        }
    }

    async fn ask(&self) -> Result<HashMap<String, PublicKey>, String> {
        let said = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = self.client.get(self.url.clone()).send().await.map_err(said)?;
        if !answer.status().is_success() {
            return Err(format!("the answer was {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(said)? {
            body.extend_from_slice(&piece);
            if body.len() > LARGEST {
                return Err(format!("the answer has more than {LARGEST} bytes"));
            }
        }
        public_keys(&body).ok_or_else(|| "the answer is no key set".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_fetched_in_the_clear() {
        let insecure = ["127.0.0.1".to_owned()];
        for bad in ["http://login.example/keys", "ftp://login.example/keys", "keys", "http://127.0.0.2/keys"] {
            assert!(KeySet::at(bad, &insecure).is_err(), "{bad}");
        }
        for good in ["https://login.example/keys", "http://127.0.0.1:9/keys"] {
            assert!(KeySet::at(good, &insecure).is_ok(), "{good}");
        }
    }
}
