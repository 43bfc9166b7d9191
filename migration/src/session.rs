//! One connection that changes the schema, one at a time in the whole fleet.

use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection,
    sqlx::{self, Connection, PgConnection},
};

use crate::Error;

/// Any number that nothing else in the database locks.
const LOCK: i64 = 0x006a_6972_6166_6c74;

/// How long a server may take to let us in.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that holds the lock until it is closed.
pub(crate) struct Session(DatabaseConnection);

/// Connects and waits for whoever is changing the schema now.
pub(crate) async fn open(url: &str) -> Result<Session, Error> {
    let connection = connect(url).await?;
    connection.execute_unprepared(&format!("SELECT pg_advisory_lock({LOCK})")).await?;
    // A step that waits for a lock makes everybody else wait behind it: better that the step fails and is tried again.
    connection.execute_unprepared("SET lock_timeout = '10s'").await?;
    Ok(Session(connection))
}

/// Connects once beside the pool, which would ask a server that is not there until its patience ends.
async fn knock(url: &str) -> Result<(), Error> {
    // The driver reads any address as one of PostgreSQL's.
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Error::wrong_url());
    }
    let knocked = tokio::time::timeout(PATIENCE, PgConnection::connect(url)).await;
    match knocked {
        Ok(Ok(connection)) => connection.close().await.map_err(|error| Error::of(&error)),
        Ok(Err(sqlx::Error::Database(refusal))) if refusal.code().is_some_and(|code| code.starts_with("57P")) => Ok(()),
        Ok(Err(error)) => Err(Error::of(&error)),
        Err(_) => Err(Error::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

/// One connection, and only ever that one: the lock and the search path belong to it.
pub(crate) async fn connect(url: &str) -> Result<DatabaseConnection, Error> {
    knock(url).await?;
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .min_connections(1)
        .connect_timeout(PATIENCE)
        .set_schema_search_path("mirror")
        .sqlx_logging(false)
        .test_before_acquire(false);
    Ok(Database::connect(options).await?)
}

impl Session {
    pub(crate) fn connection(&self) -> &DatabaseConnection {
        &self.0
    }

    pub(crate) async fn run(&self, sql: &str) -> Result<(), Error> {
        self.0.execute_unprepared(sql).await?;
        Ok(())
    }

    pub(crate) async fn close(self) -> Result<(), Error> {
        Ok(self.0.close().await?)
    }
}
