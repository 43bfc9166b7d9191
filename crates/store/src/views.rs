//! Figures that are counted every few minutes rather than when they are asked for, and how old they are.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{AccountId, InstanceId, IssueId, IssueKey, ProjectId};
use sea_orm::sqlx::{Row, postgres::PgRow, types::Json};

use crate::{
    Error, System, TenantStore,
    orm::{sql, stored},
};

/// A materialized view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// [`ProjectMetrics`].
    IssueMetrics,
    /// [`LeadTime`].
    LeadTime,
    /// [`Workload`].
    UserWorkload,
}

impl View {
    /// Every view.
    pub const ALL: [Self; 3] = [Self::IssueMetrics, Self::LeadTime, Self::UserWorkload];

    /// Its name in the database and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::IssueMetrics => "issue_metrics",
            Self::LeadTime => "lead_time_view",
            Self::UserWorkload => "user_workload_view",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.name() == name)
    }
}

/// What came of asking for a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The view shows the rows as they were when this was asked, or later.
    Done,
    /// Somebody else is at it.
    BeingDone,
}

/// How old a view is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewAge {
    /// Which.
    pub view: View,
    /// When its last refresh began; before the first one, when it was made, empty.
    pub refreshed_at: DateTime<Utc>,
    /// Since then.
    pub age: Duration,
    /// How long that refresh took.
    pub took: Duration,
}

/// A project in figures, of its visible issues.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectMetrics {
    /// Which.
    pub project: ProjectId,
    /// All.
    pub issues: u64,
    /// Not begun.
    pub new: u64,
    /// Begun.
    pub indeterminate: u64,
    /// Finished.
    pub done: u64,
    /// How many are in each status, by its id; descending.
    pub by_status: Vec<(i64, u64)>,
    /// Created within 7 and within 30 days.
    pub created: (u64, u64),
    /// Resolved within 7 and within 30 days.
    pub resolved: (u64, u64),
    /// When the oldest that is not finished was created.
    pub oldest_open_at: Option<DateTime<Utc>>,
    /// The mean from creation to resolution, of those resolved within 30 days.
    pub lead_time: Option<Duration>,
}

/// How long a finished issue took.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadTime {
    /// Which.
    pub issue: IssueId,
    /// Its key at the time of the refresh.
    pub key: IssueKey,
    /// Its project.
    pub project: ProjectId,
    /// Who had it at the end.
    pub assignee: Option<AccountId>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was first in progress; absent when it never was, as far as the categories of its past statuses are known.
    pub started_at: Option<DateTime<Utc>>,
    /// When it became done for the last time.
    pub done_at: DateTime<Utc>,
    /// From creation until done.
    pub lead: Duration,
    /// From the first start until done.
    pub cycle: Option<Duration>,
}

/// Which finished issues are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeadTimeFilter {
    /// Of this project only.
    pub project: Option<ProjectId>,
    /// Of this assignee only.
    pub assignee: Option<AccountId>,
    /// Done at this time or later.
    pub done_since: Option<DateTime<Utc>>,
    /// Done before this time.
    pub done_before: Option<DateTime<Utc>>,
}

/// What one person has to do, of visible issues.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Who.
    pub assignee: AccountId,
    /// Not finished.
    pub open: u64,
    /// Of these, not begun.
    pub new: u64,
    /// Of these, begun.
    pub indeterminate: u64,
    /// Of the open ones, those whose due date is past, in UTC.
    pub overdue: u64,
    /// Resolved within 30 days.
    pub resolved: u64,
    /// When the oldest open one was created.
    pub oldest_open_at: Option<DateTime<Utc>>,
}

impl System<'_> {
    /// Counts anew, for all tenants, beside whoever reads.
    pub async fn refresh_view(&self, view: View) -> Result<Refreshed, Error> {
        let mut tx = self.connection().await?;
        let row = sql("/* views.refresh */ SELECT mirror.refresh_view($1) AS done")
            .bind(view.name())
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(if row.try_get("done")? { Refreshed::Done } else { Refreshed::BeingDone })
    }

    /// How old every view is.
    pub async fn view_ages(&self) -> Result<Vec<ViewAge>, Error> {
        let rows =
            sql("/* views.ages */ SELECT view, refreshed_at, age_seconds, refresh_seconds FROM mirror.view_ages()")
                .fetch_all(&mut *self.connection().await?)
                .await?;
        rows.iter().map(view_age).collect()
    }
}

