//! The proof of an app's own webhooks: a token that Jira signs with the app's secret, in place of the body's HMAC.
//!
//! It says who sends and not what is sent; so like every webhook it is only a reason to look again.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

/// How far Jira's clock may be off, in seconds.
const SKEW: u64 = 60;
/// Longer than any token of Jira's.
const LONGEST: usize = 4096;

/// A token, unproven.
#[derive(Clone)]
pub(crate) struct Token(String);

/// Whatever else it says is of no use here.
#[derive(Deserialize)]
struct Claims {}

impl Token {
    /// Reads the header. `None` when it is missing, repeated, or no bearer token.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        let token = value.to_str().ok()?.strip_prefix("Bearer ")?;
        (token.len() <= LONGEST).then(|| Self(token.to_owned()))
    }

    /// Whether the app's secret signed it, and it has not ended. Only HS256 counts, whatever its own header says.
    pub(crate) fn is_proven_by(&self, secret: &[u8]) -> bool {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.leeway = SKEW;
        rules.validate_aud = false;
        // Which claims Jira sets is not documented: one that is there must hold.
        rules.required_spec_claims.clear();
        rules.validate_nbf = true;
        !secret.is_empty() && decode::<Claims>(&self.0, &DecodingKey::from_secret(secret), &rules).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use chrono::Utc;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &[u8] = b"an app's secret";

    fn token(algorithm: Algorithm, claims: &Value) -> Token {
        Token(encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(SECRET)).expect("a token"))
    }

    #[test]
    fn the_apps_secret_proves_it_until_it_ends() {
        let now = Utc::now().timestamp();
        let fresh = token(Algorithm::HS256, &json!({"iss": "app", "iat": now, "exp": now + 180}));
        assert!(fresh.is_proven_by(SECRET));
        assert!(!fresh.is_proven_by(b"another secret") && !fresh.is_proven_by(b""));
        assert!(token(Algorithm::HS256, &json!({"iss": "app"})).is_proven_by(SECRET));
        assert!(!token(Algorithm::HS256, &json!({"exp": now - 120})).is_proven_by(SECRET));
        assert!(!token(Algorithm::HS256, &json!({"nbf": now + 120})).is_proven_by(SECRET));
    }

    #[test]
    fn no_other_algorithm_counts() {
        assert!(!token(Algorithm::HS512, &json!({})).is_proven_by(SECRET));
        let none = "eyJhbGciOiJub25lIn0.e30.";
        assert!(!Token(none.to_owned()).is_proven_by(SECRET));
    }

    #[test]
    fn only_one_bearer_token_is_read() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).expect("a header value"));
            }
            Token::of(&headers).is_some()
        };
        assert!(read(&["Bearer a.b.c"]));
        assert!(!read(&[]) && !read(&["Basic a"]) && !read(&["Bearer a", "Bearer b"]));
        assert!(!read(&[&format!("Bearer {}", "a".repeat(LONGEST + 1))]));
    }
}
