//! The roll call of a project's issues: who was listed, who was not shown, and what follows from it.
//!
//! It goes in three steps, each a part of some thousands at a time: Jira lists ids; whoever the mirror has and the listing has
//! not is asked for by id; whoever was not shown then is marked, unless too much would go at once. Nothing is concluded from
//! the listing alone. Each part is one transaction, and whoever lost the row to somebody else is refused by its fence.

mod marks;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::{InstanceId, IssueId, ProjectId};
use sea_orm::sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    Error, TenantStore, TenantTx,
    orm::{sql, stored},
};
pub use marks::Balance;

/// What a project's census does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CensusStep {
    /// Have Jira list ids.
    List,
    /// Ask by id for whoever was not listed.
    Verify,
    /// Mark whoever was not shown.
    Mark,
}

/// Where a project's census stands, for whoever claimed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CensusPosition {
    /// On which site.
    pub instance: InstanceId,
    /// Of what.
    pub project: ProjectId,
    /// What comes next.
    pub step: CensusStep,
    /// The way to the next part of the listing.
    pub next_token: Option<String>,
    /// The last of the unlisted that was asked for.
    pub verified_to: Option<IssueId>,
    /// Ids listed so far.
    pub listed: u64,
    /// How many issues Jira counts, once it was asked.
    pub expected: Option<u64>,
    /// How many of the unlisted were not shown when asked for, and are not marked yet.
    pub absent: u64,
    /// When it was planned, by the database's clock.
    pub began_at: DateTime<Utc>,
    page: i64,
    fence: i64,
}

/// How a census ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CensusEnd {
    /// All was marked that is to be; with what is odd about it, if anything.
    Done(Option<String>),
    /// Too much would go at once: nothing was marked.
    Held(String),
    /// The project is no longer listed: nothing was marked.
    Left(String),
}

