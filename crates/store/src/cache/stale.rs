//! What a transaction made stale: dropped after its commit, forgotten with its rollback.

use std::{collections::BTreeSet, sync::Arc};

use domain::TenantId;

use super::{Cache, Key};

/// The entries that a transaction's writes concern. Without a cache there are none.
#[derive(Clone)]
pub(crate) struct Stale {
    cache: Option<Arc<Cache>>,
    tenant: TenantId,
    names: BTreeSet<String>,
}

impl Stale {
    pub(crate) fn new(cache: Option<Arc<Cache>>, tenant: TenantId) -> Self {
        Self { cache, tenant, names: BTreeSet::new() }
    }

    /// Whether anybody wants to know.
    pub(crate) fn is_wanted(&self) -> bool {
        self.cache.is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(crate) fn add(&mut self, key: &impl Key) {
        if let Some(cache) = &self.cache {
            self.names.insert(cache.name(self.tenant, key));
        }
    }

    /// Drops them, in one round trip and within a bounded time. What fails is owed, never an error.
    pub(crate) async fn forget(self) {
        if let Some(cache) = &self.cache {
            cache.drop_all(self.names.into_iter().collect()).await;
        }
    }
}
