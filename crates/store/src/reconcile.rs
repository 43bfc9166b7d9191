//! Comparing the mirror with Jira: whom to compare, what their times tell, and making room for what Jira says.

use chrono::{DateTime, Utc};
use domain::{InstanceId, IssueId};
use sea_orm::sqlx::Row;

use crate::{
    Error, TenantStore, TenantTx,
    orm::{sql, stored},
};

/// What the time of an issue's last update tells about the mirror's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeDrift {
    /// The mirror does not show it.
    Missing,
    /// The mirror's copy is older.
    Behind,
    /// The mirror's copy claims to be newer, which no answer of Jira's can have told.
    Ahead,
}

impl TenantStore {
    /// So many visible issues of live projects, chosen at random.
    pub async fn sample_ids(&self, instance: InstanceId, limit: u32) -> Result<Vec<IssueId>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* issues.sample */
            SELECT i.id FROM mirror.projects p
            JOIN mirror.issues i
                ON i.tenant_id = p.tenant_id AND i.instance_id = p.instance_id AND i.project_id = p.id AND i.visible
            WHERE p.tenant_id = $1 AND p.instance_id = $2 AND p.lifecycle = 'live'
            ORDER BY random() LIMIT $3")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(i64::from(limit))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(|row| Ok(IssueId(row.try_get("id")?))).collect()
    }

    /// The visible issues of live projects that follow `after`, ascending, at most `limit`.
    pub async fn live_issue_ids(
        &self,
        instance: InstanceId,
        after: Option<IssueId>,
        limit: u32,
    ) -> Result<Vec<IssueId>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* issues.live_ids */ SELECT i.id FROM mirror.issues i
            WHERE i.tenant_id = $1 AND i.instance_id = $2 AND i.id > $3 AND i.visible AND NOT EXISTS (
                SELECT FROM mirror.projects p
                WHERE p.tenant_id = $1 AND p.instance_id = $2 AND p.id = i.project_id AND p.lifecycle <> 'live')
            ORDER BY i.id LIMIT $4")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(after.map_or(i64::MIN, |id| id.0))
        .bind(i64::from(limit))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(|row| Ok(IssueId(row.try_get("id")?))).collect()
    }

    /// Those of these issues whose time of update is not the mirror's, in the order of their ids.
    pub async fn time_drifts(
        &self,
        instance: InstanceId,
        updated: &[(IssueId, DateTime<Utc>)],
    ) -> Result<Vec<(IssueId, TimeDrift)>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* issues.time_drifts */
            SELECT p.id, i.visible IS NOT TRUE AS missing, i.updated_at > p.updated_at AS ahead
            FROM unnest($3::bigint[], $4::timestamptz[]) AS p (id, updated_at)
            LEFT JOIN LATERAL (
                SELECT visible, updated_at FROM mirror.issues
                WHERE tenant_id = $1 AND instance_id = $2 AND id = p.id OFFSET 0
            ) AS i ON true
            WHERE i.visible IS NOT TRUE OR i.updated_at IS DISTINCT FROM p.updated_at
            ORDER BY p.id")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(updated.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
        .bind(updated.iter().map(|(_, time)| stored(*time)).collect::<Vec<_>>())
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        let drift = |missing, ahead: Option<bool>| match (missing, ahead) {
            (true, _) => TimeDrift::Missing,
            (false, Some(true)) => TimeDrift::Ahead,
            (false, _) => TimeDrift::Behind,
        };
        let drifts = rows
            .iter()
            .map(|row| Ok((IssueId(row.try_get("id")?), drift(row.try_get("missing")?, row.try_get("ahead")?))));
        drifts.collect()
    }
}

impl TenantTx {
    /// Lets the next answer about these issues count whatever it says, unless the mirror holds one from `observed_at` or
    /// later. For rows that were found to differ from Jira although by their times and hashes they should not. The answer
    /// must follow in the same transaction: until then the rows have no version.
    pub async fn doubt(
        &mut self,
        instance: InstanceId,
        ids: &[IssueId],
        observed_at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        sql("/* issues.doubt */ UPDATE mirror.issues SET observed_at = NULL, content_hash = NULL
            WHERE tenant_id = $1 AND instance_id = $2 AND observed_at < $4 AND id IN (
                SELECT i.id FROM unnest($3::bigint[]) AS p (id) CROSS JOIN LATERAL (
                    SELECT id FROM mirror.issues
                    WHERE tenant_id = $1 AND instance_id = $2 AND id = p.id OFFSET 0 FOR UPDATE
                ) AS i)")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(ids)
        .bind(stored(observed_at))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