/// A project's newest census, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CensusRow {
    /// Of what.
    pub project: ProjectId,
    /// The project's key, or its id while the directory does not know it.
    pub project_key: String,
    /// `listing`, `verifying`, `marking`, `done`, `held` or `left`.
    pub state: String,
    /// Why it was held or left, or what is odd about it.
    pub reason: Option<String>,
    /// Ids that Jira listed.
    pub listed: u64,
    /// How many issues Jira counts.
    pub expected: Option<u64>,
    /// Issues that it hid.
    pub missing: u64,
    /// Issues that it called deleted.
    pub deleted: u64,
    /// When it was planned.
    pub began_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl TenantStore {
    /// Plans a census of these projects and says of which: planning the same run again changes nothing, and a census that
    /// was heard of within the last hour goes on undisturbed.
    pub async fn census_plan(
        &self,
        instance: InstanceId,
        projects: &[ProjectId],
        run: Uuid,
    ) -> Result<Vec<ProjectId>, Error> {
        let mut tx = self.begin().await?;
        let rows = sql("/* census.plan */
            INSERT INTO mirror.censuses AS t (tenant_id, instance_id, project_id, run, state, began_at)
            SELECT $1, $2, p.id, $4, 'listing', now() FROM unnest($3::bigint[]) AS p (id) ORDER BY p.id
            ON CONFLICT (tenant_id, instance_id, project_id) DO UPDATE SET
                run = excluded.run, state = 'listing', reason = NULL, fence = t.fence + 1, page = 0, restarts = 0,
                next_token = NULL, verified_to = NULL, listed = 0, expected = NULL, absent = 0, missing = 0, deleted = 0,
                began_at = now(), updated_at = now(), finished_at = NULL
            WHERE t.run <> excluded.run
                AND (t.finished_at IS NOT NULL OR t.updated_at < now() - interval '1 hour')
            RETURNING project_id")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(numbers(projects, |project| project.0))
        .bind(run)
        .fetch_all(tx.connection())
        .await?;
        let begun =
            rows.iter().map(|row| Ok(ProjectId(row.try_get("project_id")?))).collect::<Result<Vec<_>, Error>>()?;
        // What a census that was overtaken has left.
        sql("/* census.sweep */ DELETE FROM mirror.roll_calls
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = ANY ($3)")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(numbers(&begun, |project| project.0))
        .execute(tx.connection())
        .await?;
        let planned = sql("/* census.planned */ SELECT project_id FROM mirror.censuses
            WHERE tenant_id = $1 AND instance_id = $2 AND run = $3 AND finished_at IS NULL ORDER BY project_id")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(run)
        .fetch_all(tx.connection())
        .await?;
        tx.commit().await?;
        planned.iter().map(|row| Ok(ProjectId(row.try_get("project_id")?))).collect()
    }

    /// Takes a project's census over, from whoever has it. `None` when that run has ended or another took its place.
    pub async fn census_claim(
        &self,
        instance: InstanceId,
        project: ProjectId,
        run: Uuid,
    ) -> Result<Option<CensusPosition>, Error> {
        let mut tx = self.begin().await?;
        let row = sql("/* census.claim */ UPDATE mirror.censuses SET fence = fence + 1, updated_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND run = $4 AND finished_at IS NULL
            RETURNING state, next_token, verified_to, listed, expected, absent, began_at, page, fence")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(project.0)
        .bind(run)
        .fetch_optional(tx.connection())
        .await?;
        tx.commit().await?;
        row.map(|row| position(instance, project, &row)).transpose()
    }

    /// Which of these issues, listed as this project's, the mirror does not show, or shows in another project or under
    /// another project's key.
    pub async fn census_strays(
        &self,
        instance: InstanceId,
        project: ProjectId,
        listed: &[IssueId],
    ) -> Result<Vec<IssueId>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* census.strays */
            SELECT DISTINCT p.id
            FROM unnest($4::bigint[]) AS p (id)
            LEFT JOIN LATERAL (
                SELECT id, visible, project_id, key FROM mirror.issues
                WHERE tenant_id = $1 AND instance_id = $2 AND id = p.id OFFSET 0
            ) AS i ON true
            LEFT JOIN mirror.projects j ON j.tenant_id = $1 AND j.instance_id = $2 AND j.id = $3
            WHERE i.id IS NULL OR NOT i.visible OR i.project_id <> $3 OR NOT starts_with(i.key, j.key || '-')
            ORDER BY p.id")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(project.0)
        .bind(numbers(listed, |id| id.0))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        ids(&rows)
    }

    /// Whom the mirror has in a project and the listing has not, in the order of their ids, those after `after`, at most
    /// `limit`: the visible, and the hidden that are not yet called deleted. `EXCEPT` sorts or hashes whatever the planner
    /// guesses; a join could walk the listing once for every issue.
    pub async fn census_unlisted(&self, position: &CensusPosition, limit: u32) -> Result<Vec<IssueId>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* census.unlisted */
            SELECT id FROM (
                (SELECT id FROM mirror.issues
                WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND visible AND id > $4
                UNION ALL
                SELECT id FROM mirror.issues
                WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND NOT visible AND deleted_at IS NULL
                    AND id > $4)
                EXCEPT
                SELECT unnest(ids) FROM mirror.roll_calls
                WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND answer = 'listed'
            ) AS unlisted
            ORDER BY id LIMIT $5")
        .bind(self.id().0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .bind(position.verified_to.map_or(i64::MIN, |id| id.0))
        .bind(i64::from(limit))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        ids(&rows)
    }

    /// Every project's newest census of an instance, in the order of project ids.
    pub async fn census_rows(&self, instance: InstanceId) -> Result<Vec<CensusRow>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* census.list */
            SELECT c.project_id, coalesce(p.key, c.project_id::text) AS project_key, c.state, c.reason, c.listed,
                c.expected, c.missing, c.deleted, c.began_at, c.finished_at
            FROM mirror.censuses c
            LEFT JOIN mirror.projects p
                ON p.tenant_id = c.tenant_id AND p.instance_id = c.instance_id AND p.id = c.project_id
            WHERE c.tenant_id = $1 AND c.instance_id = $2
            ORDER BY c.project_id")
        .bind(self.id().0)
        .bind(instance.0)
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(listed).collect()
    }
}

impl TenantTx {
    /// Keeps a part of the listing, `next_token` being the way to the following one; without one the listing is complete.
    /// [`Error::Overtaken`] when somebody else has claimed the project.
    pub async fn census_listed(
        &mut self,
        position: &CensusPosition,
        listed: &[IssueId],
        next_token: Option<&str>,
    ) -> Result<(), Error> {
        // Pages that shift while they are read show an issue twice.
        let once: HashSet<i64> = listed.iter().map(|id| id.0).collect();
        let row = sql("/* census.listed */ UPDATE mirror.censuses
            SET page = page + 1, listed = listed + $5, next_token = $6, updated_at = now(),
                state = CASE WHEN $6 IS NULL THEN 'verifying' ELSE 'listing' END
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND fence = $4
            RETURNING fence")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .bind(position.fence)
        .bind(i64::try_from(once.len()).unwrap_or(i64::MAX))
        .bind(next_token)
        .fetch_optional(self.connection())
        .await?;
        row.ok_or(Error::Overtaken)?;
        self.call(position, "listed", (once.into_iter().collect(), position.began_at)).await
    }

    /// Remembers how many issues Jira counts, to compare the listing with.
    pub async fn census_expects(&mut self, position: &CensusPosition, expected: u64) -> Result<(), Error> {
        sql("/* census.expects */ UPDATE mirror.censuses SET expected = $5
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND fence = $4")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .bind(position.fence)
        .bind(i64::try_from(expected).unwrap_or(i64::MAX))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Begins the listing anew, because Jira no longer knows the way to its next part; says how often that happened.
    /// [`Error::Overtaken`] when somebody else has claimed the project.
    pub async fn census_restarted(&mut self, position: &CensusPosition) -> Result<i32, Error> {
        let row = sql("/* census.restart */ UPDATE mirror.censuses
            SET next_token = NULL, listed = 0, restarts = restarts + 1, updated_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND fence = $4
            RETURNING restarts")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .bind(position.fence)
        .fetch_optional(self.connection())
        .await?;
        let restarts = row.ok_or(Error::Overtaken)?.try_get("restarts")?;
        self.forget_roll(position).await?;
        Ok(restarts)
    }

    async fn call(
        &mut self,
        position: &CensusPosition,
        answer: &str,
        (ids, observed_at): (Vec<i64>, DateTime<Utc>),
    ) -> Result<(), Error> {
        sql("/* roll.call */
            INSERT INTO mirror.roll_calls (tenant_id, instance_id, project_id, answer, part, ids, observed_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .bind(answer)
        .bind(position.page)
        .bind(ids)
        .bind(stored(observed_at))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    async fn forget_roll(&mut self, position: &CensusPosition) -> Result<(), Error> {
        sql("/* roll.forget */ DELETE FROM mirror.roll_calls
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

fn position(instance: InstanceId, project: ProjectId, row: &PgRow) -> Result<CensusPosition, Error> {
    Ok(CensusPosition {
        instance,
        project,
        step: match row.try_get("state")? {
            "listing" => CensusStep::List,
            "verifying" => CensusStep::Verify,
            "marking" => CensusStep::Mark,
            _ => return Err(Error::Unreadable("censuses.state")),
        },
        next_token: row.try_get("next_token")?,
        verified_to: row.try_get::<Option<i64>, _>("verified_to")?.map(IssueId),
        listed: count(row, "listed")?,
        expected: expected(row)?,
        absent: count(row, "absent")?,
        began_at: row.try_get("began_at")?,
        page: row.try_get("page")?,
        fence: row.try_get("fence")?,
    })
}

fn listed(row: &PgRow) -> Result<CensusRow, Error> {
    Ok(CensusRow {
        project: ProjectId(row.try_get("project_id")?),
        project_key: row.try_get("project_key")?,
        state: row.try_get("state")?,
        reason: row.try_get("reason")?,
        listed: count(row, "listed")?,
        expected: expected(row)?,
        missing: count(row, "missing")?,
        deleted: count(row, "deleted")?,
        began_at: row.try_get("began_at")?,
        finished_at: row.try_get("finished_at")?,
    })
}

fn count(row: &PgRow, column: &str) -> Result<u64, Error> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}

fn expected(row: &PgRow) -> Result<Option<u64>, Error> {
    Ok(row.try_get::<Option<i64>, _>("expected")?.and_then(|count| u64::try_from(count).ok()))
}

fn ids(rows: &[PgRow]) -> Result<Vec<IssueId>, Error> {
    rows.iter().map(|row| Ok(IssueId(row.try_get("id")?))).collect()
}

fn numbers<T>(all: &[T], number: impl Fn(&T) -> i64) -> Vec<i64> {
    all.iter().map(number).collect()
}
