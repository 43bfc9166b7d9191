//! Bring touched issues up to date, whatever happened to them.
//!
//! The events that asked for this are only hints: Jira is asked for the truth, by ids, because its search index may not
//! know the change yet.

use chrono::Utc;
use domain::InstanceId;
use jira::{Hydrated, Priority};
use queue::{Job, Lane, Outcome, Touched};

use crate::{
    context::{Applied, Context, Site},
    failure::Failure,
};

/// As many issues as Jira answers in one request.
const BATCH: usize = 100;

pub(crate) async fn run(ctx: &Context, instance: InstanceId, lane: Lane) -> Result<Outcome, Failure> {
    // While an instance is paused its touched issues stay where they are; resuming asks for them again.
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    let mut touched = ctx.producer.touched(instance, lane).oldest(BATCH).await?;
    for webhook in &touched.traces {
        trace_context::link(&tracing::Span::current(), webhook);
    }
    let ids = touched.ids();
    if ids.is_empty() {
        return Ok(Outcome::Done);
    }
    let mut answer = site.jira(Priority::Live).hydrate(&ids).await?;
    match put(ctx, &site, &answer).await {
        Err(Failure::Store(error)) if error.is_about_content() => put_storable(ctx, &site, &mut answer).await?,
        done => done?,
    }
    // They stay touched.
    touched.entries.retain(|entry| !answer.late.contains(&entry.id));
    tell(ctx, &touched, &answer);
    quarantine(ctx, instance, &answer).await?;
    let left = ctx.producer.settle_touched(&touched).await?;
    Ok(if left.0 > 0 { Outcome::Next(Job::SyncTouched { instance, lane }) } else { Outcome::Done })
}

/// Puts what Jira said into the mirror, in one transaction.
pub(super) async fn put(ctx: &Context, site: &Site, answer: &Hydrated) -> Result<(), Failure> {
    let instance = site.instance.id;
    ctx.touch_relatives(site, &answer.absent).await?;
    let mut tx = ctx.store.tenant(site.instance.tenant).begin().await?;
    tx.apply(instance, &answer.snapshots).await?;
    tx.mark_missing(instance, &answer.absent, answer.observed_at).await?;
    tx.commit().await?;
    Ok(())
}

/// [`put`] for an answer in which something cannot be stored: everything else is, and what it was counts as failed.
pub(super) async fn put_storable(ctx: &Context, site: &Site, answer: &mut Hydrated) -> Result<(), Failure> {
    let instance = site.instance.id;
    ctx.touch_relatives(site, &answer.absent).await?;
    let mut tx = ctx.store.tenant(site.instance.tenant).begin().await?;
    let (_, spoilt) = tx.apply_storable(instance, &answer.snapshots).await?;
    tx.mark_missing(instance, &answer.absent, answer.observed_at).await?;
    tx.commit().await?;
    answer.failed.extend(spoilt.into_iter().map(|(issue, error)| (issue, error.to_string())));
    Ok(())
}

/// What spoils a batch is asked for alone, so that it is retried and, if it must, buried under its own name.
pub(super) async fn quarantine(ctx: &Context, instance: InstanceId, answer: &Hydrated) -> Result<(), Failure> {
    let jobs: Vec<Job> = answer.failed.iter().map(|(issue, _)| Job::SyncIssue { instance, issue: *issue }).collect();
    if !jobs.is_empty() {
        tracing::warn!(issues = jobs.len(), "issues spoiled their batch and are asked for alone");
        ctx.producer.enqueue_all(jobs).await?;
    }
    Ok(())
}

fn tell(ctx: &Context, touched: &Touched, answer: &Hydrated) {
    let committed_at = Utc::now();
    let failed = |issue| answer.failed.iter().any(|(id, _)| *id == issue);
    for entry in touched.entries.iter().filter(|entry| !failed(entry.id)) {
        ctx.applied(Applied { issue: entry.id, touched_at: entry.first_touched_at, committed_at });
    }
}
