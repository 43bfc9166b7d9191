//! Reading issues.

use chrono::{DateTime, Utc};
use domain::{InstanceId, Issue, IssueId, IssueKey};
use sea_orm::{
    QueryResult,
    sqlx::{
        Postgres, Row,
        postgres::{PgArguments, PgRow},
        query::Query,
    },
};

use crate::{
    Error, TenantStore,
    cache::IssueByKey,
    orm::{sql, stored},
    rows::{issue_columns, read_issue},
};

/// How much an instance's mirror holds, of visible issues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Issues.
    pub issues: u64,
    /// Their comments.
    pub comments: u64,
    /// Entries of their changelogs.
    pub histories: u64,
}

impl TenantStore {
    /// Which of these issues the mirror does not show, or shows in a version older than the one given.
    pub async fn newer(
        &self,
        instance: InstanceId,
        updated: &[(IssueId, DateTime<Utc>)],
    ) -> Result<Vec<IssueId>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* issues.newer */
            SELECT DISTINCT p.id
            FROM unnest($3::bigint[], $4::timestamptz[]) AS p (id, updated_at)
            LEFT JOIN LATERAL (
                SELECT id, visible, updated_at FROM mirror.issues
                WHERE tenant_id = $1 AND instance_id = $2 AND id = p.id OFFSET 0
            ) AS i ON true
            WHERE i.id IS NULL OR NOT i.visible OR i.updated_at IS NULL OR i.updated_at < p.updated_at
            ORDER BY p.id")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(updated.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
        .bind(updated.iter().map(|(_, time)| stored(*time)).collect::<Vec<_>>())
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(|row| Ok(IssueId(row.try_get("id")?))).collect()
    }

    /// The visible issue that has this key now, else the one that had it last.
    pub async fn issue_by_key(&self, instance: InstanceId, key: &IssueKey) -> Result<Option<Issue>, Error> {
        self.cached(IssueByKey::of(instance, key), || self.find_issue(instance, key)).await
    }

    async fn find_issue(&self, instance: InstanceId, key: &IssueKey) -> Result<Option<Issue>, Error> {
        let now = concat!(
            "/* issues.by_key */ SELECT ",
            issue_columns!(),
            " FROM mirror.issues i
            WHERE i.tenant_id = $1 AND i.instance_id = $2 AND i.key = $3 AND i.visible
            ORDER BY i.observed_at DESC, i.id DESC LIMIT 1"
        );
        let before = concat!(
            "/* issues.by_old_key */ SELECT ",
            issue_columns!(),
            " FROM mirror.issue_key_aliases a
            JOIN mirror.issues i
                ON i.tenant_id = a.tenant_id AND i.instance_id = a.instance_id AND i.id = a.issue_id AND i.visible
            WHERE a.tenant_id = $1 AND a.instance_id = $2 AND a.key = $3
            ORDER BY a.last_had_at DESC, a.issue_id DESC LIMIT 1"
        );
        let ask = |text| sql(text).bind(self.id().0).bind(instance.0).bind(key.as_str());
        // In one transaction: a move between the two questions would hide the issue from both.
        let mut tx = self.read().await?;
        let row = match ask(now).fetch_optional(tx.connection()).await? {
            None => ask(before).fetch_optional(tx.connection()).await?,
            found => found,
        };
        tx.rollback().await?;
        row.map(|row| Ok(read_issue(&QueryResult::from(row))?.0)).transpose()
    }

    /// The id behind a key that an issue has or had, also of one that is missing.
    pub async fn issue_id(&self, instance: InstanceId, key: &IssueKey) -> Result<Option<IssueId>, Error> {
        let mut tx = self.read().await?;
        let row = sql("/* issues.id_of_key */
            SELECT id FROM (
                SELECT id, 0 AS rank, visible, observed_at AS at FROM mirror.issues
                WHERE tenant_id = $1 AND instance_id = $2 AND key = $3
                UNION ALL
                SELECT issue_id, 1, true, last_had_at FROM mirror.issue_key_aliases
                WHERE tenant_id = $1 AND instance_id = $2 AND key = $3
            ) AS found
            ORDER BY rank, visible DESC, at DESC, id DESC LIMIT 1")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(key.as_str())
        .fetch_optional(tx.connection())
        .await?;
        tx.rollback().await?;
        row.map(|row| Ok(IssueId(row.try_get("id")?))).transpose()
    }

    /// The visible issue with this id.
    pub async fn issue_by_id(&self, instance: InstanceId, id: IssueId) -> Result<Option<Issue>, Error> {
        let text = concat!(
            "/* issues.by_id */ SELECT ",
            issue_columns!(),
            " FROM mirror.issues i WHERE i.tenant_id = $1 AND i.instance_id = $2 AND i.id = $3 AND i.visible"
        );
        self.one(sql(text).bind(self.id().0).bind(instance.0).bind(id.0)).await
    }

    /// How many are visible.
    pub async fn count_issues(&self, instance: InstanceId) -> Result<u64, Error> {
        let mut tx = self.read().await?;
        let row = sql("/* issues.count */
            SELECT count(*) AS issues FROM mirror.issues WHERE tenant_id = $1 AND instance_id = $2 AND visible")
        .bind(self.id().0)
        .bind(instance.0)
        .fetch_one(tx.connection())
        .await?;
        tx.rollback().await?;
        counted(&row, "issues")
    }

    /// How much is visible.
    pub async fn counts(&self, instance: InstanceId) -> Result<Counts, Error> {
        let mut tx = self.read().await?;
        let row = sql("/* issues.counts */
            SELECT count(*) AS issues, coalesce(sum(c.n), 0)::bigint AS comments, coalesce(sum(h.n), 0)::bigint AS histories
            FROM mirror.issues i CROSS JOIN LATERAL (
                SELECT count(*) AS n FROM mirror.comments
                WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = i.id
            ) AS c CROSS JOIN LATERAL (
                SELECT count(*) AS n FROM mirror.changelogs
                WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = i.id AND item_no <= 0
            ) AS h
            WHERE i.tenant_id = $1 AND i.instance_id = $2 AND i.visible")
        .bind(self.id().0)
        .bind(instance.0)
        .fetch_one(tx.connection())
        .await?;
        tx.rollback().await?;
        let count =
            |name| -> Result<u64, Error> { Ok(u64::try_from(row.try_get::<i64, _>(name)?).unwrap_or_default()) };
        Ok(Counts { issues: count("issues")?, comments: count("comments")?, histories: count("histories")? })
    }

    /// The ids of visible issues that follow `after`, ascending, at most `limit`.
    pub async fn issue_ids(
        &self,
        instance: InstanceId,
        after: Option<IssueId>,
        limit: u32,
    ) -> Result<Vec<IssueId>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* issues.ids */ SELECT id FROM mirror.issues
            WHERE tenant_id = $1 AND instance_id = $2 AND id > $3 AND visible ORDER BY id LIMIT $4")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(after.map_or(i64::MIN, |id| id.0))
        .bind(i64::from(limit))
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.iter().map(|row| Ok(IssueId(row.try_get("id")?))).collect()
    }

    async fn one(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Option<Issue>, Error> {
        let mut tx = self.read().await?;
        let row = query.fetch_optional(tx.connection()).await?;
        tx.rollback().await?;
        row.map(|row| Ok(read_issue(&QueryResult::from(row))?.0)).transpose()
    }
}

fn counted(row: &PgRow, column: &str) -> Result<u64, Error> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}
