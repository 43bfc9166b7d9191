//! The second half of a roll call: who was not shown, how much that is of the whole, and marking it part by part.

use chrono::{DateTime, Utc};
use domain::IssueId;
use sea_orm::sqlx::Row;

use super::{CensusEnd, CensusPosition, count, numbers};
use crate::{Error, TenantStore, TenantTx, missing::Gone, orm::sql};

/// How much of a project a census would hide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Issues of the project that the mirror shows.
    pub shown: u64,
    /// Those of them that Jira did not show when they were asked for.
    pub going: u64,
}

impl Balance {
    /// Fewer than this are never too many: of a handful of issues half is soon deleted.
    const FEW: u64 = 5;

    /// Whether half of the project or more would go at once: more likely a permission or an index than work.
    pub fn is_too_much(self) -> bool {
        self.going >= Self::FEW && self.going * 2 >= self.shown
    }
}

impl TenantTx {
    /// Keeps who of the unlisted was not shown when asked for at `observed_at`. `verified_to` is the last that was asked for;
    /// `None` when nobody is left. [`Error::Overtaken`] when somebody else has claimed the project.
    pub async fn census_verified(
        &mut self,
        position: &CensusPosition,
        (absent, observed_at): (&[IssueId], DateTime<Utc>),
        verified_to: Option<IssueId>,
    ) -> Result<(), Error> {
        let row = sql("/* census.verified */ UPDATE mirror.censuses
            SET page = page + 1, absent = absent + $5, verified_to = coalesce($6, verified_to), updated_at = now(),
                state = CASE WHEN $6 IS NULL THEN 'marking' ELSE 'verifying' END
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND fence = $4
            RETURNING fence")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .bind(position.fence)
        .bind(i64::try_from(absent.len()).unwrap_or(i64::MAX))
        .bind(verified_to.map(|id| id.0))
        .fetch_optional(self.connection())
        .await?;
        row.ok_or(Error::Overtaken)?;
        if absent.is_empty() {
            return Ok(());
        }
        self.call(position, "absent", (numbers(absent, |id| id.0), observed_at)).await
    }

    /// Marks one part of those who were not shown; `None` when none is left. The part's questions were all asked after the
    /// census began, so what was missed before that was missed by another one. [`Error::Overtaken`] when somebody else has
    /// claimed the project.
    pub async fn census_mark(&mut self, position: &CensusPosition) -> Result<Option<Gone>, Error> {
        let row = sql("/* census.part */ DELETE FROM mirror.roll_calls
            WHERE (tenant_id, instance_id, project_id, answer, part) = (
                SELECT tenant_id, instance_id, project_id, answer, part FROM mirror.roll_calls
                WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND answer = 'absent'
                ORDER BY part LIMIT 1)
            RETURNING ids, observed_at")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let ids: Vec<i64> = row.try_get("ids")?;
        let ids: Vec<IssueId> = ids.into_iter().map(IssueId).collect();
        let times = (position.began_at, row.try_get("observed_at")?);
        let gone = self.mark_missed(position.instance, &ids, times).await?;
        let row = sql("/* census.marked */ UPDATE mirror.censuses
            SET missing = missing + $5, deleted = deleted + $6, absent = absent - $7, updated_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND fence = $4
            RETURNING fence")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .bind(position.fence)
        .bind(i64::try_from(gone.missing).unwrap_or(i64::MAX))
        .bind(i64::try_from(gone.deleted).unwrap_or(i64::MAX))
        .bind(i64::try_from(ids.len()).unwrap_or(i64::MAX))
        .fetch_optional(self.connection())
        .await?;
        row.ok_or(Error::Overtaken)?;
        Ok(Some(gone))
    }

    /// Ends a census and forgets its roll. [`Error::Overtaken`] when somebody else has claimed the project.
    pub async fn census_end(&mut self, position: &CensusPosition, end: &CensusEnd) -> Result<(), Error> {
        let (state, reason) = match end {
            CensusEnd::Done(remark) => ("done", remark.as_deref()),
            CensusEnd::Held(reason) => ("held", Some(reason.as_str())),
            CensusEnd::Left(reason) => ("left", Some(reason.as_str())),
        };
        let row = sql("/* census.end */ UPDATE mirror.censuses
            SET state = $5, reason = $6, next_token = NULL, updated_at = now(), finished_at = now()
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND fence = $4
            RETURNING fence")
        .bind(self.tenant.0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .bind(position.fence)
        .bind(state)
        .bind(reason)
        .fetch_optional(self.connection())
        .await?;
        row.ok_or(Error::Overtaken)?;
        self.forget_roll(position).await
    }
}

impl TenantStore {
    /// How much would go if all who were not shown were marked now.
    pub async fn census_balance(&self, position: &CensusPosition) -> Result<Balance, Error> {
        let mut tx = self.read().await?;
        let row = sql("/* census.balance */ SELECT
            (SELECT count(*) FROM mirror.issues
            WHERE tenant_id = $1 AND instance_id = $2 AND project_id = $3 AND visible) AS shown,
            (SELECT count(*) FROM mirror.roll_calls r CROSS JOIN unnest(r.ids) AS p (id) CROSS JOIN LATERAL (
                SELECT visible, seen_at, project_id FROM mirror.issues
                WHERE tenant_id = $1 AND instance_id = $2 AND id = p.id OFFSET 0
            ) AS i
            WHERE r.tenant_id = $1 AND r.instance_id = $2 AND r.project_id = $3 AND r.answer = 'absent'
                AND i.visible AND i.project_id = $3 AND i.seen_at < r.observed_at) AS going")
        .bind(self.id().0)
        .bind(position.instance.0)
        .bind(position.project.0)
        .fetch_one(tx.connection())
        .await?;
        tx.rollback().await?;
        Ok(Balance { shown: count(&row, "shown")?, going: count(&row, "going")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_project_is_too_much_unless_it_is_a_handful() {
        let too_much = |shown, going| Balance { shown, going }.is_too_much();
        assert!(too_much(10, 5) && too_much(5, 5) && too_much(200_000, 100_000));
        assert!(!too_much(11, 5) && !too_much(4, 4) && !too_much(0, 0) && !too_much(200_000, 99_999));
    }
}
