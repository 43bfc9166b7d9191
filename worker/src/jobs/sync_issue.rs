//! Ask for one issue alone: one that spoiled its batch.
//!
//! When it fails for good it becomes a dead letter of its own, with Jira's reason; the others went on long ago.

use chrono::Utc;
use domain::{InstanceId, IssueId};
use jira::Priority;
use queue::Outcome;

use super::sync_touched::put;
use crate::{context::Context, failure::Failure};

pub(crate) async fn run(ctx: &Context, instance: InstanceId, issue: IssueId) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(instance).await? else {
        // At rest: it goes back to where touched issues wait.
        ctx.producer.touch(instance, &[issue], Utc::now()).await?;
        return Ok(Outcome::Done);
    };
    let answer = site.jira(Priority::Upkeep).hydrate(&[issue]).await?;
    if let Some((issue, reason)) = answer.failed.first() {
        return Err(Failure::Issue { issue: *issue, reason: reason.clone() });
    }
    match put(ctx, &site, &answer).await {
        // Asking again would not help: it lies with the dead letters until Jira or we say something else.
        Err(Failure::Store(error)) if error.is_about_content() => {
            Ok(Outcome::GiveUp { reason: format!("issue {issue} cannot be stored: {error}") })
        }
        done => done.map(|()| Outcome::Done),
    }
}
