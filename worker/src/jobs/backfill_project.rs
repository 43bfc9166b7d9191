//! One page of one project's backfill, and which page comes next.
//!
//! Ids are listed in the order of creation, thousands a request, and kept beside the position; issues are then fetched a
//! hundred at a time. Rows and position are one transaction, so a crash repeats at most the page it interrupted.

use domain::{InstanceId, IssueId, ProjectId};
use jira::{Hydrated, Priority};
use queue::{Job, Outcome};
use store::{BackfillPosition, BackfillProgress, TenantTx};
use uuid::Uuid;

use super::sync_touched::{put_storable, quarantine};
use crate::{
    context::{Context, Site},
    failure::Failure,
};

pub(crate) async fn run(
    ctx: &Context,
    instance: InstanceId,
    project: ProjectId,
    run: Uuid,
    page: u64,
) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    let tenant = ctx.store.tenant(site.instance.tenant);
    // None: it ended, it was cancelled, or a later run took its place.
    let Some(mut position) = tenant.backfill_claim(instance, project, run).await? else { return Ok(Outcome::Done) };
    if position.next.is_empty() && !position.listed_all {
        list(ctx, &site, &mut position).await?;
    }
    if fetch(ctx, &site, &position).await? {
        return Ok(Outcome::Next(Job::BackfillProject { instance, project, run, page: page + 1 }));
    }
    if has_filled_much(ctx, &site, run).await? {
        ctx.producer.enqueue(Job::RefreshViews).await?;
    }
    Ok(Outcome::Done)
}

/// How many issues a backfill brings before people should not have to wait until the views' turn comes.
const MANY: u64 = 1_000;

/// Whether this was the last chain of a run that brought many issues.
async fn has_filled_much(ctx: &Context, site: &Site, run: Uuid) -> Result<bool, Failure> {
    let rows = ctx.store.tenant(site.instance.tenant).backfill_progress(site.instance.id).await?;
    let ours = || rows.iter().filter(|row| row.run == run);
    Ok(ours().all(store::BackfillRow::ended) && ours().map(|row| row.synced).sum::<u64>() >= MANY)
}

/// How often Jira may forget the way through one listing before somebody should look.
const RESTARTS: i32 = 3;

/// Asks for the next thousands of ids and keeps them. A page token that is no longer valid starts the listing again:
/// repeating is free.
async fn list(ctx: &Context, site: &Site, position: &mut BackfillPosition) -> Result<(), Failure> {
    let jira = site.jira(Priority::Bulk);
    let token = position.next_token.as_deref();
    let page = match jira.issue_ids(position.project, position.since, token).await {
        Err(jira::Error::TokenExpired) => {
            restart(ctx, site, position).await?;
            jira.issue_ids(position.project, position.since, None).await?
        }
        answer => answer?,
    };
    let mut tx = begin(ctx, site).await?;
    tx.backfill_listed(position, page.ids, page.next).await?;
    tx.commit().await?;
    Ok(())
}

async fn restart(ctx: &Context, site: &Site, position: &mut BackfillPosition) -> Result<(), Failure> {
    let mut tx = begin(ctx, site).await?;
    let restarts = tx.backfill_restarted(position).await?;
    tx.commit().await?;
    if restarts > RESTARTS { Err(jira::Error::TokenExpired.into()) } else { Ok(()) }
}

/// Fetches the next hundred and applies them together with the new position; says whether anything is left.
async fn fetch(ctx: &Context, site: &Site, position: &BackfillPosition) -> Result<bool, Failure> {
    let (instance, ids): (_, &[IssueId]) = (site.instance.id, &position.next);
    let mut answer = if ids.is_empty() { None } else { Some(site.jira(Priority::Bulk).hydrate(ids).await?) };
    if let Some(answer) = &answer {
        quarantine(ctx, instance, answer).await?;
    }
    let progress = match (apply(ctx, site, position, answer.as_ref()).await, &mut answer) {
        // What can be stored is, what cannot is quarantined; only then does the position move.
        (Err(Failure::Store(error)), Some(answer)) if error.is_about_content() => {
            put_storable(ctx, site, answer).await?;
            quarantine(ctx, instance, answer).await?;
            apply(ctx, site, position, None).await?
        }
        (done, _) => done?,
    };
    let expected = progress.expected.map_or_else(|| "?".to_owned(), |count| count.to_string());
    tracing::info!(project.id = %position.project, "Synced {}/{} issues", progress.synced, expected);
    Ok(!progress.finished)
}

/// An answer and the position after it, in one transaction.
async fn apply(
    ctx: &Context,
    site: &Site,
    position: &BackfillPosition,
    answer: Option<&Hydrated>,
) -> Result<BackfillProgress, Failure> {
    let mut tx = begin(ctx, site).await?;
    if let Some(answer) = answer {
        tx.apply(site.instance.id, &answer.snapshots).await?;
        tx.mark_missing(site.instance.id, &answer.absent, answer.observed_at).await?;
    }
    let progress = tx.backfill_advance(position).await?;
    tx.commit().await?;
    Ok(progress)
}

async fn begin(ctx: &Context, site: &Site) -> Result<TenantTx, Failure> {
    Ok(ctx.store.tenant(site.instance.tenant).begin().await?)
}
