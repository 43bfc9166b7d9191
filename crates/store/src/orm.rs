//! SeaORM on a transaction of ours.
//!
//! Statements are sent unnamed: behind a PgBouncer older than 1.21, in transaction mode, named ones meet other clients'.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
    sea_query::Values,
    sqlx::{self, Arguments, AssertSqlSafe, Executor, PgConnection, Postgres, postgres::PgArguments, query::Query},
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

use crate::error::through_orm;

/// One transaction's connection, lent to SeaORM.
pub(crate) struct Orm<'c>(Mutex<&'c mut PgConnection>);

impl<'c> Orm<'c> {
    pub(crate) fn on(connection: &'c mut PgConnection) -> Self {
        Self(Mutex::new(connection))
    }
}

#[async_trait]
impl ConnectionTrait for Orm<'_> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut connection = self.0.lock().await;
        unnamed(statement).execute(&mut **connection).await.map(ExecResult::from).map_err(through_orm)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut connection = self.0.lock().await;
        let done = (**connection).execute(AssertSqlSafe(sql.to_owned())).await;
        done.map(ExecResult::from).map_err(through_orm)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut connection = self.0.lock().await;
        let row = unnamed(statement).fetch_optional(&mut **connection).await.map_err(through_orm)?;
        Ok(row.map(QueryResult::from))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut connection = self.0.lock().await;
        let rows = unnamed(statement).fetch_all(&mut **connection).await.map_err(through_orm)?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }
}

fn unnamed(statement: Statement) -> Query<'static, Postgres, SqlxValues> {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values)).persistent(false)
}

/// A statement written by hand, sent unnamed.
pub(crate) fn sql(text: &'static str) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(text).persistent(false)
}

/// The same with room for so many bytes of parameters: those of a long page would be moved each time they outgrow their place.
pub(crate) fn sql_with_room(text: &'static str, bytes: usize) -> Query<'static, Postgres, PgArguments> {
    let mut arguments = PgArguments::default();
    arguments.reserve(0, bytes);
    sqlx::query_with(text, arguments).persistent(false)
}

/// The database keeps microseconds. What it is compared with must not be finer, or it would always seem newer.
pub(crate) fn stored(time: DateTime<Utc>) -> DateTime<Utc> {
    use chrono::SubsecRound;
    time.trunc_subsecs(6)
}
