//! Our own tokens: made from a key for some minutes, so that a program can hand out less than it has.
//!
//! The key that signs is a new one in every epoch and made of a seed that all processes have, so nobody has to agree on
//! anything. It is published an epoch ahead, and for as long after as a token lives, so that a rotation is never noticed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Scope, TenantId};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use jwks::{LONGEST_LIFE, PublicKey, SKEW};
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json};
use store::{ApiKeyId, Deed, Store};
use utoipa::ToSchema;

use crate::usecases::{Caller, Context, Error};

/// Who issues our tokens, and for whom they are.
pub(super) const ISSUER: &str = "jirafleet";
const AUDIENCE: &str = "jirafleet-api";
/// An Ed25519 key in PKCS#8 is this, and then its seed (RFC 8410).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// Keys that are kept ready.
const MOST: usize = 4096;

/// What a token is to be good for.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Some of the key's scopes; all of them where absent.
    scopes: Option<Vec<Scope>>,
    /// How long, in seconds: 900 at most and where absent.
    #[schema(minimum = 1, maximum = 900)]
    #[serde(deserialize_with = "whole")]
    seconds: Option<u64>,
}

/// To JSON, 60.0 is as whole a number as 60.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(from)? else { return Ok(None) };
    let text = number.to_string();
    let seconds = text.strip_suffix(".0").unwrap_or(&text).parse();
    seconds.map(Some).map_err(|_| D::Error::custom("seconds must be a whole number"))
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Minted {
    /// Sent as `Authorization: Bearer <access_token>`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until it ends.
    expires_in: u64,
    /// What it is good for.
    scopes: Vec<Scope>,
}

/// What one of our tokens says.
pub(super) struct Claimed {
    pub(super) tenant: TenantId,
    pub(super) key: ApiKeyId,
    pub(super) scopes: Vec<Scope>,
}

/// Makes tokens and proves them.
pub(crate) struct Mint {
    rotation: u64,
    pairs: Mutex<BTreeMap<u64, Arc<Pair>>>,
}

/// The key of one epoch.
struct Pair {
    signs: EncodingKey,
    proves: PublicKey,
    published: Value,
}

impl Mint {
    /// A new key is used after each `rotation`.
    pub(crate) fn new(rotation: Duration) -> Self {
        Self { rotation: rotation.as_secs().max(1), pairs: Mutex::default() }
    }

    /// The keys that prove tokens of now, of as long ago as one may have been made, and of the epoch to come.
    pub(crate) fn published(&self, store: &Store, now: DateTime<Utc>) -> Result<Value, Error> {
        let keys = self.epochs(now).map(|epoch| Ok(self.pair(store, epoch)?.published.clone()));
        Ok(json!({ "keys": keys.collect::<Result<Vec<_>, Error>>()? }))
    }

    pub(super) fn claims(&self, store: &Store, token: &str, kid: &str, now: DateTime<Utc>) -> Result<Claimed, Error> {
        let epoch: u64 = kid.strip_prefix("e").and_then(|epoch| epoch.parse().ok()).ok_or(Error::Unproven)?;
        if !self.epochs(now).contains(&epoch) {
            return Err(Error::Unproven);
        }
        let claims = self.pair(store, epoch)?.proves.claims(token, ISSUER, AUDIENCE).map_err(|_| Error::Unproven)?;
        let tenant = claims.tid.as_deref().and_then(|id| id.parse().ok()).map(TenantId).ok_or(Error::Unproven)?;
        let key = claims.sub.parse().map(ApiKeyId).map_err(|_| Error::Unproven)?;
        let scopes = claims.scope.split_whitespace().filter_map(|scope| scope.parse().ok()).collect();
        Ok(Claimed { tenant, key, scopes })
    }

    fn sign(&self, store: &Store, claims: &Value, now: DateTime<Utc>) -> Result<String, Error> {
        let epoch = self.epoch(now);
        let header = Header { kid: Some(kid(epoch)), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &self.pair(store, epoch)?.signs).map_err(|error| Error::Broken(error.to_string()))
    }

    fn epoch(&self, at: DateTime<Utc>) -> u64 {
        u64::try_from(at.timestamp()).unwrap_or_default() / self.rotation
    }

    fn epochs(&self, now: DateTime<Utc>) -> std::ops::RangeInclusive<u64> {
        let longest = TimeDelta::seconds(i64::try_from(LONGEST_LIFE + 2 * SKEW).unwrap_or(i64::MAX));
        self.epoch(now - longest)..=self.epoch(now) + 1
    }

    fn pair(&self, store: &Store, epoch: u64) -> Result<Arc<Pair>, Error> {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = pairs.get(&epoch) {
            return Ok(pair.clone());
        }
        let pair = Arc::new(Pair::of(epoch, store.system().signing_seed(epoch).expose_secret())?);
        pairs.insert(epoch, pair.clone());
        while pairs.len() > MOST {
            pairs.pop_first();
        }
        Ok(pair)
    }
}

impl Pair {
    fn of(epoch: u64, seed: &[u8]) -> Result<Self, Error> {
        let broken = |why: &str| Error::Broken(format!("the key that signs tokens cannot be made: {why}"));
        let signs = EncodingKey::from_ed_der(&[&PKCS8, seed].concat());
        let mut jwk = Jwk::from_encoding_key(&signs, Algorithm::EdDSA).map_err(|error| broken(&error.to_string()))?;
        jwk.common.key_id = Some(kid(epoch));
        jwk.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Signature);
        let published = serde_json::to_value(&jwk).map_err(|error| broken(&error.to_string()))?;
        let set = json!({ "keys": [published] }).to_string();
        let proves = jwks::public_keys(set.as_bytes()).and_then(|mut keys| keys.remove(&kid(epoch)));
        Ok(Self { signs, proves: proves.ok_or_else(|| broken("it is not what we take"))?, published })
    }
}

fn kid(epoch: u64) -> String {
    format!("e{epoch}")
}

/// Makes a token from the key that asks.
pub(crate) async fn mint(context: &Context, mint: &Mint, caller: &Caller, wanted: &Wanted) -> Result<Minted, Error> {
    let key = caller.key.ok_or_else(|| Error::Conflict("a token makes no tokens: ask with the key".to_owned()))?;
    let seconds = wanted.seconds.unwrap_or(LONGEST_LIFE);
    if !(1..=LONGEST_LIFE).contains(&seconds) {
        return Err(Error::invalid("seconds", format!("must be 1 to {LONGEST_LIFE}")));
    }
    let scopes = wanted.scopes.clone().unwrap_or_else(|| caller.scopes.clone());
    if let Some(lacking) = scopes.iter().find(|scope| !caller.scopes.contains(scope)) {
        return Err(Error::Forbidden(*lacking));
    }
    let names = scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ");
    let now = Utc::now();
    let at = now.timestamp();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": key.to_string(), "tid": caller.tenant.to_string(), "scope": names,
        "iat": at, "nbf": at, "exp": at.saturating_add_unsigned(seconds), "jti": uuid::Uuid::now_v7().to_string(),
    });
    let access_token = mint.sign(&context.store, &claims, now)?;
    let mut tx = context.mirror(caller).begin().await?;
    tx.audit_done(Deed::new(&caller.actor, "token.create").with("scopes", &names).with("seconds", seconds));
    tx.commit().await?;
    Ok(Minted { access_token, token_type: "Bearer", expires_in: seconds, scopes })
}
