//! From a key or a token to a caller. A key that is mistyped is refused without a question; what the store says of one,
//! good or bad, is remembered for less than a second, so that a revocation takes hold within that time in every process,
//! and an unknown key costs as much as a known one. Tokens made from a key end with it.

mod issuers;
mod own;

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Scope, TenantId};
use sha2::{Digest, Sha256};
use store::{Actor, ActorKind, ApiKey, ApiKeyId, ApiToken, Store};

pub use issuers::Issuer;
pub(crate) use own::{Mint, Minted, Wanted, mint};

use super::{Caller, Error, recent::Recent};
use issuers::Issuers;

/// A key whose last use was written down longer ago than this is written down again.
const COARSE: TimeDelta = TimeDelta::minutes(5);

/// Who is let in.
pub(crate) struct Access {
    /// By the hash of the token, which is kept nowhere.
    keys: Recent<[u8; 32], Option<ApiKey>>,
    by_id: Recent<ApiKeyId, Option<ApiKey>>,
    tenants: Recent<TenantId, bool>,
    pub(crate) mint: Mint,
    issuers: Issuers,
}

/// The circumstances of one request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) from: IpAddr,
    pub(crate) at: DateTime<Utc>,
    pub(crate) id: String,
    pub(crate) trace: Option<String>,
}

impl Request {
    fn actor(&self, kind: ActorKind, id: String) -> Actor {
        Actor { request_id: Some(self.id.clone()), trace_id: self.trace.clone(), ..Actor::new(kind, id) }
    }
}

impl Access {
    pub(crate) fn new(mint: Mint, issuers: Vec<Issuer>) -> Self {
        let issuers = Issuers::new(issuers);
        Self { keys: Recent::default(), by_id: Recent::default(), tenants: Recent::default(), mint, issuers }
    }

    /// Who holds this. All reasons against it sound the same.
    pub(crate) async fn caller(&self, store: &Store, shown: Option<&str>, request: &Request) -> Result<Caller, Error> {
        let shown = shown.ok_or(Error::Unproven)?;
        match jwks::kid(shown) {
            Some((kid, issuer)) if issuer == own::ISSUER => self.own(store, shown, &kid, request).await,
            Some((kid, issuer)) => self.foreign(store, shown, (&kid, &issuer), request).await,
            None => self.key(store, shown, request).await,
        }
    }

    async fn key(&self, store: &Store, shown: &str, request: &Request) -> Result<Caller, Error> {
        let token = ApiToken::parse(shown).map_err(|_| Error::Unproven)?;
        let hash: [u8; 32] = Sha256::digest(token.expose()).into();
        let ask = async || {
            let key = store.system().api_key(&token).await?;
            key.iter().filter(|key| key.admits(request.at, request.from)).for_each(|key| note_use(store, key));
            Ok(key)
        };
        let key = self.keys.get(hash, ask).await?;
        let key = key.filter(|key| key.admits(request.at, request.from)).ok_or(Error::Unproven)?;
        Ok(of_key(&key, key.scopes.clone(), Some(key.id), request))
    }

    /// A token that we made is good for what its key is good for now, and no more than it was made for.
    async fn own(&self, store: &Store, shown: &str, kid: &str, request: &Request) -> Result<Caller, Error> {
        let claims = self.mint.claims(store, shown, kid, request.at)?;
        let (tenant, id) = (claims.tenant, claims.key);
        let key = self.by_id.get(id, async || store.tenant(tenant).api_key(id).await).await?;
        let key = key.filter(|key| key.tenant == tenant && key.admits(request.at, request.from));
        let key = key.ok_or(Error::Unproven)?;
        let scopes = claims.scopes.into_iter().filter(|scope| key.scopes.contains(scope)).collect();
        Ok(of_key(&key, scopes, None, request))
    }

    async fn foreign(
        &self,
        store: &Store,
        shown: &str,
        signed: (&str, &str),
        request: &Request,
    ) -> Result<Caller, Error> {
        let known = self.issuers.claims(shown, signed).await.ok_or(Error::Unproven)?;
        let tenant = known.tenant;
        let is_there = async || {
            let tenant = store.system().tenant(tenant).await?;
            Ok(tenant.is_some_and(|tenant| !tenant.suspended))
        };
        if !self.tenants.get(tenant, is_there).await? {
            return Err(Error::Unproven);
        }
        let actor = request.actor(ActorKind::User, known.who.clone());
        Ok(Caller { tenant, actor, scopes: known.scopes, key: None, purse: format!("user:{}", known.who) })
    }
}

fn of_key(key: &ApiKey, scopes: Vec<Scope>, itself: Option<ApiKeyId>, request: &Request) -> Caller {
    let actor = request.actor(ActorKind::ApiKey, key.id.to_string());
    Caller { tenant: key.tenant, actor, scopes, key: itself, purse: format!("key:{}", key.id) }
}

/// Writes down now and then that a key is used; nobody waits for it.
fn note_use(store: &Store, key: &ApiKey) {
    if key.last_used_at.is_some_and(|last| Utc::now() - last < COARSE) {
        return;
    }
    let (mirror, id) = (store.tenant(key.tenant), key.id);
    tokio::spawn(async move {
        if let Err(error) = mirror.api_key_used(id).await {
            tracing::warn!(key.id = %id, error.code = error.code(), error = %error, "a key's use was not written down");
        }
    });
}
