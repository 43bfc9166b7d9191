//! Projects, people and fields of an instance.

use std::collections::HashMap;

use domain::{AccountId, Field, InstanceId, Lifecycle, Project, ProjectId, ProjectKey, RawJson, User};
use entity::{custom_field, project, user};
use sea_orm::{FromQueryResult, QueryResult, sqlx::Row};

use crate::{
    Error, TenantStore, TenantTx,
    apply::Person,
    cache::{KnownUser, ProjectByKey, UserByAccount},
    orm::sql,
    rows::document,
};

/// What `to_project` reads, from `mirror.projects`.
macro_rules! project_columns {
    () => {
        "tenant_id, instance_id, id, key, name, project_type, lifecycle, lead_account_id, issue_count, raw::text AS raw
            FROM mirror.projects"
    };
}

impl TenantTx {
    /// Puts projects into the mirror as Jira tells them now.
    pub async fn apply_projects(&mut self, instance: InstanceId, projects: &[Project]) -> Result<(), Error> {
        let mut projects: Vec<&Project> = projects.iter().collect();
        projects.sort_by_key(|project| project.id);
        projects.dedup_by_key(|project| project.id);
        let held = self.lock_projects(instance, &column(&projects, |project| project.id.0)).await?;
        let moved = sql("/* projects.apply */
            INSERT INTO mirror.projects AS t (tenant_id, instance_id, id, key, name, project_type, lifecycle,
                lead_account_id, issue_count, raw)
            SELECT $1, $2, p.id, p.key, p.name, p.project_type, p.lifecycle, p.lead, p.issue_count, p.raw::jsonb
            FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[],
                $10::text[]) AS p (id, key, name, project_type, lifecycle, lead, issue_count, raw)
            ORDER BY p.id
            ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET
                key = excluded.key, name = excluded.name, project_type = excluded.project_type,
                lifecycle = excluded.lifecycle, lead_account_id = excluded.lead_account_id,
                issue_count = excluded.issue_count, raw = excluded.raw
            WHERE (t.key, t.name, t.lifecycle, t.raw, t.issue_count)
                IS DISTINCT FROM (excluded.key, excluded.name, excluded.lifecycle, excluded.raw, excluded.issue_count)
            RETURNING t.id, t.key")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(column(&projects, |project| project.id.0))
        .bind(column(&projects, |project| project.key.as_str()))
        .bind(column(&projects, |project| project.name.as_str()))
        .bind(column(&projects, |project| project.project_type.as_deref()))
        .bind(column(&projects, |project| project.lifecycle.name()))
        .bind(column(&projects, |project| project.lead.as_ref().map(|lead| lead.0.as_str())))
        .bind(column(&projects, |project| project.issue_count.and_then(|count| i64::try_from(count).ok())))
        .bind(column(&projects, |project| project.raw.as_str()))
        .fetch_all(self.connection())
        .await?;
        for row in &moved {
            self.stale.add(&ProjectByKey(instance, row.try_get("key")?));
            if let Some(key) = held.get(&row.try_get("id")?) {
                self.stale.add(&ProjectByKey(instance, key));
            }
        }
        Ok(())
    }

