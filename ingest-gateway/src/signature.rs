//! The proof that a body came from Jira: HMAC over its raw bytes, compared in constant time.
//!
//! `X-Hub-Signature: sha256=<hex>`; the method is named because Atlassian may start using another.

use axum::http::{HeaderMap, HeaderName};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Where Jira puts the signature.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-hub-signature");

/// Stands in for the secret of an instance that does not exist, so that its answer takes as long as any other.
const NOBODYS_SECRET: &[u8] = b"nobody signs with this, and no answer depends on it";

/// What the sender says the body's HMAC is.
#[derive(Clone, Copy, Hash)]
pub(crate) struct Signature([u8; 32]);

impl Signature {
    /// Reads the header. `None` when it is missing, repeated, of another method, or not the hex of 32 bytes.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        let hex = value.to_str().ok()?.strip_prefix("sha256=")?;
        let mut mac = [0; 32];
        hex::decode_to_slice(hex, &mut mac).ok()?;
        Some(Self(mac))
    }
}

/// Whether `claimed` is the signature of `body` under `secret`. Without a secret (an unknown instance, an empty setting)
/// or without a signature the answer is no, after the same work.
pub(crate) fn proves(claimed: Option<Signature>, secret: Option<&[u8]>, body: &[u8]) -> bool {
    let secret = secret.filter(|secret| !secret.is_empty());
    let mut mac = keyed(secret.unwrap_or(NOBODYS_SECRET));
    mac.update(body);
    let signed = mac.verify_slice(&claimed.unwrap_or(Signature([0; 32])).0).is_ok();
    signed && secret.is_some() && claimed.is_some()
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Atlassian's published example.
    const SECRET: &[u8] = b"It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello World!";
    const SIGNED: &str = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";

    fn parse(values: &[&str]) -> Option<Signature> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).expect("a header value"));
        }
        Signature::of(&headers)
    }

    #[test]
    fn the_published_example_is_proven() {
        let claimed = parse(&[SIGNED]);
        assert!(proves(claimed, Some(SECRET), BODY));
        assert!(proves(parse(&[&SIGNED.to_uppercase().replace("SHA256", "sha256")]), Some(SECRET), BODY));
    }

    #[test]
    fn any_other_body_secret_or_signature_is_not() {
        let claimed = parse(&[SIGNED]);
        assert!(!proves(claimed, Some(SECRET), b"Hello World"));
        assert!(!proves(claimed, Some(b"It's a secret to everybody"), BODY));
        assert!(!proves(parse(&[&SIGNED.replace("a477", "a478")]), Some(SECRET), BODY));
        assert!(!proves(None, Some(SECRET), BODY));
    }

    #[test]
    fn without_a_secret_nothing_is_proven() {
        for stand_in in [NOBODYS_SECRET, b""] {
            let mut mac = keyed(stand_in);
            mac.update(BODY);
            let forged = Some(Signature(mac.finalize().into_bytes().into()));
            assert!(!proves(forged, None, BODY));
            assert!(!proves(forged, Some(b""), BODY));
        }
    }

    #[test]
    fn a_header_of_another_form_is_no_signature() {
        for bad in [
            "",
            "sha256",
            "sha256=",
            "sha1=a4771c39fbe90f317c7824e83ddef3caae9cb3d9",
            "SHA256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
            "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
            "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263",
            "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9c9",
            "sha256=z4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
            "sha256= a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
        ] {
            assert!(parse(&[bad]).is_none(), "{bad}");
        }
        assert!(parse(&[]).is_none());
        assert!(parse(&[SIGNED, SIGNED]).is_none());
    }
}
