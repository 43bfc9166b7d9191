//! temp
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, clippy::allow_attributes)]
extern crate self as tests;
mod bench;
mod migrations;
mod store;
mod tenancy;
use sea_orm::{ConnectionTrait, Database};
use std::sync::atomic::{AtomicU32, Ordering};
#[derive(Clone, Debug)]
pub struct TestDatabase {
    pub app_url: String,
    pub owner_url: String,
}
static N: AtomicU32 = AtomicU32::new(0);
static T: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
fn url(user: &str, db: &str) -> String {
    format!("postgres://{user}@%2Ftmp%2Fstorepg/{db}")
}
async fn run(sql: &str) {
    let c = Database::connect(url("postgres", "postgres")).await.unwrap();
    c.execute_unprepared(sql).await.unwrap();
    c.close().await.unwrap();
}
async fn clone_of(t: &str) -> TestDatabase {
    let name = format!("t{}_{}", std::process::id(), N.fetch_add(1, Ordering::Relaxed));
    run(&format!("CREATE DATABASE {name} TEMPLATE {t} OWNER jirafleet_owner")).await;
    TestDatabase { app_url: url("jirafleet", &name), owner_url: url("jirafleet_owner", &name) }
}
pub async fn database() -> TestDatabase {
    T.get_or_init(|| async {
        run("DROP DATABASE IF EXISTS tmpl").await;
        run("CREATE DATABASE tmpl OWNER jirafleet_owner").await;
        migration::up(&url("jirafleet_owner", "tmpl")).await.unwrap();
    })
    .await;
    clone_of("tmpl").await
}
pub async fn empty_database() -> TestDatabase {
    clone_of("template1").await
}
pub fn master_key() -> ::store::MasterKey {
    ::store::MasterKey::from_hex(&"5a".repeat(32)).unwrap()
}
pub async fn store_for(d: &TestDatabase, n: u32) -> ::store::Store {
    ::store::Store::connect(::store::Config {
        url: d.app_url.clone(),
        max_connections: n,
        master_key: master_key(),
        application_name: "t".into(),
    })
    .await
    .unwrap()
}
