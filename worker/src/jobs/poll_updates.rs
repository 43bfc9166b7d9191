//! Read what was updated since the watermark, a page at a time, and touch what the mirror does not have yet.
//!
//! The window reaches back further than the last one by an overlap and has no upper end, because the index lags; what the
//! mirror already holds at that version costs nothing.

use chrono::{DateTime, Utc};
use domain::{InstanceId, IssueId, Watermark, WebhookHealth};
use jira::{Priority, UpdatedPage};
use queue::{Job, Outcome, PollPage};

use super::backfill;
use crate::{
    context::{Context, Site},
    failure::Failure,
    hearing::Tally,
};

pub(crate) async fn run(ctx: &Context, instance: InstanceId, page: Option<&PollPage>) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    let tenant = ctx.store.tenant(site.instance.tenant);
    let mark = tenant.poll_mark(instance).await?.unwrap_or(Watermark(site.instance.created_at));
    let jira = site.jira(Priority::Poll);
    let answer = match jira.updated_since(mark.reread_from(), page.map(|page| page.token.as_str())).await {
        // This reading ends here and the mark stays: the next one, in its time, begins anew.
        Err(jira::Error::TokenExpired) => return Ok(Outcome::Done),
        answer => answer?,
    };
    // When the first question of this reading was sent: whatever happens while it runs is read again by the next.
    let began = page.map_or(answer.asked_at, |page| page.began);
    let mut tally = page.map_or_else(Tally::default, |page| Tally { told: page.told, untold: page.untold });
    let news = touch(ctx, &site, &answer).await?;
    for (issue, updated) in &answer.issues {
        tally.count((*updated, news.binary_search(issue).is_ok()), mark, began);
    }
    if let Some(token) = next_token(&answer, began) {
        let number = page.map_or(1, |page| page.number + 1);
        let page = PollPage { began, token, number, told: tally.told, untold: tally.untold };
        return Ok(Outcome::Next(Job::PollUpdates { instance, page: Some(page) }));
    }
    judge_webhooks(ctx, &site, tally, mark).await?;
    tenant.advance_poll_mark(instance, mark.advanced_to(began)).await?;
    backfill::revive(ctx, &site).await?;
    Ok(Outcome::Done)
}

/// Remembers how reliable webhooks are: the scheduler polls more often where they are not.
async fn judge_webhooks(ctx: &Context, site: &Site, tally: Tally, mark: Watermark) -> Result<(), Failure> {
    let id = site.instance.id;
    let Some(health) = tally.verdict(mark, ctx.producer.heard(id).await?) else { return Ok(()) };
    let before = ctx.store.tenant(site.instance.tenant).set_webhook_health(id, health).await?;
    if before == health {
        return Ok(());
    }
    metrics::counter!("jirafleet_webhook_health_changes_total", "health" => health.name()).increment(1);
    let (instance, untold) = (&site.instance.name, tally.untold);
    match health {
        WebhookHealth::Silent => {
            tracing::warn!(instance.name = %instance, untold, "no webhook comes, though issues change: polling more often");
            ctx.producer.enqueue(Job::KeepWebhook { instance: id }).await?;
        }
        _ => tracing::info!(instance.name = %instance, health = health.name(), untold, "webhooks were judged anew"),
    }
    Ok(())
}

fn told(seen: usize, news: usize) {
    metrics::counter!("jirafleet_poll_seen_total").increment(seen as u64);
    metrics::counter!("jirafleet_poll_touched_total").increment(news as u64);
}

/// Shows the figures before anything happens.
pub(super) fn show() {
    told(0, 0);
    for health in [WebhookHealth::Healthy, WebhookHealth::Lossy, WebhookHealth::Silent] {
        metrics::counter!("jirafleet_webhook_health_changes_total", "health" => health.name()).increment(0);
    }
}

/// Says which of the issues were news, in the order of their ids.
async fn touch(ctx: &Context, site: &Site, answer: &UpdatedPage) -> Result<Vec<IssueId>, Failure> {
    let instance = site.instance.id;
    let news = ctx.store.tenant(site.instance.tenant).newer(instance, &answer.issues).await?;
    told(answer.issues.len(), news.len());
    if !news.is_empty() {
        ctx.producer.touch(instance, &news, Utc::now()).await?;
    }
    Ok(news)
}

/// Pages come in the order of their update. Once one was updated after this reading began, the rest is the next reading's:
/// without that, issues that change all the time would keep one reading going for ever.
fn next_token(answer: &UpdatedPage, began: DateTime<Utc>) -> Option<String> {
    let reached = answer.issues.last().is_some_and(|(_, updated)| *updated > began);
    answer.next.clone().filter(|_| !reached)
}
