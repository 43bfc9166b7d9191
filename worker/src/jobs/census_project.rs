//! One step of one project's roll call: list, verify or mark; and which comes next.
//!
//! The listing comes from an index that lags and forgets, so nobody is missed on its word: whoever it does not list is asked
//! for by id, thousands at a time. Whoever the mirror lacks is touched and read like any other touched issue.

use chrono::Utc;
use domain::{InstanceId, IssueId, Lifecycle, ProjectId};
use jira::{Client, Priority};
use queue::{Compared, Job, Losses, Outcome};
use store::{CensusEnd, CensusPosition, CensusStep, TenantStore, TenantTx, TimeDrift};
use uuid::Uuid;

use super::reconcile;
use crate::{
    context::{Context, Site},
    drift::Kind,
    failure::Failure,
};

/// Unlisted issues that are asked for in one step: five requests.
const VERIFIED: u32 = 5000;

/// How often Jira may forget the way through one listing before somebody should look.
const RESTARTS: i32 = 3;

/// Which step is meant.
pub(crate) struct Turn {
    pub(crate) instance: InstanceId,
    pub(crate) project: ProjectId,
    pub(crate) run: Uuid,
    pub(crate) page: u64,
    pub(crate) compared: Compared,
    pub(crate) losses: Losses,
}

/// One step, by whoever claimed it.
struct Step<'a> {
    ctx: &'a Context,
    site: &'a Site,
    position: CensusPosition,
}

/// Shows the figures before anything happens.
pub(super) fn show() {
    metrics::counter!("jirafleet_census_missing_total").increment(0);
    metrics::counter!("jirafleet_census_deleted_total").increment(0);
    metrics::counter!("jirafleet_census_touched_total").increment(0);
    metrics::counter!("jirafleet_census_held_total").increment(0);
    for outcome in ["done", "short", "held", "left"] {
        metrics::counter!("jirafleet_census_ended_total", "outcome" => outcome).increment(0);
    }
}

pub(crate) async fn run(ctx: &Context, turn: Turn) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(turn.instance).await? else { return Ok(Outcome::Done) };
    let tenant = ctx.store.tenant(site.instance.tenant);
    // None: it ended, or a later run took its place.
    let claimed = tenant.census_claim(turn.instance, turn.project, turn.run).await?;
    let Some(position) = claimed else { return Ok(Outcome::Done) };
    let step = Step { ctx, site: &site, position };
    let end = match step.position.step {
        CensusStep::List => step.list(turn.compared).await?,
        CensusStep::Verify => step.verify().await?,
        CensusStep::Mark => step.mark(turn.losses).await?,
    };
    let Some(end) = end else { return Ok(Outcome::Next(turn.next())) };
    step.end(&end).await?;
    Ok(Outcome::Done)
}

impl Turn {
    fn next(&self) -> Job {
        let Self { instance, project, run, page, compared, losses } = *self;
        Job::CensusProject { instance, project, run, page: page + 1, compared, losses }
    }
}

