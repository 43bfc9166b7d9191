//! Several processes read and write the same few rows at once, with Redis at the end of a slow line: after quiet, what the
//! cache says is what the rows say.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use domain::{AccountId, IssueId};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use store::TenantStore;

use super::{Cached, at, person, project, relay::Relay, said};

/// Short rounds: what was put wrongly must not be overwritten before it is looked for.
const ROUNDS: u64 = 160;
const STEPS: usize = 5;
const ISSUES: i64 = 4;
/// More keys than issues, so that they move.
const KEYS: i64 = 6;

/// Ever later, over all rounds and processes.
type Clock = Arc<AtomicI64>;

fn mia() -> AccountId {
    AccountId("mia".to_owned())
}

async fn one_step(cached: &Cached, process: &TenantStore, random: &mut SmallRng, clock: &Clock) {
    let instance = cached.mirror.instance;
    let (id, key) = (random.random_range(1..=ISSUES), random.random_range(1..=KEYS));
    let now = clock.fetch_add(1, Ordering::Relaxed);
    let project_key = ["A", "B"][random.random_range(0..2)];
    let what = random.random_range(0..20);
    match what {
        0..=7 => drop(cached.read(process, &format!("ACME-{key}")).await),
        8 => drop(process.user_by_account(instance, &mia()).await.unwrap()),
        9 => drop(process.project_by_key(instance, &project_key.parse().unwrap()).await.unwrap()),
        _ => {
            let mut tx = process.begin().await.unwrap();
            let written = match what {
                10..=15 => {
                    let mut news = said(id, (now, now), &format!("v{now}"));
                    news.issue.key = format!("ACME-{key}").parse().unwrap();
                    tx.apply(instance, &[news]).await.map(drop)
                }
                16 => tx.mark_missing(instance, &[IssueId(id)], at(now)).await.map(drop),
                17 => tx.apply_users(instance, &[person("mia", &format!("v{now}"))]).await,
                18 => tx.mark_deleted(instance, &[IssueId(id + ISSUES * (now / 400))], at(now)).await.map(drop),
                _ => tx.apply_projects(instance, &[project(id, project_key, &format!("v{now}"))]).await,
            };
            // Whoever loses a deadlock comes again another time; some change their minds.
            match written {
                Ok(()) if random.random_range(0..8) > 0 => tx.commit().await.unwrap(),
                Ok(()) => tx.rollback().await.unwrap(),
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
    }
    if random.random_range(0..3) == 0 {
        tokio::task::yield_now().await;
    }
}

async fn assert_quiet(cached: &Cached, processes: &[TenantStore], round: u64) {
    let (plain, instance) = (&cached.mirror.tenant, cached.mirror.instance);
    for key in (1..=KEYS).map(|key| format!("ACME-{key}")) {
        let row = cached.read(plain, &key).await;
        for process in processes {
            assert_eq!(cached.read(process, &key).await, row, "{key} in round {round}");
        }
    }
    for key in ["A", "B"].map(|key| key.parse().unwrap()) {
        let row = plain.project_by_key(instance, &key).await.unwrap();
        for process in processes {
            assert_eq!(process.project_by_key(instance, &key).await.unwrap(), row, "{key} in round {round}");
        }
    }
    let row = plain.user_by_account(instance, &mia()).await.unwrap();
    for process in processes {
        assert_eq!(process.user_by_account(instance, &mia()).await.unwrap(), row, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_quiet_the_cache_says_what_the_rows_say() {
    let cached = Arc::new(Cached::new().await);
    let late = Relay::start_late(&cached.config.url, 12).await;
    let processes = [cached.process().await, cached.process_at(&late.url).await, cached.process_at(&late.url).await];
    let clock: Clock = Arc::new(AtomicI64::new(1));
    for id in 1..=ISSUES {
        cached.write(&processes[0], id, clock.fetch_add(1, Ordering::Relaxed)).await;
    }
    for round in 0..ROUNDS {
        let tasks: Vec<_> = (0..6)
            .map(|n| {
                let (cached, process, clock) = (Arc::clone(&cached), processes[n % 3].clone(), Arc::clone(&clock));
                tokio::spawn(async move {
                    let mut random = SmallRng::seed_from_u64(round * 100 + n as u64);
                    for _ in 0..STEPS {
                        one_step(&cached, &process, &mut random, &clock).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_quiet(&cached, &processes, round).await;
    }
}
