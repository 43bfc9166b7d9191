//! Tokens (JSON Web Tokens, RFC 7519): what one claims counts when a key proves it, it is for us, and its time is now.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Validation, decode};
use serde::Deserialize;
use serde_json::Value;

use crate::PublicKey;

/// By so many seconds clocks may differ.
pub const SKEW: u64 = 60;
/// Seconds that a token may live.
pub const LONGEST_LIFE: u64 = 900;
/// Bytes of a token.
const LONGEST: usize = 8192;

/// What a token claims.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// Who it is about.
    pub sub: String,
    /// What it is good for, with spaces between.
    #[serde(default)]
    pub scope: String,
    /// Whose data, where we made it ourselves.
    #[serde(default)]
    pub tid: Option<String>,
    iat: u64,
    exp: u64,
}

/// Why a token does not count. No more is said of it to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsigned;

#[derive(Deserialize)]
struct Header {
    kid: String,
    /// Extensions that must be understood; we understand none.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Issued {
    iss: String,
}

/// The name of the key that is said to have signed a token, and who is said to have issued it: where to look for the key,
/// and no more.
pub fn kid(token: &str) -> Option<(String, String)> {
    if token.len() > LONGEST {
        return None;
    }
    let mut parts = token.split('.');
    let (header, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let header: Header = serde_json::from_slice(&part(header)?).ok()?;
    let issued: Issued = serde_json::from_slice(&part(claims)?).ok()?;
    (header.crit.is_none() && !header.kid.is_empty()).then_some((header.kid, issued.iss))
}

impl PublicKey {
    /// What a token claims that this key signed for an audience, on an issuer's behalf.
    pub fn claims(&self, token: &str, issuer: &str, audience: &str) -> Result<Claims, Unsigned> {
        let mut rules = Validation::new(self.algorithm);
        rules.leeway = SKEW;
        rules.validate_nbf = true;
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims: Claims = decode(token, &self.key, &rules).map_err(|_| Unsigned)?.claims;
        let life = claims.exp.checked_sub(claims.iat).ok_or(Unsigned)?;
        let now = jsonwebtoken::get_current_timestamp();
        if life > LONGEST_LIFE || claims.iat > now + SKEW || claims.sub.is_empty() { Err(Unsigned) } else { Ok(claims) }
    }
}
