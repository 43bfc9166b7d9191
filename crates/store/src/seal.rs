//! Secrets at rest: sealed with XChaCha20-Poly1305, each tenant's under data keys of its own, which a master key seals.
//!
//! Column, tenant and row are sealed in with the secret, so a sealed text opens in the place it was made for and nowhere
//! else. What the first releases sealed, directly under keys derived from the master key, still opens.

mod house;
mod master;
mod rotation;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, Payload},
};
use domain::{EmailAddress, InstanceId, TenantId};
use hmac::{Hmac, Mac};
use sea_orm::sqlx::{Row, postgres::PgRow};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

use self::{house::House, master::Ring};
pub use self::{
    master::{MasterKey, NotAMasterKey},
    rotation::{SealedCount, TenantKey},
};
use crate::{Error, TenantTx, orm::sql};

/// The first byte of what the first releases sealed, under a key derived from the master key.
const OLD: u8 = 1;
/// The first byte of what is sealed under a data key, whose number follows.
const VERSION: u8 = 2;
const NONCE: usize = 24;
/// More data keys than this are not remembered.
const REMEMBERED: usize = 10_000;

/// 32 bytes that open something.
type Key = SecretBox<[u8; 32]>;

/// What a sealed text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    Credentials,
    Grant,
    Webhook,
    /// The webhook secret before the one that holds now.
    PreviousWebhook,
}

impl Secret {
    pub(crate) const ALL: [Self; 4] = [Self::Credentials, Self::Grant, Self::Webhook, Self::PreviousWebhook];

    /// Where it is kept; part of what is sealed.
    pub(crate) fn place(self) -> &'static str {
        match self {
            Self::Credentials => "jira_instances.credentials_sealed",
            Self::Grant => "oauth_grants.tokens_sealed",
            Self::Webhook => "jira_instances.webhook_secret_sealed",
            Self::PreviousWebhook => "webhooks.previous_secret_sealed",
        }
    }
}

/// The keys that are used.
pub(crate) struct Keys {
    master: MasterKey,
    ring: RwLock<Arc<Ring>>,
    house: House,
    /// A data key never changes, so what is remembered is never wrong.
    data: Mutex<HashMap<(TenantId, i32), DataKey>>,
}

/// One of a tenant's keys.
#[derive(Clone)]
pub(crate) struct DataKey {
    pub(crate) id: i32,
    cipher: Arc<XChaCha20Poly1305>,
}

impl DataKey {
    fn new(id: i32, key: &Key) -> Self {
        Self { id, cipher: Arc::new(XChaCha20Poly1305::new(key.expose_secret().into())) }
    }

    /// What everything sealed under this key begins with.
    pub(crate) fn prefix(&self) -> [u8; 5] {
        let [a, b, c, d] = self.id.to_be_bytes();
        [VERSION, a, b, c, d]
    }

    /// Version, number of the key, nonce, sealed text.
    pub(crate) fn seal(&self, secret: Secret, of: (TenantId, InstanceId), plain: &[u8]) -> Result<Vec<u8>, Error> {
        let text = encrypt(&self.cipher, &bound(secret.place(), of.0, of.1.0.as_bytes()), plain)?;
        Ok([&self.prefix()[..], &text].concat())
    }

    fn open(&self, secret: Secret, of: (TenantId, InstanceId), text: &[u8]) -> Result<Vec<u8>, Error> {
        decrypt(&self.cipher, &bound(secret.place(), of.0, of.1.0.as_bytes()), text)
    }
}

impl Keys {
    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks into the master key's file again, where it came from one.
    async fn look_again(&self) -> Arc<Ring> {
        if let Some(master) = self.master.read_again().await {
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ring::of(&master));
        }
        self.ring()
    }

    /// Seals a key under the newest master key. The file is asked first which that is: a process that did not know would
    /// seal under one that is about to be dropped.
    pub(super) async fn wrap(&self, place: &Place<'_>, key: &Key) -> Result<Wrapped, Error> {
        self.look_again().await.wrap(place, key)
    }

    /// Opens a key. One that an unknown master key sealed makes us look into the file again.
    async fn unwrap(&self, place: &Place<'_>, wrapped: &Wrapped) -> Result<Key, Error> {
        let ring = if self.ring().knows(&wrapped.kek) { self.ring() } else { self.look_again().await };
        ring.unwrap(place, wrapped)
    }

    fn remembered(&self, tenant: TenantId, id: i32) -> Option<DataKey> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner).get(&(tenant, id)).cloned()
    }

    fn remember(&self, tenant: TenantId, key: DataKey) {
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        if data.len() >= REMEMBERED {
            data.clear();
        }
        data.insert((tenant, key.id), key);
    }

    /// Tells whether two addresses of one tenant are the same, and nothing else: guessing needs the pepper.
    pub(crate) fn email_hash(&self, tenant: TenantId, email: &EmailAddress) -> Vec<u8> {
        mac(&self.house.email_pepper, &[tenant.0.as_bytes(), email.normalised().as_bytes()]).to_vec()
    }

    /// By which a token is found; it cannot be found by it.
    pub(crate) fn token_hash(&self, token: &str) -> [u8; 32] {
        mac(&self.house.token_pepper, &[token.as_bytes()])
    }

    /// Seals the head of an audit chain.
    pub(crate) fn audit_mac(&self, tenant: TenantId, seq: i64, hash: &[u8]) -> [u8; 32] {
        mac(&self.house.audit_seal, &[tenant.0.as_bytes(), &seq.to_be_bytes(), hash])
    }

    /// Whether we sealed that head; compared in constant time.
    pub(crate) fn is_audit_mac(&self, tenant: TenantId, seq: i64, hash: &[u8], seal: &[u8]) -> bool {
        let mut mac = hmac(&self.house.audit_seal);
        for part in [&tenant.0.as_bytes()[..], &seq.to_be_bytes(), hash] {
            mac.update(part);
        }
        mac.verify_slice(seal).is_ok()
    }
}

