//! Many tenants on few connections: whatever becomes of a transaction, the next one on its connection is another tenant's
//! and sees nothing of it.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use domain::{InstanceId, IssueId};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use store::{Error, Store, TenantStore};

use crate::store::sample::{register, said};

/// A tenant, and the word that is in all its rows and nobody else's.
pub(super) struct Neighbour {
    pub(super) tenant: TenantStore,
    instance: InstanceId,
    word: String,
}

/// So many tenants, each with one issue of the same number.
pub(super) async fn neighbours(store: &Store, count: usize) -> Vec<Neighbour> {
    let mut all = Vec::new();
    for n in 0..count {
        let word = format!("tenant-{n}");
        let (tenant, instance) = register(store, &word).await;
        let mut tx = tenant.begin().await.unwrap();
        tx.apply(instance, &[said(1, (1, 1), &word)]).await.unwrap();
        tx.commit().await.unwrap();
        all.push(Neighbour { tenant, instance, word });
    }
    all
}

impl Neighbour {
    /// The same tenant, through another pool.
    pub(super) fn through(&self, store: &Store) -> Self {
        Self { tenant: store.tenant(self.tenant.id()), instance: self.instance, word: self.word.clone() }
    }

    /// One transaction or two of some kind; panics when another tenant's row is seen.
    pub(super) async fn act(&self, other: &Self, kind: u8, version: i64) -> Result<(), Error> {
        match kind {
            0 => self.look().await,
            1 => {
                let seen = self.tenant.snapshots(other.instance, &[IssueId(1)]).await?;
                assert!(seen.is_empty(), "{} sees {}", self.word, other.word);
                Ok(())
            }
            2 => {
                let mut tx = self.tenant.begin().await?;
                tx.apply(self.instance, &[said(1, (1, version), &self.word)]).await?;
                tx.commit().await
            }
            // Left behind without a word: the pool rolls it back.
            3 => {
                let mut tx = self.tenant.begin().await?;
                tx.apply(self.instance, &[said(2, (1, version), "never kept")]).await?;
                drop(tx);
                Ok(())
            }
            // Refused half-way: the foreign key names the tenant, too.
            _ => {
                let mut tx = self.tenant.begin().await?;
                let refused = tx.apply(other.instance, &[said(3, (1, version), "stolen")]).await;
                assert!(refused.is_err(), "{} writes into {}", self.word, other.word);
                Ok(())
            }
        }
    }

    async fn look(&self) -> Result<(), Error> {
        let instances = self.tenant.instances().await?;
        let names: Vec<&str> = instances.iter().map(|instance| instance.name.as_str()).collect();
        assert_eq!(names, [self.word.as_str()]);
        let seen = self.tenant.snapshots(self.instance, &[IssueId(1), IssueId(2), IssueId(3)]).await?;
        let words: Vec<&str> = seen.iter().map(|snapshot| snapshot.issue.summary.as_str()).collect();
        assert_eq!(words, [self.word.as_str()]);
        Ok(())
    }
}

/// Plays `rounds` transactions by so many players at once; says how many were cut off in the middle.
pub(super) async fn play(neighbours: &[Neighbour], players: usize, rounds: usize) -> usize {
    let (turn, cut) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let player = async |seed: usize| {
        let mut random = StdRng::seed_from_u64(seed as u64);
        loop {
            let round = turn.fetch_add(1, Relaxed);
            if round >= rounds {
                return;
            }
            let me = &neighbours[random.random_range(0..neighbours.len())];
            let other = &neighbours[random.random_range(0..neighbours.len())];
            if std::ptr::eq(me, other) {
                me.look().await.unwrap();
                continue;
            }
            let act = me.act(other, random.random_range(0..5), 2 + i64::try_from(round).unwrap());
            if random.random_range(0..8) == 0 {
                // Whoever waits for it gives up somewhere in the middle, even between a question and its answer.
                let patience = Duration::from_micros(random.random_range(0..3000));
                match tokio::time::timeout(patience, act).await {
                    Ok(done) => done.unwrap(),
                    Err(_) => _ = cut.fetch_add(1, Relaxed),
                }
            } else {
                act.await.unwrap();
            }
        }
    };
    futures::future::join_all((0..players).map(player)).await;
    cut.load(Relaxed)
}

/// Whoever waits for a transaction to begin may give up at any moment; the next one on the connection must not notice.
#[tokio::test]
async fn a_beginning_that_nobody_waits_for_leaves_nothing() {
    let database = tests::database().await;
    let store = tests::store_for(&database, 1).await;
    let neighbours = neighbours(&store, 2).await;
    for round in 0..400 {
        let patience = Duration::from_micros(round);
        // Reads begin a transaction that must not be written in.
        let _ = tokio::time::timeout(patience, neighbours[0].tenant.instances()).await;
        neighbours[1].act(&neighbours[0], 2, 2 + i64::try_from(round).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn ten_thousand_transactions_of_fifty_tenants_leak_nothing() {
    let database = tests::database().await;
    let store = tests::store_for(&database, 4).await;
    let neighbours = neighbours(&store, 50).await;
    let cut = play(&neighbours, 16, 10_000).await;
    assert!(cut >= 100, "only {cut} were cut off");
    for neighbour in &neighbours {
        neighbour.look().await.unwrap();
    }
}
