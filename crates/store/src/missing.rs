//! Gone is said in two steps: missing hides an issue until it is seen again, deleted is for ever.
//!
//! Both leave a row, also for an issue that was never seen, so that an older answer that comes late finds it and is refused.

use chrono::{DateTime, Utc};
use domain::{InstanceId, IssueId};

use crate::{
    Error, TenantTx,
    orm::{sql, stored},
};

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
            WHERE issues.deleted_at IS NULL AND (issues.gone_at IS NULL OR issues.gone_at < excluded.gone_at)
            RETURNING id, key";
        self.mark(SQL, instance, ids, observed_at).await
    }

    /// Records that these issues were deleted at `at`. Nothing changes their rows afterwards. Returns how many rows moved.
    pub async fn mark_deleted(
        &mut self,
        instance: InstanceId,
        ids: &[IssueId],
        at: DateTime<Utc>,
    ) -> Result<u64, Error> {
        const SQL: &str = "/* issues.deleted */ INSERT INTO mirror.issues (tenant_id, instance_id, id, deleted_at)
            SELECT $1, $2, p.id, $4 FROM unnest($3::bigint[]) AS p (id) ORDER BY p.id
            ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET deleted_at = excluded.deleted_at
            WHERE issues.deleted_at IS NULL
            RETURNING id, key";
        self.mark(SQL, instance, ids, at).await
    }

    async fn mark(
        &mut self,
        text: &'static str,
        instance: InstanceId,
        ids: &[IssueId],
        at: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let mut ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(0);
        }
        let query = sql(text).bind(self.tenant.0).bind(instance.0).bind(ids).bind(stored(at));
        let moved = query.fetch_all(self.connection()).await?;
        self.moved(instance, &moved).await?;
        Ok(moved.len() as u64)
    }
}
