//! Figures of what hardly ever happens, shown before it does: a rate does not see the step to a figure's first value.

use crate::{
    budget::{Obstacle, Priority},
    throttle::Wall,
};

/// Shows how often Jira and our own budget held us up: never yet. For processes that ask Jira, once there is a recorder.
pub fn show_rare_figures() {
    metrics::counter!("jirafleet_jira_retries_total").increment(0);
    metrics::counter!("jirafleet_jira_throttled_seconds_total").increment(0);
    for wall in Wall::ALL {
        metrics::counter!("jirafleet_jira_slowed_total", "wall" => wall.name()).increment(0);
        // Is shown once it is asked for.
        let _ = metrics::histogram!("jirafleet_jira_paused_seconds", "wall" => wall.name());
    }
    for priority in Priority::ALL.map(Priority::name) {
        for obstacle in Obstacle::ALL.map(Obstacle::name) {
            metrics::counter!("jirafleet_jira_budget_refusals_total", "priority" => priority, "obstacle" => obstacle)
                .increment(0);
        }
    }
}
