//! From a pool of connections to a transaction of one tenant: the only road to tenants' rows.
//!
//! The tenant is set with the transaction's first word and forgotten with its last; PostgreSQL's policies do the rest.

use std::{fmt, sync::Arc, time::Duration};

use domain::TenantId;
use sea_orm::sqlx::{
    self, AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Row, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use tracing::{Instrument, Span};

use crate::{
    Actor, CacheConfig, Error, MasterKey, System,
    audit::Pending,
    cache::{Cache, Key, Stale},
    orm::{Orm, sql},
    seal::Keys,
};

/// The newest step of the schema that this program relies on.
pub const SCHEMA: &str = "m0017_held_issues";

/// How long to wait for a connection before telling that all are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// A connection that rested longer than this is asked whether it still lives.
const RESTED: Duration = Duration::from_secs(5);

/// Where the mirror is, and what opens its secrets.
#[derive(Clone)]
pub struct Config {
    /// `postgres://..`, for the processes' login.
    pub url: String,
    /// Of this process.
    pub max_connections: u32,
    /// Opens and seals credentials.
    pub master_key: MasterKey,
    /// Shown in PostgreSQL's lists of sessions.
    pub application_name: String,
    /// Where rows that are read again and again are kept; without, every read asks PostgreSQL.
    pub cache: Option<CacheConfig>,
}

/// The URL may contain a password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("application_name", &self.application_name).finish_non_exhaustive()
    }
}

/// The mirror. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    keys: Arc<Keys>,
    cache: Option<Arc<Cache>>,
}

/// The mirror as one tenant may see it.
#[derive(Clone)]
pub struct TenantStore {
    store: Store,
    tenant: TenantId,
    by: Option<Arc<Actor>>,
}

/// One transaction of one tenant. Dropped without [`commit`](Self::commit) it leaves nothing.
pub struct TenantTx {
    pub(crate) tenant: TenantId,
    pub(crate) keys: Arc<Keys>,
    /// On whose behalf it works, where its audit log should tell.
    pub(crate) by: Option<Arc<Actor>>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) stale: Stale,
    tx: Transaction<'static, Postgres>,
    /// From the wish for a connection to the end.
    pub(crate) span: Span,
}

impl Store {
    /// Connects, and refuses a login that row security would not stop and a schema older than this program.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let cache = config.cache.as_ref().map(Cache::open).transpose()?;
        let options = read_url(&config.url)?;
        let options = options.application_name(&config.application_name).statement_cache_capacity(0);
        knock(&options).await?;
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > RESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await
            .map_err(|error| unlocked(Error::from(error)))?;
        let mut tx = begin(&pool, "BEGIN".to_owned()).await?;
        must_be_fit(&mut tx).await?;
        let keys = Keys::load(&mut tx, &config.master_key).await?;
        tx.commit().await?;
        Ok(Self { pool, keys: Arc::new(keys), cache })
    }

    /// The mirror as this tenant may see it.
    pub fn tenant(&self, tenant: TenantId) -> TenantStore {
        TenantStore { store: self.clone(), tenant, by: None }
    }

    /// What is known before a tenant is: names and states, no content.
    pub fn system(&self) -> System<'_> {
        System::new(self)
    }

    /// Whether PostgreSQL answers.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.pool.acquire().await?.ping().await?)
    }

    /// Waits for running transactions and closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A transaction without a tenant, in which only lookups and the house's own keys are seen. Not a bare connection: a
    /// statement is two messages, between which PgBouncer gives the server to somebody else where no transaction is open.
    pub(crate) async fn connection(&self) -> Result<Transaction<'static, Postgres>, Error> {
        begin(&self.pool, "BEGIN".to_owned()).await
    }
}

impl TenantStore {
    /// Whose it is.
    pub fn id(&self) -> TenantId {
        self.tenant
    }

    /// The same on somebody's behalf: every change of tenants, instances and keys leaves a line in the audit log, in the
    /// transaction that makes it.
    pub fn on_behalf_of(self, actor: &Actor) -> Self {
        Self { by: Some(Arc::new(actor.clone())), ..self }
    }

    /// Opens a transaction that writes. Nothing but PostgreSQL should be waited for while it is open.
    pub async fn begin(&self) -> Result<TenantTx, Error> {
        self.begin_as("BEGIN").await
    }

