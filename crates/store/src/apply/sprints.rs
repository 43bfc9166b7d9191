//! Sprints that issues and boards tell of. Many issues tell of the same one, so a page asks first and writes only news.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{InstanceId, Sprint, SprintId};
use entity::sprint;
use sea_orm::{FromQueryResult, QueryResult};

use crate::{
    Error, TenantTx,
    directory::column,
    orm::{sql, stored},
};

/// A sprint as of some instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    sprint: Sprint,
    observed_at: DateTime<Utc>,
}

impl Told {
    pub(crate) fn new(sprint: &Sprint, observed_at: DateTime<Utc>) -> Self {
        let cut = |time: Option<DateTime<Utc>>| time.map(stored);
        let sprint = Sprint {
            starts_at: cut(sprint.starts_at),
            ends_at: cut(sprint.ends_at),
            completed_at: cut(sprint.completed_at),
            ..sprint.clone()
        };
        Self { sprint, observed_at: stored(observed_at) }
    }
}

impl TenantTx {
    /// Puts what boards say about sprints into the mirror; of two words about one sprint the later one counts.
    pub async fn apply_sprints(
        &mut self,
        instance: InstanceId,
        sprints: &[Sprint],
        observed_at: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.apply_told(instance, sprints.iter().map(|sprint| Told::new(sprint, observed_at))).await
    }

    /// Removes a sprint that Jira does not show any more. Issues that were in it still name it.
    pub async fn forget_sprint(&mut self, instance: InstanceId, sprint: SprintId) -> Result<(), Error> {
        sql("/* sprints.forget */ DELETE FROM mirror.sprints WHERE tenant_id = $1 AND instance_id = $2 AND id = $3")
            .bind(self.tenant.0)
            .bind(instance.0)
            .bind(sprint.0)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    pub(super) async fn apply_told(
        &mut self,
        instance: InstanceId,
        told: impl Iterator<Item = Told>,
    ) -> Result<(), Error> {
        let told = latest_of_each(told);
        if told.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = told.keys().map(|id| id.0).collect();
        let held = self.sprint_rows(instance, &ids).await?;
        let held: BTreeMap<i64, Told> = held.into_iter().map(|row| (row.id, Told::from(row))).collect();
        let is_news = |told: &&Told| match held.get(&told.sprint.id.0) {
            Some(held) => told.observed_at > held.observed_at && told.sprint != held.sprint,
            None => true,
        };
        let news: Vec<&Told> = told.values().filter(is_news).collect();
        self.write_sprints(instance, &news).await
    }

    pub(crate) async fn sprint_rows(&mut self, of: InstanceId, ids: &[i64]) -> Result<Vec<sprint::Model>, Error> {
        let rows = sql("/* sprints.ask */
            SELECT s.* FROM unnest($3::bigint[]) AS p (wanted) CROSS JOIN LATERAL (
                SELECT * FROM mirror.sprints WHERE tenant_id = $1 AND instance_id = $2 AND id = p.wanted OFFSET 0
            ) AS s
            ORDER BY s.id")
        .bind(self.tenant.0)
        .bind(of.0)
        .bind(ids)
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(|row| Ok(sprint::Model::from_query_result(&QueryResult::from(row), "")?)).collect()
    }

    async fn write_sprints(&mut self, instance: InstanceId, news: &[&Told]) -> Result<(), Error> {
        if news.is_empty() {
            return Ok(());
        }
        sql("/* sprints.write */
            INSERT INTO mirror.sprints AS t (tenant_id, instance_id, id, name, state, board_id, goal, starts_at, ends_at,
                completed_at, observed_at)
            SELECT $1, $2, p.id, p.name, p.state, p.board_id, p.goal, p.starts_at, p.ends_at, p.completed_at, p.observed_at
            FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::timestamptz[],
                $9::timestamptz[], $10::timestamptz[], $11::timestamptz[])
                AS p (id, name, state, board_id, goal, starts_at, ends_at, completed_at, observed_at)
            ORDER BY p.id
            ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET
                name = excluded.name, state = excluded.state, board_id = excluded.board_id, goal = excluded.goal,
                starts_at = excluded.starts_at, ends_at = excluded.ends_at, completed_at = excluded.completed_at,
                observed_at = excluded.observed_at
            WHERE t.observed_at < excluded.observed_at")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(column(news, |told| told.sprint.id.0))
        .bind(column(news, |told| told.sprint.name.as_str()))
        .bind(column(news, |told| told.sprint.state.as_str()))
        .bind(column(news, |told| told.sprint.board))
        .bind(column(news, |told| told.sprint.goal.as_deref()))
        .bind(column(news, |told| told.sprint.starts_at))
        .bind(column(news, |told| told.sprint.ends_at))
        .bind(column(news, |told| told.sprint.completed_at))
        .bind(column(news, |told| told.observed_at))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl From<sprint::Model> for Told {
    fn from(row: sprint::Model) -> Self {
        Self { observed_at: row.observed_at, sprint: to_sprint(row) }
    }
}

pub(crate) fn to_sprint(row: sprint::Model) -> Sprint {
    Sprint {
        id: SprintId(row.id),
        name: row.name,
        state: row.state,
        board: row.board_id,
        goal: row.goal,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        completed_at: row.completed_at,
    }
}

fn latest_of_each(told: impl Iterator<Item = Told>) -> BTreeMap<SprintId, Told> {
    let mut latest: BTreeMap<SprintId, Told> = BTreeMap::new();
    for told in told {
        let known = latest.entry(told.sprint.id).or_insert_with(|| told.clone());
        if told.observed_at > known.observed_at {
            *known = told;
        }
    }
    latest
}
