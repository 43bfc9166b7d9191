//! How far each project's backfill has come: one row a project, moved in the transaction that writes a page.
//!
//! Whoever claims the row gets a higher fence; a page that was begun under a lower one is refused and leaves nothing. So
//! two workers at one project cost time, never a page.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{InstanceId, IssueId, ProjectId};
use sea_orm::sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use crate::{Error, TenantStore, TenantTx, orm::sql};

/// As many issues as one claim may work at: whoever claims next sees whether the run was cancelled.
const TURN: usize = 1_000;

/// A project's backfill to be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillPlan {
    /// Of what.
    pub project: ProjectId,
    /// Names the whole run. Planning the same run again changes nothing; another run begins anew.
    pub run: Uuid,
    /// Only issues created on or after this day.
    pub since: Option<NaiveDate>,
    /// How many issues Jira thinks there are.
    pub expected: Option<u64>,
}

/// Where a project's backfill stands, for whoever claimed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillPosition {
    /// On which site.
    pub instance: InstanceId,
    /// Of what.
    pub project: ProjectId,
    /// Only issues created on or after this day.
    pub since: Option<NaiveDate>,
    /// The issues to fetch next, at most a thousand; empty when the listing must go on first, or is at its end.
    pub next: Vec<IssueId>,
    /// The way to the next part of the listing.
    pub next_token: Option<String>,
    /// Whether the listing has come to its end.
    pub listed_all: bool,
    fence: i64,
}

/// How far a project's backfill has come after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackfillProgress {
    /// Issues done so far.
    pub synced: u64,
    /// How many issues Jira thought there were.
    pub expected: Option<u64>,
    /// Whether every page was applied.
    pub finished: bool,
}

/// A project's backfill, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillRow {
    /// Of what.
    pub project: ProjectId,
    /// The project's key, or its id while the directory does not know it.
    pub project_key: String,
    /// Names the whole run.
    pub run: Uuid,
    /// `waiting`, `running`, `done`, `cancelled` or `failed`.
    pub state: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// Issues done so far.
    pub synced: u64,
    /// How many issues Jira thought there were.
    pub expected: Option<u64>,
    /// Pages done so far, which is the number of the next one.
    pub page: u64,
    /// When it was planned.
    pub began_at: DateTime<Utc>,
    /// When its last page was applied.
    pub finished_at: Option<DateTime<Utc>>,
}

impl BackfillRow {
    /// Whether nothing more will be done for it by itself.
    pub fn ended(&self) -> bool {
        matches!(self.state.as_str(), DONE | CANCELLED | FAILED)
    }

    /// Issues still to come, as far as is known. Of a page that is under way half is as good as done.
    pub fn rest(&self) -> u64 {
        let rest = self.expected.unwrap_or(self.synced).saturating_sub(self.synced);
        match self.state.as_str() {
            WAITING => rest,
            RUNNING => rest - HALF_A_PAGE.min(rest / 2),
            _ => 0,
        }
    }

    /// Whether nobody has begun it.
    pub fn is_waiting(&self) -> bool {
        self.state == WAITING
    }

    /// Whether somebody called it off.
    pub fn was_cancelled(&self) -> bool {
        self.state == CANCELLED
    }

    /// Whether it was given up before its end.
    pub fn has_failed(&self) -> bool {
        self.state == FAILED
    }
}

/// Half of what Jira answers in one request.
const HALF_A_PAGE: u64 = 50;

const WAITING: &str = "waiting";
const RUNNING: &str = "running";
const DONE: &str = "done";
const CANCELLED: &str = "cancelled";
const FAILED: &str = "failed";

