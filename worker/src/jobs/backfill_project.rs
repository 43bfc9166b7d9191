//! Some pages of one project's backfill, and which page comes next.
//!
//! Ids are listed in the order of creation, thousands a request, and kept beside the position; issues are then fetched a
//! hundred at a time, the next hundred while the last is written. Rows and position are one transaction, so a crash repeats
//! at most the two pages it interrupted.

use chrono::Utc;
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
    let (pages, finished) = take_turn(ctx, &site, &position).await?;
    if !finished {
        return Ok(Outcome::Next(Job::BackfillProject { instance, project, run, page: page + pages }));
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

/// As many issues as Jira answers in one request.
const PAGE: usize = 100;

/// Fetches and applies what the position points at, page by page; says how many pages that were, and whether it was all.
async fn take_turn(ctx: &Context, site: &Site, position: &BackfillPosition) -> Result<(u64, bool), Failure> {
    let mut pages = position.next.chunks(PAGE);
    let Some(first) = pages.next() else {
        return Ok((1, apply(ctx, site, position, (None, 0)).await?.finished));
    };
    let mut fetched = Some(fetch(site, first).await?);
    let (mut done, mut finished) = (0, false);
    while let Some(answer) = fetched.take() {
        let coming = async {
            match pages.next() {
                Some(ids) => fetch(site, ids).await.map(Some),
                None => Ok(None),
            }
        };
        // Two ways of waiting at once: PostgreSQL writes this page while Jira is asked for the next.
        let (progress, coming) = tokio::join!(put(ctx, site, position, answer), coming);
        let progress = progress?;
        (done, finished) = (done + 1, progress.finished);
        let expected = progress.expected.map_or_else(|| "?".to_owned(), |count| count.to_string());
        tracing::info!(project.id = %position.project, "Synced {}/{} issues", progress.synced, expected);
        fetched = coming?;
    }
    Ok((done, finished))
}

/// Some issues, and what Jira says about them.
struct Page {
    count: usize,
    answer: Hydrated,
}

async fn fetch(site: &Site, ids: &[IssueId]) -> Result<Page, Failure> {
    Ok(Page { count: ids.len(), answer: site.jira(Priority::Bulk).hydrate(ids).await? })
}

/// Applies a page; what Jira or the mirror cannot handle is set aside.
async fn put(ctx: &Context, site: &Site, position: &BackfillPosition, page: Page) -> Result<BackfillProgress, Failure> {
    let (instance, Page { count, mut answer }) = (site.instance.id, page);
    quarantine(ctx, instance, &answer).await?;
    if !answer.late.is_empty() {
        ctx.producer.touch(instance, &answer.late, Utc::now()).await?;
    }
    match apply(ctx, site, position, (Some(&answer), count)).await {
        // What can be stored is, what cannot is quarantined; only then does the position move.
        Err(Failure::Store(error)) if error.is_about_content() => {
            put_storable(ctx, site, &mut answer).await?;
            quarantine(ctx, instance, &answer).await?;
            apply(ctx, site, position, (None, count)).await
        }
        done => done,
    }
}

/// An answer and the position after so many issues, in one transaction.
async fn apply(
    ctx: &Context,
    site: &Site,
    position: &BackfillPosition,
    (answer, count): (Option<&Hydrated>, usize),
) -> Result<BackfillProgress, Failure> {
    if let Some(answer) = answer {
        ctx.touch_relatives(site, &answer.absent).await?;
    }
    let _turn = ctx.precedence.bulk_turn().await;
    let mut tx = begin(ctx, site).await?;
    if let Some(answer) = answer {
        tx.apply(site.instance.id, &answer.snapshots).await?;
        tx.mark_missing(site.instance.id, &answer.absent, answer.observed_at).await?;
    }
    let progress = tx.backfill_advance(position, count).await?;
    tx.commit().await?;
    Ok(progress)
}

async fn begin(ctx: &Context, site: &Site) -> Result<TenantTx, Failure> {
    Ok(ctx.store.tenant(site.instance.tenant).begin().await?)
}
