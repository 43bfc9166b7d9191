//! Loading 20,000 new issues, and reading them again: `load_20k`, `load_20k_two_writers`, `reread_20k`.
//!
//! Each measurement has a database of its own, migrated and checkpointed before the clock starts. Ours goes through
//! `TenantTx::apply`, as everything does.

use std::time::{Duration, Instant};

use domain::{InstanceId, InstanceState, IssueSnapshot, Site};
use store::{Credentials, Login, NewInstance, Store, TenantStore};
use tokio::task::JoinSet;

use super::{
    copy,
    pages::{ISSUES, Pages},
    server::{Server, run},
    unnest,
};
use crate::measure::rate;

/// Who loads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Jirafleet,
    Unnest,
    Copy,
}

/// What came of a load.
pub(crate) struct Loaded {
    /// Issues a second.
    pub(crate) rate: f64,
    /// Written to the write-ahead log, in MB.
    pub(crate) logged_mb: f64,
}

/// What came of reading again.
pub(crate) struct Reread {
    /// Issues a second when nothing is told that is not known.
    pub(crate) rate: f64,
    /// Written to the write-ahead log meanwhile, in bytes.
    pub(crate) logged: f64,
    /// Issues a second when the same is seen at a later time, which is remembered in each row.
    pub(crate) later: f64,
}

impl Subject {
    pub(crate) const ALL: [Self; 3] = [Self::Unnest, Self::Copy, Self::Jirafleet];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Jirafleet => "jirafleet",
            Self::Unnest => "unnest",
            Self::Copy => "copy",
        }
    }

    /// One load by so many writers.
    pub(crate) async fn load(self, server: &Server, pages: &Pages, writers: usize) -> Loaded {
        let database = server.database().await;
        let loaded = match self {
            Self::Jirafleet => Ours::in_database(server, &database, writers).await.load(server, pages, writers).await,
            Self::Unnest | Self::Copy => self.load_plainly(server, &database, pages, writers).await,
        };
        server.drop(&database).await;
        loaded
    }

    async fn load_plainly(self, server: &Server, database: &str, pages: &Pages, writers: usize) -> Loaded {
        let tables = if self == Self::Copy { copy::TABLES } else { unnest::TABLES };
        run(&mut server.superuser(database).await, tables).await;
        let mut connections = Vec::new();
        for _ in 0..writers {
            connections.push(server.superuser(database).await);
        }
        let position = server.settle().await;
        let (begun, mut at_work, pile) = (Instant::now(), JoinSet::new(), pages.pile());
        for (writer, connection) in connections.into_iter().enumerate() {
            match self {
                Self::Copy => at_work.spawn(copy::write(connection, pages.clone(), writer, writers)),
                _ => at_work.spawn(unnest::write(connection, pile.clone())),
            };
        }
        at_work.join_all().await;
        loaded(server, begun.elapsed(), position).await
    }
}

async fn loaded(server: &Server, took: Duration, position: i64) -> Loaded {
    let logged_mb = server.logged_since(position).await as f64 / 1e6;
    Loaded { rate: rate(ISSUES, took), logged_mb }
}

/// A mirror of its own, with one instance.
pub(crate) struct Ours {
    store: Store,
    tenant: TenantStore,
    instance: InstanceId,
}

impl Ours {
    pub(crate) async fn in_database(server: &Server, database: &str, writers: usize) -> Self {
        server.migrate(database).await;
        let store = server.store(database, u32::try_from(writers).unwrap_or(u32::MAX)).await;
        let (tenant, instance) = register(&store, "bench").await;
        Self { store, tenant, instance }
    }

    async fn load(self, server: &Server, pages: &Pages, writers: usize) -> Loaded {
        let position = server.settle().await;
        let begun = Instant::now();
        self.write(pages, writers).await;
        let loaded = loaded(server, begun.elapsed(), position).await;
        self.store.close().await;
        loaded
    }

    async fn write(&self, pages: &Pages, writers: usize) {
        let (mut at_work, pile) = (JoinSet::new(), pages.pile());
        for _ in 0..writers {
            let (tenant, instance, pile) = (self.tenant.clone(), self.instance, pile.clone());
            at_work.spawn(async move {
                while let Some(page) = pile.take() {
                    let written = apply(&tenant, instance, page).await;
                    assert_eq!(written, page.len(), "every issue is new");
                }
            });
        }
        at_work.join_all().await;
    }

    /// Reads everything again, twice. Once before that is not measured: the first to read rows after their writer, whoever it
    /// is, marks them as committed, and with checksums PostgreSQL logs each page on which it does.
    pub(crate) async fn reread(server: &Server, pages: &Pages) -> Reread {
        let database = server.database().await;
        let ours = Self::in_database(server, &database, 1).await;
        ours.write(pages, 1).await;
        ours.read_again(pages).await;
        let position = server.settle().await;
        let begun = Instant::now();
        ours.read_again(pages).await;
        let (known, logged) = (begun.elapsed(), server.logged_since(position).await);
        let later: Vec<Vec<IssueSnapshot>> = pages.iter().map(seen_later).collect();
        server.settle().await;
        let begun = Instant::now();
        for page in &later {
            assert_eq!(apply(&ours.tenant, ours.instance, page).await, 0, "nothing is new");
        }
        let later = rate(ISSUES, begun.elapsed());
        ours.store.close().await;
        server.drop(&database).await;
        Reread { rate: rate(ISSUES, known), logged: logged as f64, later }
    }

    async fn read_again(&self, pages: &Pages) {
        for page in pages.iter() {
            assert_eq!(apply(&self.tenant, self.instance, page).await, 0, "nothing is new");
        }
    }
}

fn seen_later(page: &[IssueSnapshot]) -> Vec<IssueSnapshot> {
    let later = |snapshot: &IssueSnapshot| {
        let mut snapshot = snapshot.clone();
        snapshot.observed_at += Duration::from_secs(300);
        snapshot
    };
    page.iter().map(later).collect()
}

/// How many of the page were written.
async fn apply(tenant: &TenantStore, instance: InstanceId, page: &[IssueSnapshot]) -> usize {
    let mut tx = tenant.begin().await.expect("a transaction begins");
    let applied = tx.apply(instance, page).await.expect("a page is applied");
    tx.commit().await.expect("a page is committed");
    applied.written
}

/// A tenant with one instance of the same name.
pub(crate) async fn register(store: &Store, name: &str) -> (TenantStore, InstanceId) {
    let tenant = store.system().create_tenant(name).await.expect("a tenant is made");
    let tenant = store.tenant(tenant.id);
    let new = NewInstance {
        name: name.to_owned(),
        site: Site::trusted(format!("https://{name}.invalid")),
        credentials: Credentials::Basic(Login { email: "nobody@example.com".to_owned(), token: "none".into() }),
        webhook_secret: "none".into(),
        poll_interval: Duration::from_secs(300),
        requests_per_minute: 1,
    };
    let state = InstanceState::Paused { reason: None };
    let instance = tenant.add_instance_in(new, &state).await.expect("an instance is registered");
    (tenant, instance.id)
}