impl TenantStore {
    /// Takes a project's backfill over, from whoever has it. `None` when that run has ended or another took its place.
    pub async fn backfill_claim(
        &self,
        instance: InstanceId,
        project: ProjectId,
        run: Uuid,
    ) -> Result<Option<BackfillPosition>, Error> {
        let mut tx = self.begin().await?;
        let row = sql("/* backfill.claim */ UPDATE mirror.sync_watermarks
            SET fence = fence + 1, state = 'running', reason = NULL, updated_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND stream = $3 AND run = $4
                AND state IN ('waiting', 'running')
            RETURNING since, listing[done + 1 : done + 1000] AS next, next_token, listed_all, fence")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(stream(project))
        .bind(run)
        .fetch_optional(tx.connection())
        .await?;
        tx.commit().await?;
        row.map(|row| position(instance, project, &row)).transpose()
    }

    /// Records that nobody goes on with a run by itself, and why.
    pub async fn backfill_failed(
        &self,
        instance: InstanceId,
        project: ProjectId,
        run: Uuid,
        reason: &str,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql(
            "/* backfill.failed */ UPDATE mirror.sync_watermarks SET state = 'failed', reason = $5, updated_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND stream = $3 AND run = $4 AND state IN ('waiting', 'running')",
        )
        .bind(self.id().0)
        .bind(instance.0)
        .bind(stream(project))
        .bind(run)
        .bind(reason)
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }

    /// Ends what is unfinished of an instance, or only of a project or a run, because somebody called it off, also what was
    /// interrupted; answers of which projects. Whoever works at them is overtaken; what they brought so far stays.
    pub async fn backfill_cancel(
        &self,
        instance: InstanceId,
        project: Option<ProjectId>,
        run: Option<Uuid>,
    ) -> Result<Vec<ProjectId>, Error> {
        let mut tx = self.begin().await?;
        let rows = sql("/* backfill.cancel */ UPDATE mirror.sync_watermarks
            SET state = 'cancelled', fence = fence + 1, updated_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND ($3::text IS NULL OR stream = $3) AND run = coalesce($4, run)
                AND state IN ('waiting', 'running', 'failed')
            RETURNING project_id")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(project.map(stream))
        .bind(run)
        .fetch_all(tx.connection())
        .await?;
        tx.commit().await?;
        rows.iter().map(|row| Ok(ProjectId(row.try_get("project_id")?))).collect()
    }

    /// Lets the failed backfills of an instance wait for somebody to go on with them.
    pub async fn backfill_again(&self, instance: InstanceId) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        sql("/* backfill.again */ UPDATE mirror.sync_watermarks SET state = 'waiting', reason = NULL, updated_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND state = 'failed'")
        .bind(self.id().0)
        .bind(instance.0)
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }

    /// Every project's backfill of an instance, in the order of project ids.
    pub async fn backfill_progress(&self, instance: InstanceId) -> Result<Vec<BackfillRow>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* backfill.list */
            SELECT w.project_id, coalesce(p.key, w.project_id::text) AS project_key, w.run, w.state, w.reason, w.synced,
                w.expected, w.page, w.began_at, w.finished_at
            FROM mirror.sync_watermarks w
            LEFT JOIN mirror.projects p
                ON p.tenant_id = w.tenant_id AND p.instance_id = w.instance_id AND p.id = w.project_id
            WHERE w.tenant_id = $1 AND w.instance_id = $2 AND w.run IS NOT NULL
            ORDER BY w.project_id")
        .bind(self.id().0)
        .bind(instance.0)
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(listed).collect()
    }
}

