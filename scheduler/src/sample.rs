//! Tenants and instances for unit tests.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Instance, InstanceId, InstanceState, Site, Tenant, TenantId};

pub(crate) fn tenant(suspended: bool) -> Tenant {
    Tenant { id: TenantId::generate(), name: "t".into(), suspended, created_at: DateTime::<Utc>::UNIX_EPOCH }
}

pub(crate) fn instance(tenant: &Tenant, state: InstanceState) -> Instance {
    Instance {
        id: InstanceId::generate(),
        tenant: tenant.id,
        name: "acme".into(),
        site: Site::trusted("https://acme.atlassian.net".into()),
        account: None,
        state,
        poll_interval: Duration::from_secs(300),
        requests_per_minute: 100,
        created_at: DateTime::<Utc>::UNIX_EPOCH,
        time_zone: None,
    }
}
