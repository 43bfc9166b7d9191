//! Tells how old the materialized views are. Not told by whoever refreshes them: what matters is that nobody does.

use std::time::Duration;

use store::Store;

/// How often.
const EVERY: Duration = Duration::from_secs(15);

/// How long PostgreSQL may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells for ever. While PostgreSQL is away the figures stay as they were.
pub(crate) async fn tell(store: &Store) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, once(store)).await {
            tracing::debug!(%error, "the views' age is not known");
        }
    }
}

async fn once(store: &Store) -> Result<(), store::Error> {
    for view in store.system().view_ages().await? {
        let name = view.view.name();
        metrics::gauge!("jirafleet_matview_age_seconds", "view" => name).set(view.age.as_secs_f64());
        metrics::gauge!("jirafleet_matview_refresh_seconds", "view" => name).set(view.took.as_secs_f64());
    }
    Ok(())
}