impl Step<'_> {
    /// Has Jira list the next thousands. A page token that is no longer valid starts the listing again.
    async fn list(&self, compared: Compared) -> Result<Option<CensusEnd>, Failure> {
        let (project, token) = (self.position.project, self.position.next_token.as_deref());
        let page = match self.jira().issue_ids(project, None, token).await {
            Err(jira::Error::TokenExpired) => return self.restart().await,
            // A search for what is not there is refused, or finds nothing.
            Err(error @ jira::Error::Refused { status: 400, .. }) => {
                return self.left().await?.map_or(Err(error.into()), |end| Ok(Some(end)));
            }
            answer => answer?,
        };
        let strays = self.tenant().census_strays(self.position.instance, project, &page.ids).await?;
        self.touch(&strays).await?;
        if compared == Compared::Times {
            self.compare(&page.ids).await?;
        }
        let expected = if page.next.is_none() { self.count(page.ids.len()).await? } else { None };
        let mut tx = self.begin().await?;
        tx.census_listed(&self.position, &page.ids, page.next.as_deref()).await?;
        if let Some(expected) = expected {
            tx.census_expects(&self.position, expected).await?;
        }
        tx.commit().await?;
        Ok(None)
    }

    async fn restart(&self) -> Result<Option<CensusEnd>, Failure> {
        let mut tx = self.begin().await?;
        let restarts = tx.census_restarted(&self.position).await?;
        tx.commit().await?;
        if restarts > RESTARTS { Err(jira::Error::TokenExpired.into()) } else { Ok(None) }
    }

    /// Compares when issues were updated last. What is only behind is touched; a copy that claims to be newer than Jira's
    /// would refuse the answer, so it is put right here.
    async fn compare(&self, ids: &[IssueId]) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let times = self.jira().update_times(ids).await?;
        let drifts = self.tenant().time_drifts(self.position.instance, &times.issues).await?;
        let of = |kind| drifts.iter().filter(move |(_, drift)| *drift == kind).map(|(id, _)| *id).collect::<Vec<_>>();
        let (missing, behind, ahead) = (of(TimeDrift::Missing), of(TimeDrift::Behind), of(TimeDrift::Ahead));
        reconcile::count(ids.len(), &[(Kind::Missing, missing.len()), (Kind::Stale, behind.len())]);
        // Listed and not shown: the index is behind. Looking again hides what is gone.
        let unclear = times.absent.iter().chain(times.failed.iter().map(|(id, _)| id)).copied();
        self.touch(&missing.into_iter().chain(behind).chain(unclear).collect::<Vec<_>>()).await?;
        reconcile::repair(self.ctx, self.site, &ahead).await
    }

    /// How many issues Jira counts, if the listing seems to have ended too early: it happens that one ends as if all were
    /// well, with a part of the project missing.
    async fn count(&self, last_page: usize) -> Result<Option<u64>, Failure> {
        let listed = self.position.listed + last_page as u64;
        let projects = self.tenant().projects(self.position.instance).await?;
        let project = projects.iter().find(|project| project.id == self.position.project);
        if project.and_then(|project| project.issue_count).is_none_or(|count| count <= listed) {
            return Ok(None);
        }
        match self.jira().approximate_count(self.position.project).await {
            Err(error @ jira::Error::Refused { .. }) => {
                tracing::warn!(error.code = error.code(), %error, "Jira does not count a project, so nothing checks its listing");
                Ok(None)
            }
            count => Ok(Some(count?)),
        }
    }

    /// Asks by id for whoever the mirror has and the listing has not.
    async fn verify(&self) -> Result<Option<CensusEnd>, Failure> {
        let asked = self.tenant().census_unlisted(&self.position, VERIFIED).await?;
        let (absent, observed_at) = if asked.is_empty() { (Vec::new(), Utc::now()) } else { self.ask(&asked).await? };
        self.ctx.touch_relatives(self.site, &absent).await?;
        let more = asked.len() == VERIFIED as usize;
        let mut tx = self.begin().await?;
        tx.census_verified(&self.position, (&absent, observed_at), asked.last().copied().filter(|_| more)).await?;
        tx.commit().await?;
        Ok(None)
    }

    /// Who of them is not shown. Who is there moved away, or is not indexed: what is newer is read.
    async fn ask(&self, ids: &[IssueId]) -> Result<(Vec<IssueId>, chrono::DateTime<Utc>), Failure> {
        let times = self.jira().update_times(ids).await?;
        let mut again = self.tenant().newer(self.position.instance, &times.issues).await?;
        again.extend(times.failed.iter().map(|(id, _)| *id));
        self.touch(&again).await?;
        Ok((times.absent, times.observed_at))
    }

    /// Marks one part of those who were not shown, unless too much would go, or the whole project has gone meanwhile.
    async fn mark(&self, losses: Losses) -> Result<Option<CensusEnd>, Failure> {
        if self.position.absent > 0 {
            let balance = self.tenant().census_balance(&self.position).await?;
            if let Some(end) = self.left().await? {
                return Ok(Some(end));
            }
            if losses == Losses::Hold && balance.is_too_much() {
                let (going, shown) = (balance.going, balance.shown);
                return Ok(Some(CensusEnd::Held(format!("{going} of {shown} issues would go at once"))));
            }
        }
        let mut tx = self.begin().await?;
        let marked = tx.census_mark(&self.position).await?;
        tx.commit().await?;
        let Some(gone) = marked else { return Ok(Some(CensusEnd::Done(self.remark()))) };
        metrics::counter!("jirafleet_census_missing_total").increment(gone.missing);
        metrics::counter!("jirafleet_census_deleted_total").increment(gone.deleted);
        tracing::info!(
            project.id = %self.position.project,
            issues.missing = gone.missing,
            issues.deleted = gone.deleted,
            "issues are gone"
        );
        Ok(None)
    }

    /// What the listing lacks by Jira's own count.
    fn remark(&self) -> Option<String> {
        let (listed, expected) = (self.position.listed, self.position.expected?);
        (listed < expected).then(|| format!("Jira counts {expected} issues, but its listing ended after {listed}"))
    }

    /// Whether the project is not a live one any more: then its issues say nothing.
    async fn left(&self) -> Result<Option<CensusEnd>, Failure> {
        let project = self.jira().project(self.position.project).await?;
        let is_live = project.is_some_and(|project| project.lifecycle == Lifecycle::Live);
        Ok((!is_live).then(|| CensusEnd::Left("Jira no longer shows the project as a live one".to_owned())))
    }

    async fn end(&self, end: &CensusEnd) -> Result<(), Failure> {
        let mut tx = self.begin().await?;
        tx.census_end(&self.position, end).await?;
        tx.commit().await?;
        let project = self.position.project;
        let outcome = match end {
            CensusEnd::Done(None) => "done",
            CensusEnd::Done(Some(remark)) => {
                tracing::error!(error.code = "census.short", project.id = %project, remark, "a listing ended too early; `jirafleet backfill` reads the rest");
                "short"
            }
            CensusEnd::Held(reason) => {
                metrics::counter!("jirafleet_census_held_total").increment(1);
                tracing::error!(
                    error.code = "census.held",
                    project.id = %project,
                    reason,
                    "the census is held: nothing was marked; check what the service account may see, then, if they are really \
                     gone, run `jirafleet sync census` with --accept"
                );
                "held"
            }
            CensusEnd::Left(reason) => {
                tracing::warn!(project.id = %project, reason, "the census of a project was left");
                "left"
            }
        };
        metrics::counter!("jirafleet_census_ended_total", "outcome" => outcome).increment(1);
        Ok(())
    }

    async fn touch(&self, ids: &[IssueId]) -> Result<(), Failure> {
        metrics::counter!("jirafleet_census_touched_total").increment(ids.len() as u64);
        if !ids.is_empty() {
            self.ctx.producer.touch(self.position.instance, ids, Utc::now()).await?;
        }
        Ok(())
    }

    fn jira(&self) -> Client {
        self.site.jira(Priority::Upkeep)
    }

    fn tenant(&self) -> TenantStore {
        self.ctx.store.tenant(self.site.instance.tenant)
    }

    async fn begin(&self) -> Result<TenantTx, Failure> {
        Ok(self.tenant().begin().await?)
    }
}
