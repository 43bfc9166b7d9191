//! Figures: projects, lead times, workloads. They are counted every few minutes, not when they are asked for.

use chrono::{DateTime, Utc};
use domain::{AccountId, InstanceId, IssueId, IssueKey, ProjectId, Scope};
use serde::Serialize;
use store::{LeadTimeFilter, TenantStore};
use utoipa::ToSchema;

use super::{Caller, Context, Error, Listing, Paging, context::instance};

/// A project in figures, of its visible issues.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectMetrics {
    /// Which.
    project: ProjectId,
    /// All.
    issues: u64,
    /// Not begun.
    new: u64,
    /// Begun.
    indeterminate: u64,
    /// Finished.
    done: u64,
    /// How many are in each status, the fullest first.
    by_status: Vec<StatusCount>,
    /// Created within 7 days.
    created_7d: u64,
    /// Created within 30 days.
    created_30d: u64,
    /// Resolved within 7 days.
    resolved_7d: u64,
    /// Resolved within 30 days.
    resolved_30d: u64,
    /// When the oldest that is not finished was created.
    oldest_open_at: Option<DateTime<Utc>>,
    /// The mean from creation to resolution, of those resolved within 30 days.
    lead_seconds_30d: Option<f64>,
}

/// How many issues are in one status.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusCount {
    /// Jira's number of it.
    status: i64,
    /// How many.
    issues: u64,
}

/// How long a finished issue took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeadTime {
    /// Which.
    issue: IssueId,
    /// Its key when that was counted.
    key: IssueKey,
    /// Its project.
    project: ProjectId,
    /// Who had it at the end.
    assignee: Option<AccountId>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it was first in progress, where that is known.
    started_at: Option<DateTime<Utc>>,
    /// When it became done for the last time.
    done_at: DateTime<Utc>,
    /// From creation until done.
    lead_seconds: f64,
    /// From the first start until done.
    cycle_seconds: Option<f64>,
}

/// What one person has to do, of visible issues.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Workload {
    /// Who.
    assignee: AccountId,
    /// Not finished.
    open: u64,
    /// Of these, not begun.
    new: u64,
    /// Of these, begun.
    indeterminate: u64,
    /// Of the open ones, those whose due date is past, in UTC.
    overdue: u64,
    /// Resolved within 30 days.
    resolved_30d: u64,
    /// When the oldest open one was created.
    oldest_open_at: Option<DateTime<Utc>>,
}

/// Which finished issues are wanted.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    /// A project's key.
    pub(crate) project: Option<String>,
    pub(crate) assignee: Option<AccountId>,
    pub(crate) done_from: Option<DateTime<Utc>>,
    pub(crate) done_before: Option<DateTime<Utc>>,
}

/// A site's projects, in the order of Jira's numbers.
pub(crate) async fn projects(
    context: &Context,
    caller: &Caller,
    site: Option<&str>,
    paging: &Paging,
) -> Result<Listing<ProjectMetrics>, Error> {
    let (mirror, site) = place(context, caller, site).await?;
    let name = format!("metrics/projects {site}");
    let after = paging.after(&mirror, &name)?;
    let rows = mirror.project_metrics(site, after, paging.one_more()).await?;
    let rows = rows.into_iter().map(ProjectMetrics::from).collect();
    paging.cut(&mirror, &name, rows, |row| row.project)
}

/// Finished issues of a site, the last finished first.
pub(crate) async fn lead_times(
    context: &Context,
    caller: &Caller,
    site: Option<&str>,
    wanted: Finished,
    paging: &Paging,
) -> Result<Listing<LeadTime>, Error> {
    let (mirror, site) = place(context, caller, site).await?;
    let name = format!("metrics/lead-times {site} {wanted:?}");
    let project = match &wanted.project {
        Some(key) => {
            let found = mirror.project_by_key(site, &key.parse()?).await?;
            Some(found.ok_or(Error::NotFound("project"))?.id)
        }
        None => None,
    };
    let filter = LeadTimeFilter {
        project,
        assignee: wanted.assignee,
        done_since: wanted.done_from,
        done_before: wanted.done_before,
    };
    let after = paging.after(&mirror, &name)?;
    let rows = mirror.lead_times(site, &filter, after, paging.one_more()).await?;
    let rows = rows.into_iter().map(LeadTime::from).collect();
    paging.cut(&mirror, &name, rows, |row| (row.done_at, row.issue))
}

/// The people of a site who have something to do, by account.
pub(crate) async fn workload(
    context: &Context,
    caller: &Caller,
    site: Option<&str>,
    paging: &Paging,
) -> Result<Listing<Workload>, Error> {
    let (mirror, site) = place(context, caller, site).await?;
    let name = format!("metrics/workload {site}");
    let after: Option<AccountId> = paging.after(&mirror, &name)?;
    let rows = mirror.workload(site, after.as_ref(), paging.one_more()).await?;
    let rows = rows.into_iter().map(Workload::from).collect();
    paging.cut(&mirror, &name, rows, |row| row.assignee.clone())
}

async fn place(context: &Context, caller: &Caller, site: Option<&str>) -> Result<(TenantStore, InstanceId), Error> {
    caller.require(Scope::ReadIssues)?;
    let mirror = context.mirror(caller);
    let site = instance(&mirror, site).await?.id;
    Ok((mirror, site))
}

impl From<store::ProjectMetrics> for ProjectMetrics {
    fn from(row: store::ProjectMetrics) -> Self {
        let by_status = row.by_status.into_iter().map(|(status, issues)| StatusCount { status, issues }).collect();
        Self {
            project: row.project,
            issues: row.issues,
            new: row.new,
            indeterminate: row.indeterminate,
            done: row.done,
            by_status,
            created_7d: row.created.0,
            created_30d: row.created.1,
            resolved_7d: row.resolved.0,
            resolved_30d: row.resolved.1,
            oldest_open_at: row.oldest_open_at,
            lead_seconds_30d: row.lead_time.map(|span| span.as_secs_f64()),
        }
    }
}

impl From<store::LeadTime> for LeadTime {
    fn from(row: store::LeadTime) -> Self {
        Self {
            issue: row.issue,
            key: row.key,
            project: row.project,
            assignee: row.assignee,
            created_at: row.created_at,
            started_at: row.started_at,
            done_at: row.done_at,
            lead_seconds: row.lead.as_secs_f64(),
            cycle_seconds: row.cycle.map(|span| span.as_secs_f64()),
        }
    }
}

impl From<store::Workload> for Workload {
    fn from(row: store::Workload) -> Self {
        Self {
            assignee: row.assignee,
            open: row.open,
            new: row.new,
            indeterminate: row.indeterminate,
            overdue: row.overdue,
            resolved_30d: row.resolved,
            oldest_open_at: row.oldest_open_at,
        }
    }
}
