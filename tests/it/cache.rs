//! The store's cache: an entry is a row, whoever reads, writes, dies or is late, and Redis is never needed.

mod relay;
mod steps;
mod stress;
mod trouble;

use std::time::Duration;

use domain::{AccountId, InstanceId, Issue, IssueId, Lifecycle, Project, ProjectId};
use sea_orm::{ConnectionTrait, Statement};
use store::{CacheConfig, Store, TenantStore};

use crate::{
    queue::OwnRedis,
    store::sample::{Mirror, at, connect, json, moved, person, register, said, seal},
};

/// A mirror, and processes with a cache that read and write it.
struct Cached {
    mirror: Mirror,
    config: CacheConfig,
    redis: redis::aio::MultiplexedConnection,
}

impl Cached {
    async fn new() -> Self {
        Self::in_redis(tests::cache_config().await).await
    }

    async fn in_redis(config: CacheConfig) -> Self {
        let redis = redis::Client::open(config.url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
        Self { mirror: Mirror::new().await, config, redis }
    }

    /// One more process.
    async fn process(&self) -> TenantStore {
        self.process_at(&self.config.url).await
    }

    async fn process_at(&self, url: &str) -> TenantStore {
        let config = CacheConfig { url: url.to_owned(), ..self.config.clone() };
        let store: Store = tests::cached_store_for(&self.mirror.database, 8, config).await;
        store.tenant(self.mirror.tenant.id())
    }

    fn name(&self, kind: &str, id: &str) -> String {
        let (tenant, instance) = (self.mirror.tenant.id(), self.mirror.instance);
        format!("{}:cache:tenant:{tenant}:{kind}:{instance}:{id}", self.config.prefix)
    }

    /// What lies in Redis under an issue's key.
    async fn entry(&self, key: &str) -> Option<String> {
        let mut redis = self.redis.clone();
        redis::cmd("GET").arg(self.name("issue", key)).query_async(&mut redis).await.unwrap()
    }

    async fn ms_left(&self, kind: &str, id: &str) -> i64 {
        let mut redis = self.redis.clone();
        redis::cmd("PTTL").arg(self.name(kind, id)).query_async(&mut redis).await.unwrap()
    }

    async fn read(&self, process: &TenantStore, key: &str) -> Option<Issue> {
        process.issue_by_key(self.mirror.instance, &key.parse().unwrap()).await.unwrap()
    }

    async fn summary(&self, process: &TenantStore, key: &str) -> Option<String> {
        self.read(process, key).await.map(|issue| issue.summary)
    }

    /// Version `version` of an issue, written by this process.
    async fn write(&self, process: &TenantStore, id: i64, version: i64) {
        let mut tx = process.begin().await.unwrap();
        tx.apply(self.mirror.instance, &[said(id, (version, version), &format!("v{version}"))]).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// How often Redis was asked for this command.
async fn calls(redis: &mut redis::aio::MultiplexedConnection, command: &str) -> u64 {
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(redis).await.unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

async fn number(url: &str, sql: &str) -> i64 {
    let connection = connect(url).await;
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await;
    let number = row.unwrap().unwrap().try_get("", "n").unwrap();
    connection.close().await.unwrap();
    number
}

fn project(id: i64, key: &str, name: &str) -> Project {
    Project {
        id: ProjectId(id),
        key: key.parse().unwrap(),
        name: name.to_owned(),
        project_type: Some("software".to_owned()),
        lifecycle: Lifecycle::Live,
        lead: None,
        issue_count: None,
        raw: json(&format!(r#"{{"id":"{id}","key":{key:?},"name":{name:?}}}"#)),
    }
}

#[tokio::test]
async fn an_entry_is_read_until_a_commit_drops_it() {
    let cached = Cached::new().await;
    let (one, other) = (cached.process().await, cached.process().await);
    cached.write(&one, 1, 1).await;
    assert_eq!(cached.summary(&one, "ACME-1").await.unwrap(), "v1");
    assert!(cached.entry("ACME-1").await.unwrap().starts_with("={"));
    // A row changed behind the store's back shows who answers.
    let hidden = cached.mirror.as_tenant(&cached.mirror.database.owner_url).await;
    hidden.execute_unprepared("UPDATE mirror.issues SET summary = 'behind'").await.unwrap();
    hidden.commit().await.unwrap();
    assert_eq!(cached.summary(&other, "ACME-1").await.unwrap(), "v1");
    cached.write(&other, 1, 2).await;
    assert_eq!(cached.entry("ACME-1").await, None);
    assert_eq!(cached.summary(&one, "ACME-1").await.unwrap(), "v2");
}

#[tokio::test]
async fn a_rollback_drops_nothing() {
    let cached = Cached::new().await;
    let one = cached.process().await;
    cached.write(&one, 1, 1).await;
    let read = cached.read(&one, "ACME-1").await;
    for version in 2..4 {
        let mut tx = one.begin().await.unwrap();
        tx.apply(cached.mirror.instance, &[said(1, (version, version), "never")]).await.unwrap();
        if version == 2 {
            tx.rollback().await.unwrap();
        }
    }
    assert!(cached.entry("ACME-1").await.unwrap().starts_with("={"));
    assert_eq!(cached.read(&one, "ACME-1").await, read);
}

#[tokio::test]
async fn absence_is_an_answer_until_it_ends() {
    let cached = Cached::new().await;
    let one = cached.process().await;
    assert_eq!(cached.read(&one, "ACME-1").await, None);
    assert_eq!(cached.entry("ACME-1").await.as_deref(), Some("=null"));
    cached.write(&one, 1, 1).await;
    assert_eq!(cached.summary(&one, "ACME-1").await.unwrap(), "v1");
    let mut tx = one.begin().await.unwrap();
    tx.mark_missing(cached.mirror.instance, &[IssueId(1)], at(5)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(cached.read(&one, "ACME-1").await, None);
    // Seen again, with the content that is known: only a register moves.
    let mut again = said(1, (1, 6), "v1");
    seal(&mut again);
    let mut tx = one.begin().await.unwrap();
    tx.apply(cached.mirror.instance, &[again]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(cached.summary(&one, "ACME-1").await.unwrap(), "v1");
    let mut tx = one.begin().await.unwrap();
    tx.mark_deleted(cached.mirror.instance, &[IssueId(1)], at(9)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(cached.read(&one, "ACME-1").await, None);
}

#[tokio::test]
async fn what_was_found_under_an_old_key_is_dropped_too() {
    let cached = Cached::new().await;
    let one = cached.process().await;
    cached.write(&one, 1, 1).await;
    let mut there = said(1, (2, 2), "moved");
    there.issue.key = "NEW-1".parse().unwrap();
    there.changelog = vec![moved(1, "OLDEST-1", "ACME-1")];
    seal(&mut there);
    assert_eq!(cached.read(&one, "OLDEST-1").await, None);
    let mut tx = one.begin().await.unwrap();
    tx.apply(cached.mirror.instance, std::slice::from_ref(&there)).await.unwrap();
    tx.commit().await.unwrap();
    for key in ["ACME-1", "NEW-1", "OLDEST-1"] {
        assert_eq!(cached.summary(&one, key).await.as_deref(), Some("moved"), "{key}");
    }
    there.issue.summary = "edited".to_owned();
    (there.issue.updated_at, there.observed_at) = (at(3), at(3));
    let mut tx = one.begin().await.unwrap();
    tx.apply(cached.mirror.instance, &[there]).await.unwrap();
    tx.commit().await.unwrap();
    for key in ["ACME-1", "NEW-1", "OLDEST-1"] {
        assert_eq!(cached.summary(&one, key).await.as_deref(), Some("edited"), "{key}");
    }
}

#[tokio::test]
async fn projects_and_people_are_kept_for_ten_minutes_and_issues_for_five() {
    let cached = Cached::new().await;
    let (one, instance) = (cached.process().await, cached.mirror.instance);
    let mia = AccountId("712020:mia".to_owned());
    let by_key = async |key: &str| {
        let found = one.project_by_key(instance, &key.parse().unwrap()).await.unwrap();
        found.map(|project| project.name)
    };
    let name = async || one.user_by_account(instance, &mia).await.unwrap().and_then(|user| user.display_name);
    let write = async |projects: &[Project], mias_name: &str| {
        let mut tx = one.begin().await.unwrap();
        tx.apply_projects(instance, projects).await.unwrap();
        tx.apply_users(instance, &[person(&mia.0, mias_name)]).await.unwrap();
        tx.commit().await.unwrap();
    };
    assert_eq!((by_key("A").await, by_key("B").await, name().await), (None, None, None));
    write(&[project(1, "A", "first")], "Mia").await;
    assert_eq!((by_key("A").await.as_deref(), name().await.as_deref()), (Some("first"), Some("Mia")));
    let minutes = async |kind, id| cached.ms_left(kind, id).await as f64 / 60_000.0;
    cached.read(&one, "ACME-1").await;
    for (left, of) in [
        (minutes("project", "A").await, 10.0),
        (minutes("user", &mia.0).await, 10.0),
        (minutes("issue", "ACME-1").await, 5.0),
    ] {
        assert!(left > of - 1.0 && left <= of, "{left} of {of} minutes");
    }
    // Renamed, and another one takes the key.
    write(&[project(1, "B", "first"), project(2, "A", "second")], "Mia Q").await;
    assert_eq!((by_key("A").await.as_deref(), by_key("B").await.as_deref()), (Some("second"), Some("first")));
    assert_eq!(name().await.as_deref(), Some("Mia Q"));
    // Nothing new: nothing is dropped.
    write(&[project(1, "B", "first"), project(2, "A", "second")], "Mia Q").await;
    assert!(cached.ms_left("project", "A").await > 0 && cached.ms_left("user", &mia.0).await > 0);
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    let cached = Cached::new().await;
    let store = tests::cached_store_for(&cached.mirror.database, 2, cached.config.clone()).await;
    let (other, other_instance) = register(&store, "other").await;
    let acme = store.tenant(cached.mirror.tenant.id());
    cached.write(&acme, 1, 1).await;
    assert!(cached.read(&acme, "ACME-1").await.is_some());
    for instance in [cached.mirror.instance, other_instance] {
        assert_eq!(other.issue_by_key(instance, &"ACME-1".parse().unwrap()).await.unwrap(), None);
    }
    assert_eq!(acme.issue_by_key(InstanceId::generate(), &"ACME-1".parse().unwrap()).await.unwrap(), None);
    assert!(cached.read(&acme, "ACME-1").await.is_some());
}

#[tokio::test]
async fn an_entry_of_another_version_is_read_anew() {
    let cached = Cached::new().await;
    let one = cached.process().await;
    cached.write(&one, 1, 1).await;
    let mut redis = cached.redis.clone();
    let name = cached.name("issue", "ACME-1");
    redis::cmd("SET").arg(&name).arg("={\"of\":\"tomorrow\"}").query_async::<()>(&mut redis).await.unwrap();
    assert_eq!(cached.summary(&one, "ACME-1").await.unwrap(), "v1");
    assert_eq!(cached.entry("ACME-1").await, None, "it is not overwritten without a lease");
    assert_eq!(cached.summary(&one, "ACME-1").await.unwrap(), "v1");
    assert!(cached.entry("ACME-1").await.unwrap().starts_with("={"));
}

#[tokio::test]
async fn a_page_of_five_hundred_is_dropped_in_one_message() {
    let own = OwnRedis::start().await;
    let cached = Cached::in_redis(CacheConfig { url: own.url(), prefix: "own".to_owned() }).await;
    let (one, mut redis) = (cached.process().await, cached.redis.clone());
    for version in 1..3 {
        let page: Vec<_> = (1..=500).map(|id| said(id, (version, version), &format!("v{version}"))).collect();
        let mut tx = one.begin().await.unwrap();
        tx.apply(cached.mirror.instance, &page).await.unwrap();
        let before = calls(&mut redis, "unlink").await;
        tx.commit().await.unwrap();
        assert_eq!(calls(&mut redis, "unlink").await - before, 1);
        for id in 1..=500 {
            assert_eq!(cached.summary(&one, &format!("ACME-{id}")).await.unwrap(), format!("v{version}"));
        }
    }
}

/// How often the issues were looked through, as far as backends that have ended know.
const SCANS: &str = "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) AS n
    FROM pg_stat_user_tables WHERE schemaname = 'mirror' AND relname = 'issues'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_at_once_are_one_question() {
    let mut own = OwnRedis::start().await;
    let cached = Cached::in_redis(CacheConfig { url: own.url(), prefix: "own".to_owned() }).await;
    let owner = &cached.mirror.database.owner_url;
    let scans = async |redis_is_there: bool| {
        let config = cached.config.clone();
        let store = tests::cached_store_for(&cached.mirror.database, 8, config).await;
        let tenant = store.tenant(cached.mirror.tenant.id());
        let before = number(owner, SCANS).await;
        // Nobody's question is answered before everybody has asked.
        let lock = connect(owner).await;
        lock.execute_unprepared("BEGIN; LOCK TABLE mirror.issues IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let asked = if redis_is_there { calls(&mut cached.redis.clone(), "evalsha").await } else { 0 };
        let readers: Vec<_> = (0..200)
            .map(|_| {
                let (tenant, instance) = (tenant.clone(), cached.mirror.instance);
                tokio::spawn(async move { tenant.issue_by_key(instance, &"ACME-1".parse().unwrap()).await.unwrap() })
            })
            .collect();
        if redis_is_there {
            while calls(&mut cached.redis.clone(), "evalsha").await < asked + 200 {
                tokio::task::yield_now().await;
            }
        } else {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        lock.execute_unprepared("COMMIT").await.unwrap();
        lock.close().await.unwrap();
        for reader in readers {
            assert!(reader.await.unwrap().is_some());
        }
        // A backend tells what it did when it ends.
        store.close().await;
        let mut now = number(owner, SCANS).await;
        while now == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
            now = number(owner, SCANS).await;
        }
        now - before
    };
    cached.write(&cached.mirror.tenant, 1, 1).await;
    assert_eq!(scans(true).await, 1);
    own.kill();
    assert!(scans(false).await <= 2);
}
