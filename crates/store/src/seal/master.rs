//! The master key: the one secret that is not in the database. While it is being replaced there are two or more of them,
//! the newest first.

use std::{fmt, path::PathBuf};

use chacha20poly1305::{KeyInit, XChaCha20Poly1305, aead::Generate};
use domain::{InstanceId, TenantId};
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;

use super::{Key, Place, Secret, Wrapped, bound, decrypt, encrypt};
use crate::Error;

/// 32 random bytes that seal all other keys; before them in time, those that did so earlier. Whoever has it and the
/// database has every token.
pub struct MasterKey {
    /// The newest first; never empty.
    keys: Vec<Key>,
    file: Option<PathBuf>,
}

/// A text that is no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the master key must be 64 hexadecimal digits, or several such lines with the newest first: make one with `openssl \
     rand -hex 32`"
)]
pub struct NotAMasterKey;

impl MasterKey {
    /// A fresh key.
    pub fn generate() -> Self {
        Self { keys: vec![SecretBox::new(Box::new(<[u8; 32]>::generate()))], file: None }
    }

    /// Reads a key written as 64 hexadecimal digits, or several, one a line, the newest first. Blanks do not matter.
    pub fn from_hex(text: &str) -> Result<Self, NotAMasterKey> {
        let keys: Vec<Key> = text.split_whitespace().map(read_key).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(NotAMasterKey) } else { Ok(Self { keys, file: None }) }
    }

    /// Says which file it came from. The file is read again when a key was sealed by one that is not known, so processes
    /// need not be restarted when it changes.
    pub fn kept_in(self, file: impl Into<PathBuf>) -> Self {
        Self { file: Some(file.into()), ..self }
    }

    /// This key, and a fresh one before it.
    pub fn renewed(&self) -> Self {
        let mut renewed = Self { file: self.file.clone(), ..Self::generate() };
        renewed.keys.extend(self.clone().keys);
        renewed
    }

    /// The key as hexadecimal digits, for the file that keeps it; several lines where there are several.
    pub fn to_hex(&self) -> SecretString {
        self.keys.iter().map(|key| hex::encode(key.expose_secret())).collect::<Vec<_>>().join("\n").into()
    }

    /// What the keys are called, the newest first. No key can be learned from it.
    pub fn names(&self) -> Vec<String> {
        self.keys.iter().map(|key| Master::of(key).name).collect()
    }

    pub(super) async fn read_again(&self) -> Option<Self> {
        let text = tokio::fs::read_to_string(self.file.as_ref()?).await.ok()?;
        Self::from_hex(&text).ok()
    }
}

fn read_key(text: &str) -> Result<Key, NotAMasterKey> {
    let mut key = Box::new([0; 32]);
    hex::decode_to_slice(text, key.as_mut_slice()).map_err(|_| NotAMasterKey)?;
    Ok(SecretBox::new(key))
}

impl Clone for MasterKey {
    fn clone(&self) -> Self {
        let keys = self.keys.iter().map(|key| SecretBox::new(Box::new(*key.expose_secret()))).collect();
        Self { keys, file: self.file.clone() }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// The master keys that are known, the newest first.
pub(super) struct Ring(Vec<Master>);

/// One master key, and what is derived from it.
struct Master {
    name: String,
    kek: XChaCha20Poly1305,
    /// What the first releases sealed with: credentials, grants, webhook secrets.
    old: [XChaCha20Poly1305; 3],
    old_email_pepper: Key,
}

impl Master {
    fn of(key: &Key) -> Self {
        let source = Hkdf::<Sha256>::new(None, key.expose_secret());
        let derived = |label: &str| {
            let mut key = Box::new([0; 32]);
            let done = source.expand(label.as_bytes(), key.as_mut_slice());
            done.expect("32 bytes are within what HKDF-SHA-256 gives");
            SecretBox::<[u8; 32]>::new(key)
        };
        let cipher = |label: &str| XChaCha20Poly1305::new(derived(label).expose_secret().into());
        Self {
            name: hex::encode(&derived("jirafleet/2/name").expose_secret()[..8]),
            kek: cipher("jirafleet/2/key-encryption"),
            old: [
                cipher("jirafleet/1/jira-credentials"),
                cipher("jirafleet/1/oauth-grant"),
                cipher("jirafleet/1/webhook-secret"),
            ],
            old_email_pepper: derived("jirafleet/1/e-mail-pepper"),
        }
    }

    /// The first releases kept no secret that was replaced.
    fn old(&self, secret: Secret) -> &XChaCha20Poly1305 {
        match secret {
            Secret::Credentials => &self.old[0],
            Secret::Grant => &self.old[1],
            Secret::Webhook | Secret::PreviousWebhook => &self.old[2],
        }
    }
}

impl Ring {
    pub(super) fn of(master: &MasterKey) -> Self {
        Self(master.keys.iter().map(Master::of).collect())
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|master| master.name == name)
    }

    /// What the newest is called.
    pub(super) fn newest(&self) -> &str {
        self.0.first().map(|master| master.name.as_str()).unwrap_or_default()
    }

    pub(super) fn wrap(&self, place: &Place<'_>, key: &Key) -> Result<Wrapped, Error> {
        let newest = self.0.first().ok_or_else(Error::sealed)?;
        let text = encrypt(&newest.kek, &place.bound(&newest.name), key.expose_secret())?;
        Ok(Wrapped { kek: newest.name.clone(), text })
    }

    pub(super) fn unwrap(&self, place: &Place<'_>, wrapped: &Wrapped) -> Result<Key, Error> {
        let master = self.0.iter().find(|master| master.name == wrapped.kek);
        let master = master.ok_or_else(|| {
            Error::Configuration(format!(
                "the master key {} is needed and is not in the master key file: put it back, below the newest one",
                wrapped.kek
            ))
        })?;
        let plain = decrypt(&master.kek, &place.bound(&wrapped.kek), &wrapped.text)?;
        let key = <[u8; 32]>::try_from(plain).map_err(|_| Error::sealed())?;
        Ok(SecretBox::new(Box::new(key)))
    }

    /// Opens what the first releases sealed, without its first byte. Nothing in it says under which master key, so each is
    /// tried.
    pub(super) fn open_old(&self, secret: Secret, of: (TenantId, InstanceId), text: &[u8]) -> Result<Vec<u8>, Error> {
        let owner = [*of.0.0.as_bytes(), *of.1.0.as_bytes()].concat();
        let opened = self.0.iter().find_map(|master| decrypt(master.old(secret), &owner, text).ok());
        opened.ok_or_else(Error::sealed)
    }

    /// What the first releases hashed mail addresses with: derived from the oldest key, which was theirs.
    pub(super) fn old_email_pepper(&self) -> Option<Key> {
        let pepper = &self.0.last()?.old_email_pepper;
        Some(SecretBox::new(Box::new(*pepper.expose_secret())))
    }
}

impl Place<'_> {
    fn bound(&self, kek: &str) -> Vec<u8> {
        [bound(self.column, self.tenant, self.row), kek.as_bytes().to_vec()].concat()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure here is the test's failure")]

    use uuid::Uuid;

    use super::{super::fresh, *};

    #[test]
    fn a_key_survives_its_file() {
        let key = MasterKey::generate();
        let text = key.to_hex();
        let read = MasterKey::from_hex(&format!(" {}\n", text.expose_secret())).unwrap();
        assert_eq!(read.names(), key.names());
        let renewed = key.renewed();
        let read = MasterKey::from_hex(renewed.to_hex().expose_secret()).unwrap();
        assert_eq!((read.names().len(), &read.names()[1]), (2, &key.names()[0]));
        assert!(MasterKey::from_hex("").is_err());
        assert!(MasterKey::from_hex(&"5g".repeat(32)).is_err());
        assert!(MasterKey::from_hex(&"5a".repeat(33)).is_err());
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
        assert!(!text.expose_secret().contains(&key.names()[0]));
    }

    #[test]
    fn a_key_opens_in_its_place_under_its_master_key() {
        let old = MasterKey::generate();
        let place = |id| Place { column: "tenant_keys.key_sealed", tenant: TenantId(Uuid::nil()), row: id };
        let (key, wrapped_key) = (fresh(), |ring: &Ring, key| ring.wrap(&place(&[1]), key).unwrap());
        let wrapped = wrapped_key(&Ring::of(&old), &key);
        let both = Ring::of(&old.renewed());
        assert_eq!(both.unwrap(&place(&[1]), &wrapped).unwrap().expose_secret(), key.expose_secret());
        assert!(both.unwrap(&place(&[2]), &wrapped).is_err());
        let again = wrapped_key(&both, &key);
        assert_ne!(again.kek, wrapped.kek);
        let lacking = Ring::of(&old).unwrap(&place(&[1]), &again).unwrap_err().to_string();
        assert!(lacking.contains(&again.kek), "{lacking}");
        let renamed = Wrapped { kek: both.newest().to_owned(), text: wrapped.text };
        assert!(both.unwrap(&place(&[1]), &renamed).is_err());
    }

    /// Bytes that the first release wrote, with the key, the tenant and the instance below.
    #[test]
    fn what_the_first_release_sealed_opens() {
        let of = (TenantId(Uuid::from_u128(1)), InstanceId(Uuid::from_u128(2)));
        let master = MasterKey::from_hex(&"5a".repeat(32)).unwrap();
        for ring in [Ring::of(&master), Ring::of(&master.renewed())] {
            for (secret, sealed, plain) in OLD_TEXTS {
                let text = hex::decode(sealed).unwrap();
                assert_eq!(text[0], super::super::OLD);
                assert_eq!(ring.open_old(secret, of, &text[1..]).unwrap(), plain.as_bytes(), "{secret:?}");
                let other = if secret == Secret::Grant { Secret::Webhook } else { Secret::Grant };
                assert!(ring.open_old(other, of, &text[1..]).is_err());
            }
        }
        let pepper = Ring::of(&master.renewed()).old_email_pepper().unwrap();
        let hash = super::super::mac(&pepper, &[of.0.0.as_bytes(), b"mia@acme.test"]);
        assert_eq!(hex::encode(hash), OLD_EMAIL_HASH, "hashes of addresses stay what they were");
    }

    const OLD_TEXTS: [(Secret, &str, &str); 3] = [
        (
            Secret::Credentials,
            "014f67b0e074b89624e63a70754d3f49835cfac7d5ebebb7fb4553c5c4b4e0e150b0bc45b1162d8cecc3adf95b7afdcebbf89411528e6c\
             9b2e1eac5c9adc882d99e11c710a4dae4b4e81cda48e57a24b8965ba",
            r#"{"email":"bot@acme.test","token":"s3cret"}"#,
        ),
        (
            Secret::Grant,
            "01f94386c3c741a77d5bf5a9d9c143879cf808d91ebc931471a03fff7e229a3fec77f0bfeaf42c1630b37f0bf07255ad5a52d96f78e57c\
             afd9b5bd6980eff161d8f842f0d1",
            r#"{"access":"a","refresh":"r"}"#,
        ),
        (
            Secret::Webhook,
            "017174da5343ae68d63604144c354cb98f492e3f84d6dc54ce89d32c09aba0822973a7ac75f2ae60553f7509c8",
            "hook",
        ),
    ];
    /// Of `mia@acme.test` with that tenant.
    const OLD_EMAIL_HASH: &str = "858ec6f704b566bdfd26862b006f514e7690916a08209aeeff82cfb23e518572";
}