    /// The keys that these projects have until they are written.
    async fn lock_projects(&mut self, instance: InstanceId, ids: &[i64]) -> Result<HashMap<i64, String>, Error> {
        let rows = sql("/* projects.lock */
            SELECT h.id, h.key FROM unnest($3::bigint[]) AS p (id) CROSS JOIN LATERAL (
                SELECT id, key FROM mirror.projects WHERE tenant_id = $1 AND instance_id = $2 AND id = p.id
                FOR NO KEY UPDATE
            ) AS h")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(ids)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("key")?))).collect()
    }

    /// Puts the whole roster of projects into the mirror: those that it lacks are marked as no longer shown to us, which says
    /// nothing about their issues. Returns the keys of those that were listed until now.
    pub async fn apply_roster(&mut self, instance: InstanceId, projects: &[Project]) -> Result<Vec<String>, Error> {
        self.apply_projects(instance, projects).await?;
        let rows = sql("/* projects.unlisted */ UPDATE mirror.projects SET lifecycle = 'unlisted'
            WHERE tenant_id = $1 AND instance_id = $2 AND id <> ALL ($3) AND lifecycle <> 'unlisted' RETURNING key")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(column(projects, |project| project.id.0))
        .fetch_all(self.connection())
        .await?;
        let keys: Vec<String> = rows.iter().map(|row| row.try_get("key")).collect::<Result<_, _>>()?;
        keys.iter().for_each(|key| self.stale.add(&ProjectByKey(instance, key)));
        Ok(keys)
    }

    /// Puts people into the mirror as Jira tells them now. A placeholder never takes the place of a good profile.
    pub async fn apply_users(&mut self, instance: InstanceId, users: &[User]) -> Result<(), Error> {
        let now = sql("/* now */ SELECT now() AS now").fetch_one(self.connection()).await?.try_get("now")?;
        let keys = self.keys.clone();
        let tenant = self.tenant;
        let people = users.iter().map(|user| Person::new(user, now, |email| keys.email_hash(tenant, email)));
        self.apply_people(instance, people.collect()).await
    }

    /// Puts fields into the mirror as Jira tells them now.
    pub async fn apply_fields(&mut self, instance: InstanceId, fields: &[Field]) -> Result<(), Error> {
        let mut fields: Vec<&Field> = fields.iter().collect();
        fields.sort_by_key(|field| field.id.as_str());
        fields.dedup_by_key(|field| field.id.as_str());
        sql("/* fields.apply */
            INSERT INTO mirror.custom_fields AS t (tenant_id, instance_id, id, name, custom, custom_type, raw)
            SELECT $1, $2, p.id, p.name, p.custom, p.custom_type, p.raw::jsonb
            FROM unnest($3::text[], $4::text[], $5::bool[], $6::text[], $7::text[])
                AS p (id, name, custom, custom_type, raw)
            ORDER BY p.id
            ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET
                name = excluded.name, custom = excluded.custom, custom_type = excluded.custom_type, raw = excluded.raw
            WHERE (t.name, t.custom, t.custom_type, t.raw)
                IS DISTINCT FROM (excluded.name, excluded.custom, excluded.custom_type, excluded.raw)")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(column(&fields, |field| field.id.as_str()))
        .bind(column(&fields, |field| field.name.as_str()))
        .bind(column(&fields, |field| field.custom))
        .bind(column(&fields, |field| field.custom_type.as_deref()))
        .bind(column(&fields, |field| field.raw.as_str()))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl TenantStore {
    /// An instance's projects, in the order of their ids.
    pub async fn projects(&self, instance: InstanceId) -> Result<Vec<Project>, Error> {
        let mut tx = self.read().await?;
        let rows = sql(concat!(
            "/* projects.list */ SELECT ",
            project_columns!(),
            " WHERE tenant_id = $1 AND instance_id = $2 ORDER BY id"
        ))
        .bind(self.id().0)
        .bind(instance.0)
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.into_iter().map(|row| to_project(&QueryResult::from(row))).collect()
    }

    /// The project that has this key; a live one before others.
    pub async fn project_by_key(&self, instance: InstanceId, key: &ProjectKey) -> Result<Option<Project>, Error> {
        self.cached(ProjectByKey::of(instance, key), || self.find_project(instance, key)).await
    }

    async fn find_project(&self, instance: InstanceId, key: &ProjectKey) -> Result<Option<Project>, Error> {
        let mut tx = self.read().await?;
        let row = sql(concat!(
            "/* projects.by_key */ SELECT ",
            project_columns!(),
            " WHERE tenant_id = $1 AND instance_id = $2 AND key = $3 ORDER BY lifecycle = 'live' DESC, id DESC LIMIT 1"
        ))
        .bind(self.id().0)
        .bind(instance.0)
        .bind(key.as_str())
        .fetch_optional(tx.connection())
        .await?;
        tx.rollback().await?;
        row.map(|row| to_project(&QueryResult::from(row))).transpose()
    }

    /// The keys of an instance's projects that are in use, sorted.
    pub async fn project_keys(&self, instance: InstanceId) -> Result<Vec<ProjectKey>, Error> {
        let projects = self.projects(instance).await?.into_iter();
        let mut keys: Vec<_> = projects.filter(|one| one.lifecycle == Lifecycle::Live).map(|one| one.key).collect();
        keys.sort();
        Ok(keys)
    }

    /// An instance's fields, in the order of their ids.
    pub async fn fields(&self, instance: InstanceId) -> Result<Vec<Field>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* fields.list */
            SELECT tenant_id, instance_id, id, name, custom, custom_type, raw::text AS raw
            FROM mirror.custom_fields WHERE tenant_id = $1 AND instance_id = $2 ORDER BY id")
        .bind(self.id().0)
        .bind(instance.0)
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        rows.into_iter().map(|row| to_field(&QueryResult::from(row))).collect()
    }

    /// One person of an instance, as far as they are known. Addresses are not kept, so they have none.
    pub async fn user_by_account(&self, instance: InstanceId, account: &AccountId) -> Result<Option<User>, Error> {
        let known = self.cached(UserByAccount::of(instance, account), || self.find_user(instance, account)).await?;
        Ok(known.map(User::from))
    }

    async fn find_user(&self, instance: InstanceId, account: &AccountId) -> Result<Option<KnownUser>, Error> {
        let mut tx = self.read().await?;
        let rows = user_rows(&mut tx, instance, std::slice::from_ref(&account.0)).await?;
        tx.rollback().await?;
        Ok(rows.into_iter().next().map(KnownUser::from))
    }

    /// These people of an instance, as far as they are known. Addresses are not kept, so they have none.
    pub async fn users(&self, instance: InstanceId, accounts: &[AccountId]) -> Result<Vec<User>, Error> {
        let mut tx = self.read().await?;
        let accounts: Vec<String> = accounts.iter().map(|account| account.0.clone()).collect();
        let users = users_of(&mut tx, instance, &accounts).await?;
        tx.rollback().await?;
        Ok(users)
    }
}

pub(crate) async fn users_of(tx: &mut TenantTx, of: InstanceId, accounts: &[String]) -> Result<Vec<User>, Error> {
    let rows = user_rows(tx, of, accounts).await?;
    Ok(rows.into_iter().map(to_user).collect())
}

pub(crate) async fn user_rows(
    tx: &mut TenantTx,
    instance: InstanceId,
    accounts: &[String],
) -> Result<Vec<user::Model>, Error> {
    let rows = sql("/* users.ask */ SELECT tenant_id, instance_id, account_id, display_name, active, account_type,
            time_zone, email_hash, observed_at
        FROM unnest($3::text[]) AS p (wanted) CROSS JOIN LATERAL (
            SELECT * FROM mirror.users WHERE tenant_id = $1 AND instance_id = $2 AND account_id = p.wanted OFFSET 0
        ) AS u
        ORDER BY account_id")
    .bind(tx.tenant.0)
    .bind(instance.0)
    .bind(accounts)
    .fetch_all(tx.connection())
    .await?;
    let rows = rows.into_iter().map(|row| user::Model::from_query_result(&QueryResult::from(row), ""));
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One column of many rows.
pub(crate) fn column<'r, R, T>(rows: &'r [R], of: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

pub(crate) fn to_user(row: user::Model) -> User {
    User {
        account: AccountId(row.account_id),
        display_name: row.display_name,
        active: row.active,
        account_type: row.account_type,
        time_zone: row.time_zone,
        email: None,
    }
}

fn to_project(row: &QueryResult) -> Result<Project, Error> {
    let raw = raw(row)?;
    let row = project::Model::from_query_result(row, "")?;
    Ok(Project {
        id: ProjectId(row.id),
        key: row.key.parse().map_err(|_| Error::Unreadable("projects.key"))?,
        name: row.name,
        project_type: row.project_type,
        lifecycle: match row.lifecycle.as_str() {
            "archived" => Lifecycle::Archived,
            "deleted" => Lifecycle::Deleted,
            "unlisted" => Lifecycle::Unlisted,
            _ => Lifecycle::Live,
        },
        lead: row.lead_account_id.map(AccountId),
        issue_count: row.issue_count.and_then(|count| u64::try_from(count).ok()),
        raw,
    })
}

fn to_field(row: &QueryResult) -> Result<Field, Error> {
    let raw = raw(row)?;
    let row = custom_field::Model::from_query_result(row, "")?;
    Ok(Field { id: row.id, name: row.name, custom: row.custom, custom_type: row.custom_type, raw })
}

fn raw(row: &QueryResult) -> Result<RawJson, Error> {
    document(row, "raw")?.ok_or(Error::Unreadable("raw"))
}
