//! Reading key sets: what we cannot use is left out, not refused, since others may.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Bits of an RSA key that is taken.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Keys that are read of a set.
const MOST: usize = 10_000;

/// A key that proves signatures by its one algorithm.
#[derive(Clone)]
pub struct PublicKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Wire {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// The keys of a set that prove tokens, by their names; `None` where it is no set.
pub fn public_keys(text: &[u8]) -> Option<HashMap<String, PublicKey>> {
    let set: Set = serde_json::from_slice(text).ok()?;
    let wires = set.keys.into_iter().take(MOST).filter_map(|key| serde_json::from_value::<Wire>(key).ok());
    Some(wires.filter_map(|wire| Some((wire.kid.clone(), public_key(&wire)?))).collect())
}

fn public_key(wire: &Wire) -> Option<PublicKey> {
    if wire.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let is_for = |name: &str| wire.alg.as_deref().is_none_or(|alg| alg == name);
    match wire.kty.as_str() {
        "OKP" if wire.crv.as_deref() == Some("Ed25519") && is_for("EdDSA") => {
            let key = DecodingKey::from_ed_components(wire.x.as_deref()?).ok()?;
            Some(PublicKey { algorithm: Algorithm::EdDSA, key })
        }
        "RSA" if is_for("RS256") => {
            let (n, e) = (wire.n.as_deref()?, wire.e.as_deref()?);
            let bits = URL_SAFE_NO_PAD.decode(n).ok()?.len() * 8;
            let key = DecodingKey::from_rsa_components(n, e).ok()?;
            RSA_BITS.contains(&bits).then_some(PublicKey { algorithm: Algorithm::RS256, key })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_keys_that_prove_tokens_are_taken() {
        let x = URL_SAFE_NO_PAD.encode([9; 32]);
        let n = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xC5; bytes]);
        let set = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x},
            {"kty": "OKP", "crv": "Ed25519", "kid": "sealing", "x": x, "use": "enc"},
            {"kty": "OKP", "crv": "Ed25519", "kid": "other", "x": x, "alg": "RS256"},
            {"kty": "OKP", "crv": "X25519", "kid": "x", "x": x},
            {"kty": "RSA", "kid": "rsa", "n": n(256), "e": "AQAB", "alg": "RS256", "use": "sig"},
            {"kty": "RSA", "kid": "short", "n": n(128), "e": "AQAB"},
            {"kty": "RSA", "kid": "pss", "n": n(256), "e": "AQAB", "alg": "PS256"},
            {"kty": "oct", "kid": "secret", "k": "AAAA"},
            {"kty": "OKP", "crv": "Ed25519", "x": x},
            7,
        ]});
        let mut kids: Vec<String> = public_keys(set.to_string().as_bytes()).expect("a set").into_keys().collect();
        kids.sort();
        assert_eq!(kids, ["ed", "rsa"]);
        assert!(public_keys(b"[]").is_none() && public_keys(b"").is_none());
    }
}