impl Keys {
    /// Signs a place in a listing. The listing's length stands before its name, so that no two say the same.
    pub(crate) fn cursor_mac(&self, tenant: TenantId, listing: &str, place: &[u8]) -> [u8; 32] {
        let length = listing.len().to_be_bytes();
        mac(&self.house.cursor_seal, &[tenant.0.as_bytes(), &length, listing.as_bytes(), place])
    }

    /// What the key that signs our own tokens in an epoch is made of.
    pub(crate) fn signing_seed(&self, epoch: u64) -> [u8; 32] {
        mac(&self.house.signing_seed, &[b"ed25519", &epoch.to_be_bytes()])
    }

    /// Whether we signed that place; compared in constant time.
    pub(crate) fn is_cursor_mac(&self, tenant: TenantId, listing: &str, place: &[u8], signed: &[u8]) -> bool {
        let mut mac = hmac(&self.house.cursor_seal);
        for part in [&tenant.0.as_bytes()[..], &listing.len().to_be_bytes(), listing.as_bytes(), place] {
            mac.update(part);
        }
        mac.verify_slice(signed).is_ok()
    }
}

/// Where a sealed key lies.
pub(super) struct Place<'a> {
    column: &'static str,
    tenant: TenantId,
    row: &'a [u8],
}

/// A sealed key, and which master key sealed it.
pub(super) struct Wrapped {
    kek: String,
    text: Vec<u8>,
}

impl Wrapped {
    fn read(row: &PgRow) -> Result<Self, Error> {
        Ok(Self { kek: row.try_get("kek")?, text: row.try_get("key_sealed")? })
    }
}

fn place_of_data_key(tenant: TenantId, id: &[u8; 4]) -> Place<'_> {
    Place { column: "tenant_keys.key_sealed", tenant, row: id }
}

impl TenantTx {
    /// Seals a secret of this tenant under its newest data key, which stays the newest until this transaction ends. The
    /// tenant's first secret makes its first key.
    pub(crate) async fn seal(&mut self, secret: Secret, instance: InstanceId, plain: &[u8]) -> Result<Vec<u8>, Error> {
        // Whoever makes a newer key waits for us, so nothing is sealed under one that is being replaced.
        sql("/* keys.hold */ SELECT FROM mirror.tenants WHERE id = $1 FOR SHARE")
            .bind(self.tenant.0)
            .execute(self.connection())
            .await?;
        let key = match self.newest_data_key().await? {
            Some(key) => key,
            None => self.first_data_key().await?,
        };
        key.seal(secret, (self.tenant, instance), plain)
    }

    /// Opens a secret of this tenant that was read in this very transaction, so that its key is there, too.
    pub(crate) async fn open(&mut self, secret: Secret, instance: InstanceId, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let of = (self.tenant, instance);
        match sealed {
            [OLD, text @ ..] => {
                let keys = self.keys.clone();
                keys.ring().open_old(secret, of, text)
            }
            [VERSION, a, b, c, d, text @ ..] => {
                let key = self.data_key(i32::from_be_bytes([*a, *b, *c, *d])).await?;
                key.open(secret, of, text)
            }
            _ => Err(Error::sealed()),
        }
    }