impl TenantTx {
    /// Begins backfills anew. Whoever still works at an earlier run of the same project is overtaken.
    pub async fn backfill_plan(&mut self, instance: InstanceId, plans: &[BackfillPlan]) -> Result<(), Error> {
        let mut plans: Vec<&BackfillPlan> = plans.iter().collect();
        plans.sort_by_key(|plan| plan.project);
        plans.dedup_by_key(|plan| plan.project);
        sql("/* backfill.plan */
            INSERT INTO mirror.sync_watermarks
                (tenant_id, instance_id, stream, project_id, run, state, since, expected, began_at)
            SELECT $1, $2, p.stream, p.project_id, p.run, 'waiting', p.since, p.expected, now()
            FROM unnest($3::text[], $4::bigint[], $5::uuid[], $6::date[], $7::bigint[])
                AS p (stream, project_id, run, since, expected)
            ORDER BY p.project_id
            ON CONFLICT (tenant_id, instance_id, stream) DO UPDATE SET
                run = excluded.run, state = excluded.state, since = excluded.since, expected = excluded.expected,
                began_at = excluded.began_at, updated_at = now(), finished_at = NULL, listing = NULL, done = 0,
                next_token = NULL, listed_all = false, synced = 0, page = 0, reason = NULL, restarts = 0, fence = sync_watermarks.fence + 1
            WHERE sync_watermarks.run IS DISTINCT FROM excluded.run")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(plans.iter().map(|plan| stream(plan.project)).collect::<Vec<_>>())
        .bind(plans.iter().map(|plan| plan.project.0).collect::<Vec<_>>())
        .bind(plans.iter().map(|plan| plan.run).collect::<Vec<_>>())
        .bind(plans.iter().map(|plan| plan.since).collect::<Vec<_>>())
        .bind(plans.iter().map(|plan| plan.expected.and_then(|n| i64::try_from(n).ok())).collect::<Vec<_>>())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Keeps a part of the listing, `next_token` being the way to the following part, and lets `position` point at its
    /// first issues. [`Error::Overtaken`] when somebody else has claimed the project.
    pub async fn backfill_listed(
        &mut self,
        position: &mut BackfillPosition,
        ids: Vec<IssueId>,
        next_token: Option<String>,
    ) -> Result<(), Error> {
        let row = sql("/* backfill.listed */ UPDATE mirror.sync_watermarks
            SET listing = $5, done = 0, next_token = $6, listed_all = $6 IS NULL, updated_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND stream = $3 AND fence = $4
            RETURNING fence")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(stream(position.project))
        .bind(position.fence)
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(next_token.as_deref())
        .fetch_optional(self.connection())
        .await?;
        row.ok_or(Error::Overtaken)?;
        position.listed_all = next_token.is_none();
        position.next_token = next_token;
        position.next = ids;
        position.next.truncate(TURN);
        Ok(())
    }

    /// Begins the listing anew, because Jira no longer knows the way to its next part; says how often that happened.
    /// [`Error::Overtaken`] when somebody else has claimed the project.
    pub async fn backfill_restarted(&mut self, position: &mut BackfillPosition) -> Result<i32, Error> {
        let row = sql("/* backfill.restart */ UPDATE mirror.sync_watermarks
            SET listing = NULL, done = 0, next_token = NULL, listed_all = false, synced = 0, restarts = restarts + 1,
                updated_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND stream = $3 AND fence = $4
            RETURNING restarts")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(stream(position.project))
        .bind(position.fence)
        .fetch_optional(self.connection())
        .await?;
        position.next_token = None;
        Ok(row.ok_or(Error::Overtaken)?.try_get("restarts")?)
    }

    /// Counts the following `count` issues as done: the last statement of a page's transaction. [`Error::Overtaken`] when
    /// somebody else has claimed the project; the transaction must then be dropped.
    pub async fn backfill_advance(
        &mut self,
        position: &BackfillPosition,
        count: usize,
    ) -> Result<BackfillProgress, Error> {
        let row = sql("/* backfill.advance */ UPDATE mirror.sync_watermarks
            SET done = done + $5, synced = synced + $5, page = page + 1, updated_at = now(),
                state = CASE WHEN listed_all AND done + $5 >= coalesce(cardinality(listing), 0)
                    THEN 'done' ELSE 'running' END,
                finished_at = CASE WHEN listed_all AND done + $5 >= coalesce(cardinality(listing), 0)
                    THEN now() END
            WHERE tenant_id = $1 AND instance_id = $2 AND stream = $3 AND fence = $4
            RETURNING synced, expected, state")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(stream(position.project))
        .bind(position.fence)
        .bind(i32::try_from(count).unwrap_or(i32::MAX))
        .fetch_optional(self.connection())
        .await?;
        progress(&row.ok_or(Error::Overtaken)?)
    }
}

fn stream(project: ProjectId) -> String {
    format!("backfill:{project}")
}

fn position(instance: InstanceId, project: ProjectId, row: &PgRow) -> Result<BackfillPosition, Error> {
    let next: Option<Vec<i64>> = row.try_get("next")?;
    Ok(BackfillPosition {
        instance,
        project,
        since: row.try_get("since")?,
        next: next.unwrap_or_default().into_iter().map(IssueId).collect(),
        next_token: row.try_get("next_token")?,
        listed_all: row.try_get("listed_all")?,
        fence: row.try_get("fence")?,
    })
}

fn progress(row: &PgRow) -> Result<BackfillProgress, Error> {
    let state: &str = row.try_get("state")?;
    Ok(BackfillProgress { synced: synced(row)?, expected: expected(row)?, finished: state == DONE })
}

fn listed(row: &PgRow) -> Result<BackfillRow, Error> {
    Ok(BackfillRow {
        project: ProjectId(row.try_get("project_id")?),
        project_key: row.try_get("project_key")?,
        run: row.try_get("run")?,
        state: row.try_get("state")?,
        reason: row.try_get("reason")?,
        synced: synced(row)?,
        expected: expected(row)?,
        page: u64::try_from(row.try_get::<i64, _>("page")?).unwrap_or_default(),
        began_at: row.try_get("began_at")?,
        finished_at: row.try_get("finished_at")?,
    })
}

fn synced(row: &PgRow) -> Result<u64, Error> {
    Ok(u64::try_from(row.try_get::<i64, _>("synced")?).unwrap_or_default())
}

fn expected(row: &PgRow) -> Result<Option<u64>, Error> {
    Ok(row.try_get::<Option<i64>, _>("expected")?.and_then(|count| u64::try_from(count).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_page_under_way_is_as_good_as_done() {
        let rest = |state: &str, synced, expected| {
            let row = BackfillRow {
                project: ProjectId(1),
                project_key: "ACME".to_owned(),
                run: Uuid::nil(),
                state: state.to_owned(),
                reason: None,
                synced,
                expected,
                page: 0,
                began_at: DateTime::UNIX_EPOCH,
                finished_at: None,
            };
            row.rest()
        };
        assert_eq!((rest("waiting", 0, Some(900)), rest("running", 100, Some(900))), (900, 750));
        assert_eq!((rest("running", 880, Some(900)), rest("running", 950, Some(900))), (10, 0));
        assert_eq!((rest("running", 100, None), rest("done", 890, Some(900))), (0, 0));
    }
}
