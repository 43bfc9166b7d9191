//! temp
use crate::store::sample::*;
use std::time::Instant;
fn page(n: i64, obs: i64) -> Vec<domain::IssueSnapshot> {
    (0..100)
        .map(|i| {
            let id = (n + 1) * 100 + i;
            let mut s = rich(id);
            s.observed_at = at(obs);
            s.comments = (1..4).map(|c| comment(c, &format!("{} {c}", "lorem ipsum dolor ".repeat(40)))).collect();
            let h = s.changelog[0].clone();
            s.changelog = (0..5)
                .map(|n| domain::History { id: domain::HistoryId(n), changes: vec![h.changes[0].clone()], ..h.clone() })
                .collect();
            s.raw = json(&format!(
                r#"{{"id":"{id}","fields":{{"n":{},"d":"{}"}}}}"#,
                obs / 1000,
                "some words and things of a document that is long enough; ".repeat(90)
            ));
            seal(&mut s);
            s
        })
        .collect()
}
#[tokio::test]
#[ignore]
async fn speed() {
    let m = Mirror::new().await;
    for (name, obs) in [("first", 20), ("same", 20), ("later look", 30), ("all changed", 2000)] {
        let pages: Vec<_> = (0..20).map(|n| page(n, obs)).collect();
        let t = Instant::now();
        for p in &pages {
            m.apply(p).await;
        }
        println!("{name}: {:.0} issues/s", 2000.0 / t.elapsed().as_secs_f64());
    }
}
