//! What PostgreSQL's catalogue says about a place where the mirror is to be: asked by a login that may turn out to be unfit,
//! about a schema that may be half there. Nothing is changed, and nothing of a tenant is read.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sqlx::{self, Connection, PgConnection, Row, postgres::PgRow};

use crate::{
    Error,
    orm::sql,
    tenancy::{PATIENCE, read_url, unlocked},
};

/// What the schema relies on.
const EXTENSIONS: [&str; 3] = ["btree_gin", "pg_trgm", "uuid-ossp"];

/// What was found.
#[derive(Clone, Debug)]
pub struct Survey {
    /// As PostgreSQL counts: 150018 is 15.18.
    pub version: i32,
    /// The same for people.
    pub version_name: String,
    /// By how much its clock is ahead of this machine's.
    pub ahead: TimeDelta,
    /// Whether nothing can be written: a standby, or told to be read-only.
    pub read_only: bool,
    /// Whether what was committed survives a loss of power.
    pub durable: bool,
    /// The login.
    pub login: Login,
    /// Sessions that this login could open beside those that are open.
    pub free_sessions: i64,
    /// Extensions that are not there.
    pub missing_extensions: Vec<String>,
    /// The steps of the schema that were taken, in their order; `None` where there is no schema, or none that is ours to see.
    pub steps: Option<Vec<String>>,
    /// Indexes whose building was interrupted.
    pub broken_indexes: Vec<String>,
    /// Tenants' tables whose row security is off or not forced.
    pub unguarded: Vec<String>,
    /// Tenants' tables without a policy of their tenant.
    pub without_policy: Vec<String>,
}

/// As whom PostgreSQL takes us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its name.
    pub name: String,
    /// Whether row security does not stop it.
    pub powerful: bool,
    /// Whether the mirror's tables belong to it.
    pub owner: bool,
    /// Whether it may use the schema.
    pub admitted: bool,
}

/// Looks at the place behind this address.
pub async fn survey(url: &str) -> Result<Survey, Error> {
    let options = read_url(url)?.application_name("jirafleet doctor").statement_cache_capacity(0);
    let asked = async {
        let mut connection = PgConnection::connect_with(&options).await.map_err(|error| unlocked(error.into()))?;
        // One transaction: behind PgBouncer a statement is two messages, between which the server may be somebody else's.
        let mut tx = connection.begin().await?;
        let survey = look(&mut tx).await?;
        tx.rollback().await?;
        connection.close().await?;
        Ok(survey)
    };
    let answer: Result<Result<Survey, Error>, _> = tokio::time::timeout(PATIENCE, asked).await;
    answer.unwrap_or_else(|_| Err(Error::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()))))
}

async fn look(connection: &mut PgConnection) -> Result<Survey, Error> {
    let (server, ahead) = server(connection).await?;
    let admitted = server.try_get("admitted")?;
    Ok(Survey {
        version: server.try_get("version")?,
        version_name: server.try_get("version_name")?,
        ahead,
        read_only: server.try_get("read_only")?,
        durable: server.try_get("durable")?,
        free_sessions: server.try_get("free_sessions")?,
        missing_extensions: missing_extensions(connection).await?,
        steps: if admitted { steps(connection).await? } else { None },
        broken_indexes: names(connection, BROKEN_INDEXES).await?,
        unguarded: names(connection, UNGUARDED).await?,
        without_policy: names(connection, WITHOUT_POLICY).await?,
        login: Login {
            name: server.try_get("name")?,
            powerful: server.try_get("powerful")?,
            owner: server.try_get("owner")?,
            admitted,
        },
    })
}

/// A superuser owns everything, which is told of it already.
const SERVER: &str = "/* survey.server */
    SELECT current_user::text AS name, r.rolsuper OR r.rolbypassrls AS powerful,
        NOT r.rolsuper AND EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'mirror' AND pg_catalog.pg_has_role(c.relowner, 'USAGE')) AS owner,
        coalesce((SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n
            WHERE n.nspname = 'mirror'), false) AS admitted,
        pg_catalog.current_setting('server_version_num')::integer AS version,
        pg_catalog.current_setting('server_version') AS version_name,
        pg_catalog.clock_timestamp() AS now,
        pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('default_transaction_read_only') = 'on' AS read_only,
        pg_catalog.current_setting('fsync') = 'on' AND pg_catalog.current_setting('full_page_writes') = 'on' AS durable,
        least(
            pg_catalog.current_setting('max_connections')::bigint
                - pg_catalog.current_setting('superuser_reserved_connections')::bigint
                - (SELECT sum(numbackends) FROM pg_catalog.pg_stat_database)::bigint,
            CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit
                - (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usesysid = r.oid) END
        ) AS free_sessions
    FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// The clock is read in the middle of the question, as well as that can be known.
async fn server(connection: &mut PgConnection) -> Result<(PgRow, TimeDelta), Error> {
    let before = Utc::now();
    let row = sql(SERVER).fetch_one(connection).await?;
    let middle = before + (Utc::now() - before) / 2;
    let there: DateTime<Utc> = row.try_get("now")?;
    Ok((row, there - middle))
}

async fn missing_extensions(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let rows = sql("/* survey.extensions */ SELECT wanted AS name FROM unnest($1::text[]) AS wanted
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = wanted) ORDER BY 1")
    .bind(EXTENSIONS.map(str::to_owned).to_vec())
    .fetch_all(connection)
    .await?;
    read_names(&rows)
}

async fn steps(connection: &mut PgConnection) -> Result<Option<Vec<String>>, Error> {
    let seen = sql("/* survey.seen */ SELECT FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'mirror' AND c.relname = 'seaql_migrations' AND pg_catalog.has_table_privilege(c.oid, 'SELECT')")
    .fetch_optional(&mut *connection)
    .await?;
    if seen.is_none() {
        return Ok(None);
    }
    let listed = "/* survey.steps */ SELECT version AS name FROM mirror.seaql_migrations ORDER BY version";
    names(connection, listed).await.map(Some)
}

const BROKEN_INDEXES: &str = "/* survey.indexes */ SELECT c.relname::text AS name FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname ~ '^mirror' AND NOT (i.indisvalid AND i.indisready) ORDER BY 1";

const UNGUARDED: &str = "/* survey.unguarded */ SELECT c.relname::text AS name FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'mirror' AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        AND (c.relname = 'tenants' OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
    ORDER BY 1";

/// A policy is of the tenant when it shows and takes nothing else: one of the house's own functions is for the lookups.
const WITHOUT_POLICY: &str = "/* survey.policies */ SELECT c.relname::text AS name FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'mirror' AND c.relkind IN ('r', 'p')
        AND (c.relname = 'tenants' OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*'
            AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) ~ 'current_tenant'
            AND pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) ~ 'current_tenant')
    ORDER BY 1";

async fn names(connection: &mut PgConnection, question: &'static str) -> Result<Vec<String>, Error> {
    read_names(&sql(question).fetch_all(connection).await?)
}

fn read_names(rows: &[PgRow]) -> Result<Vec<String>, Error> {
    let names: Result<Vec<String>, sqlx::Error> = rows.iter().map(|row| row.try_get("name")).collect();
    Ok(names?)
}
