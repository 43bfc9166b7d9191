//! Who asks, on whose behalf, and what that one may do. There is no "current user": every use case is given its caller.

use domain::{Scope, TenantId};
use store::{Actor, ApiKeyId};

use super::Error;

/// Somebody whose key or token was good.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Whose data it may see.
    pub(crate) tenant: TenantId,
    /// As the audit log names it, with the request it makes now.
    pub(crate) actor: Actor,
    /// What it may do; nothing else.
    pub(crate) scopes: Vec<Scope>,
    /// The key it came with; absent where it came with a token.
    pub(crate) key: Option<ApiKeyId>,
    /// Whose requests are counted together.
    pub(crate) purse: String,
}

impl Caller {
    /// Refuses a caller that lacks a scope.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), Error> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(Error::Forbidden(scope)) }
    }
}
