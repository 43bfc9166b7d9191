//! Keeping to Jira's limits: what it says in its answers is told to the whole fleet at once.

use std::time::Duration;

use reqwest::header::HeaderMap;

use crate::{
    Client, Error,
    budget::{Reach, throttled},
    request::{Effect, Request},
    retry::{Failure, LONGEST_WAIT},
    throttle::{self, Slower, Stop, Wall},
};

/// For a 429 that gives no time.
const UNTOLD: Duration = Duration::from_secs(1);

/// An endpoint that had too much to do is asked at half its pace for a while.
const CALM: (f64, Duration) = (0.5, Duration::from_secs(60));

impl Client {
    /// Jira said 429: whoever would meet the same wall stops for as long as it asked.
    pub(crate) async fn slow_down(&self, request: &Request, stop: Stop) -> Failure {
        let (budget, pause) = (&self.inner.budget, stop.wait.unwrap_or(UNTOLD));
        throttled(pause);
        metrics::histogram!("jirafleet_jira_paused_seconds", "wall" => stop.wall.name()).record(pause.as_secs_f64());
        let told = match (stop.wall, request.effect) {
            (Wall::Issue, Effect::Once { issue: Some(issue), .. }) => {
                self.inner.pace.pause(issue, pause);
                Ok(())
            }
            (Wall::Burst | Wall::Issue, _) => self.calm(Reach::Endpoint(request.endpoint), pause).await,
            (Wall::Quota | Wall::Unnamed, _) => budget.pause(Reach::Instance, pause).await,
        };
        match told {
            Err(error) => Failure::Final(error),
            Ok(()) => {
                let after = stop.wait.unwrap_or(LONGEST_WAIT * 2);
                Failure::Passing { error: Error::Throttled { after }, after: stop.wait }
            }
        }
    }

    /// An answer that was given may warn of a wall ahead.
    pub(crate) async fn heed(&self, request: &Request, headers: &HeaderMap) {
        throttle::note_plans(headers, request.route());
        let Some(Slower { wall, share, lasts }) = throttle::slower(headers) else { return };
        let reach = if wall == Wall::Burst { Reach::Endpoint(request.endpoint) } else { Reach::Instance };
        metrics::counter!("jirafleet_jira_slowed_total", "wall" => wall.name()).increment(1);
        // The answer is there, whatever Redis says.
        if let Err(error) = self.inner.budget.slow(reach, share, lasts).await {
            tracing::debug!(error.code = error.code(), %error, "Jira's warning of a limit could not be told to the fleet");
        }
    }

    async fn calm(&self, reach: Reach, pause: Duration) -> Result<(), Error> {
        let (share, lasts) = CALM;
        self.inner.budget.pause(reach, pause).await?;
        self.inner.budget.slow(reach, share, lasts).await
    }
}