    pub(super) async fn newest_data_key(&mut self) -> Result<Option<DataKey>, Error> {
        let row = sql("/* keys.newest */ SELECT id, kek, key_sealed FROM mirror.tenant_keys
            WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1")
        .bind(self.tenant.0)
        .fetch_optional(self.connection())
        .await?;
        match row {
            Some(row) => Ok(Some(self.read_data_key(&row).await?)),
            None => Ok(None),
        }
    }

    async fn first_data_key(&mut self) -> Result<DataKey, Error> {
        self.add_data_key(1).await?;
        self.newest_data_key().await?.ok_or(Error::NotFound("data key"))
    }

    /// Makes a key of this number, unless there is one.
    pub(super) async fn add_data_key(&mut self, id: i32) -> Result<(), Error> {
        let key = fresh();
        let wrapped = self.keys.clone().wrap(&place_of_data_key(self.tenant, &id.to_be_bytes()), &key).await?;
        sql("/* keys.add */ INSERT INTO mirror.tenant_keys (tenant_id, id, kek, key_sealed) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant_id, id) DO NOTHING")
        .bind(self.tenant.0)
        .bind(id)
        .bind(wrapped.kek)
        .bind(wrapped.text)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    async fn data_key(&mut self, id: i32) -> Result<DataKey, Error> {
        if let Some(key) = self.keys.remembered(self.tenant, id) {
            return Ok(key);
        }
        let row = sql("/* keys.one */ SELECT id, kek, key_sealed FROM mirror.tenant_keys
            WHERE tenant_id = $1 AND id = $2")
        .bind(self.tenant.0)
        .bind(id)
        .fetch_optional(self.connection())
        .await?;
        self.read_data_key(&row.ok_or_else(Error::sealed)?).await
    }

    pub(super) async fn read_data_key(&mut self, row: &PgRow) -> Result<DataKey, Error> {
        let (tenant, keys) = (self.tenant, self.keys.clone());
        let id: i32 = row.try_get("id")?;
        if let Some(key) = keys.remembered(tenant, id) {
            return Ok(key);
        }
        let key = keys.unwrap(&place_of_data_key(tenant, &id.to_be_bytes()), &Wrapped::read(row)?).await?;
        let key = DataKey::new(id, &key);
        keys.remember(tenant, key.clone());
        Ok(key)
    }
}

fn fresh() -> Key {
    SecretBox::new(Box::new(<[u8; 32]>::generate()))
}

/// What is sealed in beside a text: where it belongs.
fn bound(place: &str, tenant: TenantId, row: &[u8]) -> Vec<u8> {
    [b"jirafleet/2/", place.as_bytes(), &[0], tenant.0.as_bytes(), row].concat()
}

/// Nonce, sealed text.
fn encrypt(cipher: &XChaCha20Poly1305, bound: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
    let nonce = XNonce::generate();
    let sealed = cipher.encrypt(&nonce, Payload { msg: plain, aad: bound }).map_err(|_| Error::sealed())?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(cipher: &XChaCha20Poly1305, bound: &[u8], text: &[u8]) -> Result<Vec<u8>, Error> {
    let (nonce, text) = text.split_first_chunk::<NONCE>().ok_or_else(Error::sealed)?;
    cipher.decrypt(&(*nonce).into(), Payload { msg: text, aad: bound }).map_err(|_| Error::sealed())
}

fn hmac(key: &Key) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key.expose_secret()).expect("HMAC takes keys of any length")
}

fn mac(key: &Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = hmac(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

    use super::*;

    fn somebody() -> (TenantId, InstanceId) {
        (TenantId::generate(), InstanceId::generate())
    }

    fn open(key: &DataKey, secret: Secret, of: (TenantId, InstanceId), sealed: &[u8]) -> Result<Vec<u8>, Error> {
        key.open(secret, of, sealed.strip_prefix(&key.prefix()[..]).ok_or_else(Error::sealed)?)
    }

    #[test]
    fn what_was_sealed_opens() {
        let (key, of) = (DataKey::new(7, &fresh()), somebody());
        let sealed = key.seal(Secret::Credentials, of, b"token").unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"token"));
        assert_eq!(sealed[..5], [2, 0, 0, 0, 7]);
        assert_eq!(open(&key, Secret::Credentials, of, &sealed).unwrap(), b"token");
        assert_ne!(sealed, key.seal(Secret::Credentials, of, b"token").unwrap());
    }

    #[test]
    fn it_opens_nowhere_else() {
        let (key, of) = (DataKey::new(1, &fresh()), somebody());
        let sealed = key.seal(Secret::Credentials, of, b"token").unwrap();
        assert!(open(&key, Secret::Webhook, of, &sealed).is_err());
        assert!(open(&key, Secret::Credentials, (of.0, InstanceId::generate()), &sealed).is_err());
        assert!(open(&key, Secret::Credentials, (TenantId::generate(), of.1), &sealed).is_err());
        assert!(open(&DataKey::new(1, &fresh()), Secret::Credentials, of, &sealed).is_err());
        for cut in [0, 1, 5, 20, sealed.len() - 1] {
            assert!(open(&key, Secret::Credentials, of, &sealed[..cut]).is_err());
        }
        let mut bent = sealed;
        *bent.last_mut().unwrap() ^= 1;
        assert!(open(&key, Secret::Credentials, of, &bent).is_err());
    }
}
