//! A million rows, page by page over REST, newest change first, while other rows change and thereby jump to the front: none
//! of those that did not change may be skipped or doubled.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use domain::InstanceId;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use sea_orm::sqlx::{PgConnection, Row, query};
use serde_json::Value;

use super::add;
use crate::{
    report::Report,
    store::million::{DATABASE, Million},
};

/// Issues of a page.
const PAGE: usize = 200;
/// Rows that change at once.
const CHANGES: usize = 20;

pub(super) async fn measure(at: SocketAddr, million: &Million, tokens: &[String], report: &mut Report) {
    eprintln!("a million rows are paged while others change ..");
    let over = Arc::new(AtomicBool::new(false));
    let instances: Vec<InstanceId> = million.tenants.iter().map(|(_, instance)| *instance).collect();
    let mut connection = million.server.superuser(DATABASE).await;
    let ids = all_ids(&mut connection, &instances).await;
    let changing = tokio::spawn(change(connection, instances.clone(), ids.clone(), Arc::clone(&over)));
    let (begun, mut seen) = (Instant::now(), HashMap::with_capacity(ids.len()));
    let client = reqwest::Client::new();
    let mut pages = 0;
    for (token, instance) in tokens.iter().zip(&instances) {
        let mut next = None::<String>;
        loop {
            let page = page(&client, at, token, next.as_deref()).await;
            pages += 1;
            for item in page["items"].as_array().expect("items") {
                *seen.entry((*instance, item["id"].as_i64().expect("an id"))).or_insert(0_u32) += 1;
            }
            next = page["next"].as_str().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
    }
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    let changed = changing.await.expect("no panic");
    let unchanged = ids.iter().filter(|issue| !changed.contains_key(issue));
    let (mut skipped, mut doubled) = (0_u32, 0_u32);
    for issue in unchanged {
        match seen.get(issue) {
            None => skipped += 1,
            Some(1) => {}
            Some(_) => doubled += 1,
        }
    }
    let count = |figure: usize| u32::try_from(figure).map_or(f64::INFINITY, f64::from);
    for (case, figure) in [
        ("paged_rows", count(ids.len())),
        ("paged_changed_meanwhile", count(changed.len())),
        ("paged_skipped", f64::from(skipped)),
        ("paged_doubled", f64::from(doubled)),
    ] {
        add(report, case, "jirafleet", ("rows", "lower"), figure);
    }
    add(report, "paged_page_ms", "jirafleet", ("ms", "lower"), took.as_secs_f64() * 1e3 / f64::from(pages));
}

async fn page(client: &reqwest::Client, at: SocketAddr, token: &str, cursor: Option<&str>) -> Value {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let address = format!("http://{at}/api/v1/issues?sort=-updated&limit={PAGE}{cursor}");
    let answer = client.get(address).bearer_auth(token).send().await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("a body");
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

async fn all_ids(connection: &mut PgConnection, instances: &[InstanceId]) -> Vec<(InstanceId, i64)> {
    let mut ids = Vec::new();
    for instance in instances {
        let rows = query("SELECT id FROM mirror.issues WHERE instance_id = $1").bind(instance.0);
        let rows = rows.fetch_all(&mut *connection).await.expect("ids are listed");
        ids.extend(rows.iter().map(|row| (*instance, row.get::<i64, _>(0))));
    }
    ids
}

/// Gives some rows a later time of change, again and again; which were changed, and how often.
async fn change(
    mut connection: PgConnection,
    instances: Vec<InstanceId>,
    ids: Vec<(InstanceId, i64)>,
    over: Arc<AtomicBool>,
) -> HashMap<(InstanceId, i64), u32> {
    let (mut dice, mut changed) = (Xoshiro256PlusPlus::seed_from_u64(7), HashMap::new());
    while !over.load(Ordering::Relaxed) {
        for instance in &instances {
            let some: Vec<i64> = (0..CHANGES * 20)
                .map(|_| ids[dice.random_range(0..ids.len())])
                .filter(|(of, _)| of == instance)
                .map(|(_, id)| id)
                .collect();
            let update = "UPDATE mirror.issues SET updated_at = now() WHERE instance_id = $1 AND id = ANY($2)";
            let done = query(update).bind(instance.0).bind(&some).execute(&mut connection).await;
            done.expect("rows are changed");
            for id in some {
                *changed.entry((*instance, id)).or_insert(0) += 1;
            }
        }
    }
    changed
}
