//! People of an instance, found by the beginning of their name.

use domain::{
    AccountId, InstanceId, User,
    search::{Limit, NameCursor, Page},
};
use entity::user;
use sea_orm::{FromQueryResult, QueryResult};

use crate::{Error, TenantStore, directory::to_user, orm::sql, parts::paged};

impl TenantStore {
    /// People whose displayed name begins like this, without regard to case, in the order of their names. An empty text
    /// lists everybody who has a name.
    pub async fn users_named(
        &self,
        instance: InstanceId,
        beginning: &str,
        after: Option<&NameCursor>,
        limit: Limit,
    ) -> Result<Page<User, NameCursor>, Error> {
        let mut tx = self.read().await?;
        let rows = sql("/* users.named */ SELECT tenant_id, instance_id, account_id, display_name, active, account_type,
                time_zone, email_hash, observed_at
            FROM mirror.users
            WHERE tenant_id = $1 AND instance_id = $2 AND starts_with(lower(display_name), lower($3))
                AND ($4::text IS NULL OR (lower(display_name) COLLATE \"C\", account_id COLLATE \"C\") > (lower($4), $5))
            ORDER BY lower(display_name) COLLATE \"C\", account_id COLLATE \"C\" LIMIT $6")
        .bind(self.id().0)
        .bind(instance.0)
        .bind(beginning)
        .bind(after.map(|cursor| cursor.name.as_str()))
        .bind(after.map(|cursor| cursor.account.0.as_str()))
        .bind(i64::from(limit.get()) + 1)
        .fetch_all(tx.connection())
        .await?;
        tx.rollback().await?;
        let users =
            rows.into_iter().map(|row| Ok(to_user(user::Model::from_query_result(&QueryResult::from(row), "")?)));
        Ok(paged(users.collect::<Result<Vec<_>, Error>>()?, limit, cursor))
    }

    /// One person of an instance, where known.
    pub async fn user(&self, instance: InstanceId, account: &AccountId) -> Result<Option<User>, Error> {
        Ok(self.users(instance, std::slice::from_ref(account)).await?.pop())
    }
}

fn cursor(user: &User) -> NameCursor {
    NameCursor { name: user.display_name.clone().unwrap_or_default(), account: user.account.clone() }
}
