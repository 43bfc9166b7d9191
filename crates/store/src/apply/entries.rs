//! Which of the cache's entries a write concerns: an issue is found under the key it has and under every key it had.
//!
//! Rows are locked when this is asked, and nobody gives an issue an old key without locking its row; so none is overlooked.
//! The one exception: of two transactions that see an issue for the first time at once, under two keys, the later does not
//! know the other's key, under which an old entry may then last for its time.

use std::collections::HashMap;

use domain::{InstanceId, IssueId};
use sea_orm::sqlx::{Row, postgres::PgRow};

use super::{HeldById, Sighting};
use crate::{Error, TenantTx, cache::IssueByKey, orm::sql};

impl TenantTx {
    /// The entries of issues whose content was written. A fresh row never had another key.
    pub(super) async fn rewritten(
        &mut self,
        instance: InstanceId,
        news: &[&Sighting<'_>],
        written: &HashMap<IssueId, bool>,
        held: &HeldById,
    ) -> Result<(), Error> {
        if !self.stale.is_wanted() {
            return Ok(());
        }
        for sighting in news.iter().filter(|sighting| written.contains_key(&sighting.id())) {
            self.stale.add(&IssueByKey::of(instance, &sighting.snapshot.issue.key));
            if let Some(key) = held.get(&sighting.id()).and_then(|held| held.key.as_deref()) {
                self.stale.add(&IssueByKey(instance, key));
            }
        }
        let known: Vec<i64> = written.iter().filter(|(_, fresh)| !**fresh).map(|(id, _)| id.0).collect();
        self.old_keys_are_stale(instance, &known).await
    }

    /// The entries of issues whose registers moved: rows of `id` and `key`.
    pub(crate) async fn moved(&mut self, instance: InstanceId, rows: &[PgRow]) -> Result<(), Error> {
        if !self.stale.is_wanted() {
            return Ok(());
        }
        let mut ids: Vec<i64> = Vec::with_capacity(rows.len());
        for row in rows {
            ids.push(row.try_get("id")?);
            if let Some(key) = row.try_get::<Option<&str>, _>("key")? {
                self.stale.add(&IssueByKey(instance, key));
            }
        }
        self.old_keys_are_stale(instance, &ids).await
    }

    async fn old_keys_are_stale(&mut self, instance: InstanceId, ids: &[i64]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = sql("/* aliases.of */
            SELECT a.key FROM unnest($3::bigint[]) AS p (id) CROSS JOIN LATERAL (
                SELECT key FROM mirror.issue_key_aliases
                WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = p.id OFFSET 0
            ) AS a")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(ids)
        .fetch_all(self.connection())
        .await?;
        for row in &rows {
            self.stale.add(&IssueByKey(instance, row.try_get("key")?));
        }
        Ok(())
    }
}
