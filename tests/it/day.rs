//! A short random day; the long one is `bench day`.

use std::time::Duration;

use tests::day::{Options, live};

use crate::crash::binary;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_random_day_the_mirror_equals_jira() {
    let options = Options {
        seed: 20_261_126,
        sites: 2,
        issues: 200,
        edits: 1200,
        bulk: 60,
        pace: 100,
        index_lag: Duration::from_secs(300),
        workers: 2,
        kill_every: Duration::from_secs(3),
        program: binary(),
    };
    let report = live(&options).await;
    assert_eq!(report.differences, Vec::<String>::new(), "{report:?}");
    assert_eq!(report.dead, 0, "{report:?}");
    assert!(report.kills >= 3 && report.compared > 300, "{report:?}");
}
