//! Secrets at rest: sealed with XChaCha20-Poly1305, under keys derived from one master key, each for one use.
//!
//! The tenant and the instance are sealed in with the secret, so a sealed text cannot be moved to another row.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, Payload},
};
use domain::{EmailAddress, InstanceId, TenantId};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;

use crate::Error;

/// The first byte of everything sealed this way.
const VERSION: u8 = 1;
const NONCE: usize = 24;

/// 32 random bytes from which all other keys are derived. Whoever has it and the database has every token.
pub struct MasterKey(SecretBox<[u8; 32]>);

/// A text that is no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key must be 64 hexadecimal digits: make one with `openssl rand -hex 32`")]
pub struct NotAMasterKey;

impl MasterKey {
    /// A fresh key.
    pub fn generate() -> Self {
        Self(SecretBox::new(Box::new(<[u8; 32]>::generate())))
    }

    /// Reads a key written as 64 hexadecimal digits; blanks around them do not matter.
    pub fn from_hex(text: &str) -> Result<Self, NotAMasterKey> {
        let mut key = Box::new([0; 32]);
        hex::decode_to_slice(text.trim(), key.as_mut_slice()).map_err(|_| NotAMasterKey)?;
        Ok(Self(SecretBox::new(key)))
    }

    /// The key as hexadecimal digits, for the file that keeps it.
    pub fn to_hex(&self) -> SecretString {
        hex::encode(self.0.expose_secret()).into()
    }
}

impl Clone for MasterKey {
    fn clone(&self) -> Self {
        Self(SecretBox::new(Box::new(*self.0.expose_secret())))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// What a sealed text is; each has a key of its own.
#[derive(Clone, Copy)]
pub(crate) enum Secret {
    Credentials,
    Grant,
    Webhook,
}

/// The keys that are used.
pub(crate) struct Keys {
    credentials: XChaCha20Poly1305,
    grant: XChaCha20Poly1305,
    webhook: XChaCha20Poly1305,
    pepper: [u8; 32],
}

impl Keys {
    pub(crate) fn derive(master: &MasterKey) -> Self {
        let source = Hkdf::<Sha256>::new(None, master.0.expose_secret());
        let key = |label: &str| {
            let mut key = [0; 32];
            source.expand(label.as_bytes(), &mut key).expect("32 bytes are within what HKDF-SHA-256 gives");
            key
        };
        Self {
            credentials: XChaCha20Poly1305::new(&key("jirafleet/1/jira-credentials").into()),
            grant: XChaCha20Poly1305::new(&key("jirafleet/1/oauth-grant").into()),
            webhook: XChaCha20Poly1305::new(&key("jirafleet/1/webhook-secret").into()),
            pepper: key("jirafleet/1/e-mail-pepper"),
        }
    }

    /// Version, nonce, sealed text.
    pub(crate) fn seal(&self, secret: Secret, of: (TenantId, InstanceId), plain: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce = XNonce::generate();
        let payload = Payload { msg: plain, aad: &owner(of) };
        let sealed = self.cipher(secret).encrypt(&nonce, payload).map_err(|_| Error::sealed())?;
        Ok([&[VERSION], nonce.as_slice(), sealed.as_slice()].concat())
    }

    pub(crate) fn open(&self, secret: Secret, of: (TenantId, InstanceId), sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (version, rest) = sealed.split_first().ok_or_else(Error::sealed)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or_else(Error::sealed)?;
        if *version != VERSION {
            return Err(Error::sealed());
        }
        let payload = Payload { msg: text, aad: &owner(of) };
        self.cipher(secret).decrypt(&(*nonce).into(), payload).map_err(|_| Error::sealed())
    }

    /// Tells whether two addresses of one tenant are the same, and nothing else: guessing needs the pepper.
    pub(crate) fn email_hash(&self, tenant: TenantId, email: &EmailAddress) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.pepper).expect("HMAC takes keys of any length");
        mac.update(tenant.0.as_bytes());
        mac.update(email.normalised().as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    fn cipher(&self, secret: Secret) -> &XChaCha20Poly1305 {
        match secret {
            Secret::Credentials => &self.credentials,
            Secret::Grant => &self.grant,
            Secret::Webhook => &self.webhook,
        }
    }
}

fn owner((tenant, instance): (TenantId, InstanceId)) -> [u8; 32] {
    let mut owner = [0; 32];
    owner[..16].copy_from_slice(tenant.0.as_bytes());
    owner[16..].copy_from_slice(instance.0.as_bytes());
    owner
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

    use super::*;

    fn somebody() -> (TenantId, InstanceId) {
        (TenantId::generate(), InstanceId::generate())
    }

    #[test]
    fn what_was_sealed_opens() {
        let (keys, of) = (Keys::derive(&MasterKey::generate()), somebody());
        let sealed = keys.seal(Secret::Credentials, of, b"token").unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"token"));
        assert_eq!(keys.open(Secret::Credentials, of, &sealed).unwrap(), b"token");
        assert_ne!(sealed, keys.seal(Secret::Credentials, of, b"token").unwrap());
    }

    #[test]
    fn it_opens_nowhere_else() {
        let (keys, of) = (Keys::derive(&MasterKey::generate()), somebody());
        let sealed = keys.seal(Secret::Credentials, of, b"token").unwrap();
        assert!(keys.open(Secret::Webhook, of, &sealed).is_err());
        assert!(keys.open(Secret::Credentials, (of.0, InstanceId::generate()), &sealed).is_err());
        assert!(keys.open(Secret::Credentials, (TenantId::generate(), of.1), &sealed).is_err());
        assert!(Keys::derive(&MasterKey::generate()).open(Secret::Credentials, of, &sealed).is_err());
        for cut in [0, 1, 20, sealed.len() - 1] {
            assert!(keys.open(Secret::Credentials, of, &sealed[..cut]).is_err());
        }
        let mut bent = sealed;
        *bent.last_mut().unwrap() ^= 1;
        assert!(keys.open(Secret::Credentials, of, &bent).is_err());
    }

    #[test]
    fn a_key_survives_its_file() {
        let key = MasterKey::generate();
        let text = key.to_hex();
        let read = MasterKey::from_hex(&format!(" {}\n", text.expose_secret())).unwrap();
        assert_eq!(read.0.expose_secret(), key.0.expose_secret());
        assert!(MasterKey::from_hex("").is_err());
        assert!(MasterKey::from_hex(&"5g".repeat(32)).is_err());
        assert!(MasterKey::from_hex(&"5a".repeat(33)).is_err());
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
    }

    #[test]
    fn addresses_are_compared_within_a_tenant() {
        let keys = Keys::derive(&MasterKey::generate());
        let (tenant, other) = (TenantId::generate(), TenantId::generate());
        let hash = |tenant, text| keys.email_hash(tenant, &EmailAddress::new(text).unwrap());
        assert_eq!(hash(tenant, "Mia@acme.test"), hash(tenant, " mia@ACME.test"));
        assert_ne!(hash(tenant, "mia@acme.test"), hash(other, "mia@acme.test"));
    }
}
