//! One webhook on its way: what is sent, where to, and how it is vouched for.

use axum::body::Bytes;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::agenda::{Flow, LaneKey};

/// A webhook for one receiver; the body's bytes are what is signed.
#[derive(Clone)]
pub(crate) struct Parcel {
    /// The same on every try.
    pub(super) identifier: String,
    pub(super) event: String,
    /// None where the receiver wants no body.
    pub(super) body: Option<Bytes>,
    pub(super) flow: Flow,
    /// The registered webhooks it is for, at least one.
    pub(super) hooks: Vec<u64>,
    pub(super) address: Address,
    /// What stands for `{issue.key}` and the like in the address.
    pub(super) variables: Vec<(&'static str, String)>,
    /// Tries made so far.
    pub(super) tries: usize,
    /// Not tried again: the receiver has been failing for long.
    pub(super) single: bool,
    pub(super) forged: bool,
}

/// Where to, and how signed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) url: String,
    pub(super) seal: Seal,
}

/// How a receiver can tell that a webhook is Jira's.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Seal {
    /// Not at all.
    None,
    /// `X-Hub-Signature`, by the webhook's own secret.
    Secret(String),
    /// `Authorization: Bearer`, a token signed with the app's secret.
    App { client_id: String, secret: String },
}

impl Parcel {
    pub(super) fn lane(&self) -> LaneKey {
        let rest = self.address.url.split_once("://").map_or(self.address.url.as_str(), |(_, rest)| rest);
        (rest.split(['/', '?']).next().unwrap_or_default().to_owned(), self.flow)
    }

    /// A copy by somebody who does not know the secret.
    pub(super) fn forged(self) -> Self {
        let seal = match self.address.seal {
            Seal::None => Seal::None,
            Seal::Secret(_) => Seal::Secret("not the secret".into()),
            Seal::App { client_id, .. } => Seal::App { client_id, secret: "not the secret".into() },
        };
        Self { identifier: identifier(), address: Address { seal, ..self.address }, forged: true, ..self }
    }

    /// The address with its variables filled in.
    pub(super) fn url(&self) -> String {
        let fill = |url: String, (name, value): &(&str, String)| url.replace(&format!("{{{name}}}"), value);
        self.variables.iter().fold(self.address.url.clone(), fill)
    }
}

impl Seal {
    /// The header that vouches for this body at this moment.
    pub(super) fn header(&self, body: &[u8], now: DateTime<Utc>) -> Option<(&'static str, String)> {
        match self {
            Self::None => None,
            Self::Secret(secret) => Some(("X-Hub-Signature", signature(secret, body))),
            Self::App { client_id, secret } => {
                Some(("Authorization", format!("Bearer {}", jwt(client_id, secret, now))))
            }
        }
    }
}

pub(super) fn identifier() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// `sha256=<hex>`: HMAC of exactly these bytes.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(hmac(secret, body)))
}

fn hmac(secret: &str, bytes: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

/// A token that names the app and is good for three minutes.
fn jwt(client_id: &str, secret: &str, now: DateTime<Utc>) -> String {
    let claims = json!({"iss": client_id, "iat": now.timestamp(), "exp": (now + TimeDelta::minutes(3)).timestamp()});
    let part = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(json!({"alg": "HS256", "typ": "JWT"}).to_string()), part(claims.to_string()));
    let seal = BASE64_URL_SAFE_NO_PAD.encode(hmac(secret, signed.as_bytes()));
    format!("{signed}.{seal}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_agrees_with_the_published_vector() {
        let expected = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
        assert_eq!(signature("It's a Secret to Everybody", b"Hello World!"), expected);
    }

    #[test]
    fn an_apps_token_is_signed_with_its_secret() {
        let token = jwt("app", "secret", DateTime::UNIX_EPOCH);
        let (signed, seal) = token.rsplit_once('.').unwrap_or_default();
        assert_eq!(seal, BASE64_URL_SAFE_NO_PAD.encode(hmac("secret", signed.as_bytes())));
        assert_ne!(seal, BASE64_URL_SAFE_NO_PAD.encode(hmac("other", signed.as_bytes())));
    }
}