    /// Opens a transaction whose statements all see one and the same state.
    pub(crate) async fn read(&self) -> Result<TenantTx, Error> {
        self.begin_as("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await
    }

    pub(crate) fn keys(&self) -> &Keys {
        self.store.keys()
    }

    /// One message to PostgreSQL and back. The settings end with the transaction; one for the session would leak to
    /// whoever gets the connection next. Our names are said with their schema, and a short path is soon searched: PostgreSQL
    /// checks each foreign key as the tables' owner, and works out whose path it is twice a row. Along the usual path that took
    /// a third of the time in which 50,000 rows of a changelog are written.
    async fn begin_as(&self, opening: &str) -> Result<TenantTx, Error> {
        let tenant = self.tenant;
        let span = tracing::debug_span!("transaction", otel.kind = "client", db.system.name = "postgresql");
        let words = format!(
            "{opening}; SELECT set_config('app.current_tenant_id', '{tenant}', true), \
            set_config('search_path', 'pg_catalog', true)"
        );
        let tx = begin(&self.store.pool, words).await?;
        let (keys, by) = (self.store.keys.clone(), self.by.clone());
        let stale = Stale::new(self.store.cache.clone(), tenant);
        Ok(TenantTx { tenant, keys, by, pending: Vec::new(), stale, tx, span })
    }

    /// What the cache has under a key of this tenant's, else what `query` reads.
    pub(crate) async fn cached<K, F>(&self, key: K, query: impl FnOnce() -> F) -> Result<K::Value, Error>
    where
        K: Key,
        F: Future<Output = Result<K::Value, Error>>,
    {
        match &self.store.cache {
            Some(cache) => cache.read_through(self.tenant, &key, query).await,
            None => query().await,
        }
    }
}

impl TenantTx {
    /// Keeps everything that was written and what the audit log should tell of it, and drops what the cache has of it.
    /// Never fails because of the cache.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.write_audit().await?;
        let Self { tx, stale, span, .. } = self;
        if stale.is_empty() {
            return Ok(tx.commit().await?);
        }
        // In a task of its own: a caller that is cancelled in between must not leave old entries. A commit whose answer
        // got lost may have happened, so entries are dropped after an error, too.
        let both = async move {
            let committed = tx.commit().await;
            let dropping = tracing::debug_span!(parent: &span, "drop from cache", otel.kind = "client");
            stale.forget().await;
            drop((dropping, span));
            committed
        };
        let done = tokio::spawn(both.in_current_span()).await;
        Ok(done.map_err(|_| Error::Unavailable("shutting down".to_owned()))??)
    }

    /// Keeps nothing. Dropping does the same, but later.
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.tx.rollback().await?)
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Words without parameters and without an answer: one message, where a statement takes two.
    pub(crate) async fn say(&mut self, words: &'static str) -> Result<(), Error> {
        sqlx::raw_sql(words).execute(self.connection()).await?;
        Ok(())
    }

    pub(crate) fn orm(&mut self) -> Orm<'_> {
        Orm::on(&mut self.tx)
    }
}

/// Begins in a task of its own: when whoever waits for it gives up in the middle, the driver forgets that it began, and the
/// next one on the connection would find itself in it (seen: a write refused as in a read-only transaction).
async fn begin(pool: &PgPool, words: String) -> Result<Transaction<'static, Postgres>, Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(words)).await });
    let begun = begun.await.map_err(|_| Error::Unavailable("shutting down".to_owned()))?;
    Ok(begun?)
}

/// Connects once beside the pool, which would hide why nobody answers behind a long wait. A server that is starting or
/// full is left to the pool, which asks it again.
async fn knock(options: &PgConnectOptions) -> Result<(), Error> {
    let knocked = tokio::time::timeout(PATIENCE, PgConnection::connect_with(options)).await;
    match knocked {
        Ok(Ok(connection)) => Ok(connection.close().await?),
        Ok(Err(sqlx::Error::Database(refusal))) if refusal.is_transient_in_connect_phase() => Ok(()),
        Ok(Err(error)) => Err(unlocked(Error::from(error))),
        Err(_) => Err(Error::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

pub(crate) fn read_url(url: &str) -> Result<PgConnectOptions, Error> {
    let of_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let options = url.parse().ok().filter(|_| of_postgres);
    options.ok_or_else(|| unfit("the database's URL must look like postgres://user:password@host/database".to_owned()))
}

/// Passwords and names of databases (classes 28 and 3D) are for people to put right; nothing passes by itself.
pub(crate) fn unlocked(error: Error) -> Error {
    match error {
        Error::Database { code, .. } if code.starts_with("28") || code.starts_with("3D") => {
            unfit(format!("PostgreSQL does not let us in ({code}): check the database's URL"))
        }
        error => error,
    }
}

async fn must_be_fit(connection: &mut PgConnection) -> Result<(), Error> {
    let login = sql("/* login */ SELECT current_user::text AS name, rolsuper OR rolbypassrls AS powerful,
            has_schema_privilege(current_user, to_regnamespace('mirror')::oid, 'USAGE') AS admitted
        FROM pg_catalog.pg_roles WHERE rolname = current_user")
    .fetch_one(&mut *connection)
    .await?;
    let name: String = login.try_get("name")?;
    if login.try_get("powerful")? {
        return Err(unfit(format!(
            "the login {name} is a superuser or exempt from row security, so tenants would not be kept apart: use the \
             processes' login"
        )));
    }
    match login.try_get::<Option<bool>, _>("admitted")? {
        Some(true) => must_have_schema(connection).await,
        Some(false) => Err(unfit(format!("the login {name} may not use the schema: run `jirafleet migrate up`"))),
        None => Err(unfit("the database has no schema yet: run `jirafleet migrate up`".to_owned())),
    }
}

async fn must_have_schema(connection: &mut PgConnection) -> Result<(), Error> {
    let found = sql("/* schema */ SELECT FROM mirror.seaql_migrations WHERE version = $1")
        .bind(SCHEMA)
        .fetch_optional(connection)
        .await;
    match found {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(unfit("the schema is older than this program: run `jirafleet migrate up`".to_owned())),
        Err(error) => match Error::from(error) {
            Error::Database { .. } => {
                Err(unfit("the schema is missing or not ours to use: run `jirafleet migrate up`".to_owned()))
            }
            error => Err(error),
        },
    }
}

fn unfit(reason: String) -> Error {
    Error::Configuration(reason)
}