impl TenantStore {
    /// The projects of an instance that follow `after`, by id, at most `limit`.
    pub async fn project_metrics(
        &self,
        instance: InstanceId,
        after: Option<ProjectId>,
        limit: u32,
    ) -> Result<Vec<ProjectMetrics>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* views.projects */
            SELECT project_id, issues, new, indeterminate, done, by_status, created_7d, created_30d, resolved_7d,
                resolved_30d, oldest_open_at, lead_seconds_30d
            FROM mirror.issue_metrics
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id > $3 ORDER BY project_id LIMIT $4")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(after.map_or(i64::MIN, |project| project.0))
        .bind(i64::from(limit))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(project_metrics).collect()
    }

    /// Finished issues of an instance, the last finished first, at most `limit`: those that follow the one named by its
    /// end and its id.
    pub async fn lead_times(
        &self,
        instance: InstanceId,
        filter: &LeadTimeFilter,
        after: Option<(DateTime<Utc>, IssueId)>,
        limit: u32,
    ) -> Result<Vec<LeadTime>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* views.lead_times */
            SELECT issue_id, key, project_id, assignee, created_at, started_at, done_at, lead_seconds, cycle_seconds
            FROM mirror.lead_time_view
            WHERE tenant_id = $1 AND instance_id = $2 AND done_at IS NOT NULL
                AND ($3::bigint IS NULL OR project_id = $3) AND ($4::text IS NULL OR assignee = $4)
                AND ($5::timestamptz IS NULL OR done_at >= $5) AND ($6::timestamptz IS NULL OR done_at < $6)
                AND ($7::timestamptz IS NULL OR (done_at, issue_id) < ($7, $8))
            ORDER BY done_at DESC, issue_id DESC LIMIT $9")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(filter.project.map(|project| project.0))
        .bind(filter.assignee.as_ref().map(|account| account.0.as_str()))
        .bind(filter.done_since.map(stored))
        .bind(filter.done_before.map(stored))
        .bind(after.map(|(done_at, _)| done_at))
        .bind(after.map_or(0, |(_, issue)| issue.0))
        .bind(i64::from(limit))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(lead_time).collect()
    }

    /// The people of an instance that follow `after`, by account, at most `limit`.
    pub async fn workload(
        &self,
        instance: InstanceId,
        after: Option<&AccountId>,
        limit: u32,
    ) -> Result<Vec<Workload>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* views.workload */
            SELECT assignee, open, new, indeterminate, overdue, resolved_30d, oldest_open_at
            FROM mirror.user_workload_view
            WHERE tenant_id = $1 AND instance_id = $2 AND assignee > $3 ORDER BY assignee LIMIT $4")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(after.map_or("", |account| account.0.as_str()))
        .bind(i64::from(limit))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(workload).collect()
    }
}

fn view_age(row: &PgRow) -> Result<ViewAge, Error> {
    Ok(ViewAge {
        view: View::from_name(row.try_get("view")?).ok_or(Error::Unreadable("refreshes.view"))?,
        refreshed_at: row.try_get("refreshed_at")?,
        age: seconds(row.try_get("age_seconds")?),
        took: seconds(row.try_get("refresh_seconds")?),
    })
}

fn project_metrics(row: &PgRow) -> Result<ProjectMetrics, Error> {
    let Json(by_status): Json<std::collections::BTreeMap<i64, u64>> = row.try_get("by_status")?;
    Ok(ProjectMetrics {
        project: ProjectId(row.try_get("project_id")?),
        issues: count(row, "issues")?,
        new: count(row, "new")?,
        indeterminate: count(row, "indeterminate")?,
        done: count(row, "done")?,
        by_status: by_status.into_iter().collect(),
        created: (count(row, "created_7d")?, count(row, "created_30d")?),
        resolved: (count(row, "resolved_7d")?, count(row, "resolved_30d")?),
        oldest_open_at: row.try_get("oldest_open_at")?,
        lead_time: row.try_get::<Option<f64>, _>("lead_seconds_30d")?.map(seconds),
    })
}

fn lead_time(row: &PgRow) -> Result<LeadTime, Error> {
    Ok(LeadTime {
        issue: IssueId(row.try_get("issue_id")?),
        key: row.try_get::<&str, _>("key")?.parse().map_err(|_| Error::Unreadable("lead_time_view.key"))?,
        project: ProjectId(row.try_get("project_id")?),
        assignee: row.try_get::<Option<String>, _>("assignee")?.map(AccountId),
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        done_at: row.try_get("done_at")?,
        lead: seconds(row.try_get("lead_seconds")?),
        cycle: row.try_get::<Option<f64>, _>("cycle_seconds")?.map(seconds),
    })
}

fn workload(row: &PgRow) -> Result<Workload, Error> {
    Ok(Workload {
        assignee: AccountId(row.try_get("assignee")?),
        open: count(row, "open")?,
        new: count(row, "new")?,
        indeterminate: count(row, "indeterminate")?,
        overdue: count(row, "overdue")?,
        resolved: count(row, "resolved_30d")?,
        oldest_open_at: row.try_get("oldest_open_at")?,
    })
}

fn count(row: &PgRow, column: &str) -> Result<u64, Error> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}

/// Clocks of two machines may make a span negative: then it is none.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
