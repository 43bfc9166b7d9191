//! Gone is said in two steps: missing hides an issue, deleted says that it was missed twice. Both hold until it is seen later.
//!
//! Both leave a row, also for an issue that was never seen, so that an older answer that comes late finds it and is refused.
//! Hidden and deleted look alike from outside, so a deletion that was concluded must be open to disproof: Jira never gives an
//! id a second time, and who is seen later than that was only hidden.

use chrono::{DateTime, Utc};
use domain::{InstanceId, IssueId};
use sea_orm::sqlx::Row;

use crate::{
    Error, TenantStore, TenantTx,
    orm::{sql, stored},
};

/// What came of issues that a census did not find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Hidden until they are seen, or an earlier census has not missed them yet.
    pub missing: u64,
    /// Missed by two censuses.
    pub deleted: u64,
}

impl TenantStore {
    /// Visible issues, none of these, that the mirror shows below one of them or linked to one. When an issue goes, what
    /// points to it changes too, and Jira neither moves its time of update nor sends a webhook of it.
    pub async fn relatives(&self, instance: InstanceId, ids: &[IssueId]) -> Result<Vec<IssueId>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.read().await?;
        let rows = sql("/* issues.relatives */
            SELECT i.id FROM unnest($3::bigint[]) AS p (id)
            JOIN mirror.shown_issues i ON i.instance_id = $2 AND i.parent_id = p.id
            WHERE i.id <> ALL ($3)
            UNION
            SELECT i.id FROM mirror.issue_links l
            JOIN mirror.shown_issues i ON i.instance_id = $2 AND i.id = l.other_id
            WHERE l.tenant_id = $1 AND l.instance_id = $2 AND l.issue_id = ANY ($3) AND l.other_id <> ALL ($3)")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(in_order(ids))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(|row| Ok(IssueId(row.try_get("id")?))).collect()
    }
}

impl TenantTx {
    /// Records that Jira did not show these issues when it was asked at `observed_at`. Whatever was seen later than that
    /// stays visible. Returns how many rows moved.
    pub async fn mark_missing(
        &mut self,
        instance: InstanceId,
        ids: &[IssueId],
        observed_at: DateTime<Utc>,
    ) -> Result<u64, Error> {
        const SQL: &str = "/* issues.missing */ INSERT INTO mirror.issues (tenant_id, instance_id, id, gone_at)
            SELECT $1, $2, p.id, $4 FROM unnest($3::bigint[]) AS p (id) ORDER BY p.id
            ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET gone_at = excluded.gone_at
            WHERE issues.gone_at IS NULL OR issues.gone_at < excluded.gone_at
            RETURNING id, key";
        self.mark(SQL, instance, ids, observed_at).await
    }

    /// Records that these issues were deleted at `at`. Whatever was seen later than that stays as it is. Returns how many
    /// rows moved.
    pub async fn mark_deleted(
        &mut self,
        instance: InstanceId,
        ids: &[IssueId],
        at: DateTime<Utc>,
    ) -> Result<u64, Error> {
        const SQL: &str = "/* issues.deleted */ INSERT INTO mirror.issues (tenant_id, instance_id, id, deleted_at)
            SELECT $1, $2, p.id, $4 FROM unnest($3::bigint[]) AS p (id) ORDER BY p.id
            ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET deleted_at = excluded.deleted_at
            WHERE (issues.deleted_at IS NULL OR issues.deleted_at < excluded.deleted_at)
                AND (issues.seen_at IS NULL OR issues.seen_at < excluded.deleted_at)
            RETURNING id, key";
        self.mark(SQL, instance, ids, at).await
    }

    /// Records that Jira did not show these issues when a census that began at `began_at` asked for them at `observed_at`.
    /// One that an earlier census missed, and that was not seen since, is deleted now; the others are missing. Whatever was
    /// seen later than the question stays as it is.
    pub async fn mark_missed(
        &mut self,
        instance: InstanceId,
        ids: &[IssueId],
        (began_at, observed_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Gone, Error> {
        let ids = in_order(ids);
        if ids.is_empty() {
            return Ok(Gone::default());
        }
        let rows = sql("/* issues.missed */
            INSERT INTO mirror.issues AS t (tenant_id, instance_id, id, gone_at, missed_at)
            SELECT $1, $2, p.id, $4, $4 FROM unnest($3::bigint[]) AS p (id) ORDER BY p.id
            ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET
                gone_at = greatest(t.gone_at, excluded.gone_at),
                missed_at = CASE WHEN (t.missed_at > t.seen_at) IS NOT FALSE
                    THEN coalesce(t.missed_at, excluded.missed_at) ELSE excluded.missed_at END,
                deleted_at = CASE WHEN t.missed_at < $5 AND (t.missed_at > t.seen_at) IS NOT FALSE
                    THEN excluded.gone_at END
            WHERE t.deleted_at IS NULL AND (t.seen_at IS NULL OR t.seen_at < excluded.gone_at)
            RETURNING t.id, t.key, t.deleted_at IS NOT NULL AS deleted")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(ids)
        .bind(stored(observed_at))
        .bind(stored(began_at))
        .fetch_all(self.connection())
        .await?;
        self.moved(instance, &rows).await?;
        let deleted = rows.iter().filter(|row| row.try_get("deleted").unwrap_or(false)).count() as u64;
        Ok(Gone { missing: rows.len() as u64 - deleted, deleted })
    }

    async fn mark(
        &mut self,
        text: &'static str,
        instance: InstanceId,
        ids: &[IssueId],
        at: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let ids = in_order(ids);
        if ids.is_empty() {
            return Ok(0);
        }
        let query = sql(text).bind(self.tenant.0).bind(instance.0).bind(ids).bind(stored(at));
        let moved = query.fetch_all(self.connection()).await?;
        self.moved(instance, &moved).await?;
        Ok(moved.len() as u64)
    }
}

/// Each once and ascending, so that two writers lock in one order.
fn in_order(ids: &[IssueId]) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
