//! Others who may say who somebody is: an operator names each, the tenant its people belong to, and what they may do.

use std::sync::Arc;

use domain::{Scope, TenantId};
use jwks::KeySet;
use sha2::{Digest, Sha256};

/// Somebody whose tokens count.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// As its tokens say it.
    pub issuer: String,
    /// Whom its tokens must be for.
    pub audience: String,
    /// Whose data its people may see.
    pub tenant: TenantId,
    /// What they may do at most; less, where a token's `scope` says so.
    pub scopes: Vec<Scope>,
    /// Its public keys.
    pub keys: Arc<KeySet>,
}

pub(super) struct Issuers(Vec<Issuer>);

/// Somebody whom an issuer knows.
pub(super) struct Known {
    pub(super) tenant: TenantId,
    pub(super) who: String,
    pub(super) scopes: Vec<Scope>,
}

impl Issuers {
    pub(super) fn new(issuers: Vec<Issuer>) -> Self {
        Self(issuers)
    }

    pub(super) async fn claims(&self, token: &str, (kid, issuer): (&str, &str)) -> Option<Known> {
        let issuer = self.0.iter().find(|known| known.issuer == issuer)?;
        let key = issuer.keys.key(kid).await?;
        let claims = key.claims(token, &issuer.issuer, &issuer.audience).ok()?;
        let asked: Vec<&str> = claims.scope.split_whitespace().collect();
        let scopes = issuer.scopes.iter().copied().filter(|scope| asked.contains(&scope.name())).collect();
        Some(Known { tenant: issuer.tenant, who: name(&issuer.issuer, &claims.sub), scopes })
    }
}

/// As the audit log names somebody: never by what may be a mail address.
fn name(issuer: &str, sub: &str) -> String {
    let is_opaque =
        sub.len() <= 128 && sub.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_|:.".contains(&byte));
    if is_opaque {
        return sub.to_owned();
    }
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(sub);
    format!("sha256:{}", hex::encode(&hash.finalize()[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_named_by_a_mail_address() {
        assert_eq!(name("https://login", "auth0|5f7c"), "auth0|5f7c");
        let hidden = name("https://login", "mia@example.com");
        assert!(hidden.starts_with("sha256:") && hidden != name("https://other", "mia@example.com"));
    }
}
