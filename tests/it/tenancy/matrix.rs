//! Every table, every operation, two tenants: driven by the catalogue, so that a new table is covered by itself.

use domain::TenantId;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, RuntimeErr, Statement, TransactionTrait};

use super::{fill, tables, texts};
use crate::store::sample::{Mirror, connect, register};

/// Two tenants with a row in every table each.
struct Two {
    mirror: Mirror,
    mine: TenantId,
    theirs: TenantId,
}

impl Two {
    async fn new() -> Self {
        let mirror = Mirror::new().await;
        let (tenant, instance) = register(&mirror.store, "other").await;
        fill(&mirror.database, &mirror.tenant, mirror.instance).await;
        fill(&mirror.database, &tenant, instance).await;
        Self { mine: mirror.tenant.id(), theirs: tenant.id(), mirror }
    }

    /// A transaction of a tenant's, as a process would have it.
    async fn begin(&self, tenant: TenantId) -> DatabaseTransaction {
        let tx = connect(&self.mirror.database.app_url).await.begin().await.unwrap();
        tx.execute_unprepared(&format!("SELECT set_config('app.current_tenant_id', '{tenant}', true)")).await.unwrap();
        tx
    }

    async fn count(&self, tenant: TenantId, table: &str, condition: &str) -> i64 {
        let tx = self.begin(tenant).await;
        let sql = format!("SELECT count(*) AS n FROM mirror.{table} WHERE {condition}");
        let row = tx.query_one_raw(Statement::from_string(tx.get_database_backend(), sql)).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }

    /// Everything that a tenant sees of a table.
    async fn rows(&self, tenant: TenantId, table: &str) -> String {
        let sql =
            format!("SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') AS n FROM mirror.{table} t");
        let tx = self.begin(tenant).await;
        let row = tx.query_one_raw(Statement::from_string(tx.get_database_backend(), sql)).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }

    /// One row of theirs as JSON, with some columns replaced.
    async fn one_of_theirs(&self, table: &str, changed: &str) -> String {
        let tx = self.begin(self.theirs).await;
        let sql = format!("SELECT (to_jsonb(t) || '{changed}'::jsonb)::text AS n FROM mirror.{table} t LIMIT 1");
        let row = tx.query_one_raw(Statement::from_string(tx.get_database_backend(), sql)).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }

    /// As me, a row of these values.
    async fn insert(&self, table: &str, values: &str) -> Result<(), DbErr> {
        let columns = texts(
            &self.mirror.database.owner_url,
            &format!(
                "SELECT string_agg(quote_ident(attname), ', ') AS text FROM pg_attribute
                WHERE attrelid = 'mirror.{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
            ),
        )
        .await
        .remove(0);
        let sql = format!(
            "INSERT INTO mirror.{table} ({columns})
            SELECT {columns} FROM jsonb_populate_record(NULL::mirror.{table}, $1::jsonb)"
        );
        let tx = self.begin(self.mine).await;
        let backend = tx.get_database_backend();
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, [values.into()])).await.map(|_| ())
    }
}

fn code(error: &DbErr) -> String {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            let refusal = error.as_database_error();
            refusal.map(|refusal| refusal.code().unwrap_or_default().into_owned()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

const NOT_ALLOWED: &str = "42501";

#[tokio::test]
async fn nobody_reads_writes_or_reaches_another_tenants_rows() {
    let two = Two::new().await;
    let (mine, theirs) = (two.mine, two.theirs);
    for (table, tenant) in tables(&two.mirror).await {
        let before = two.rows(theirs, &table).await;
        assert!(!before.is_empty(), "{table} has no row to hide: add one to `fill`");

        let seen = two.count(mine, &table, "true").await;
        assert!(seen > 0, "{table}");
        assert_eq!(seen, two.count(mine, &table, &format!("{tenant} = '{mine}'")).await, "{table} shows others' rows");

        for sql in [
            format!("UPDATE mirror.{table} SET {tenant} = {tenant} WHERE {tenant} = '{theirs}'"),
            format!("DELETE FROM mirror.{table} WHERE {tenant} = '{theirs}'"),
        ] {
            let tx = two.begin(mine).await;
            match tx.execute_unprepared(&sql).await {
                Ok(done) => assert_eq!(done.rows_affected(), 0, "{sql}"),
                Err(error) => assert_eq!(code(&error), NOT_ALLOWED, "{sql}: {error}"),
            }
        }
        let tx = two.begin(mine).await;
        let given = format!("UPDATE mirror.{table} SET {tenant} = '{theirs}'");
        let error = tx.execute_unprepared(&given).await.unwrap_err();
        assert_eq!(code(&error), NOT_ALLOWED, "{given}: {error}");

        let planted = two.one_of_theirs(&table, "{}").await;
        let error = two.insert(&table, &planted).await.unwrap_err();
        assert_eq!(code(&error), NOT_ALLOWED, "{table} takes rows for others: {error}");
        assert_eq!(two.rows(theirs, &table).await, before, "{table}");
    }
}

/// Views are read with their owners' rights, so what keeps tables apart does not hold for them.
#[tokio::test]
async fn no_view_shows_another_tenants_rows() {
    let two = Two::new().await;
    crate::views::refresh(&two.mirror.store).await;
    let views = texts(
        &two.mirror.database.owner_url,
        "SELECT relname::text AS text FROM pg_class WHERE relnamespace = 'mirror'::regnamespace AND relkind = 'v' ORDER BY 1",
    )
    .await;
    assert!(views.len() >= 5, "{views:?}");
    for view in views {
        let tenant = format!("coalesce(to_jsonb({view}) ->> 'tenant_id', to_jsonb({view}) ->> 'tenant')");
        for (me, other) in [(two.mine, two.theirs), (two.theirs, two.mine)] {
            let seen = two.count(me, &view, "true").await;
            assert!(seen > 0, "{view} has no row to show");
            assert_eq!(seen, two.count(me, &view, &format!("{tenant} = '{me}'")).await, "{view} of {other}");
        }
        let nobody = texts(&two.mirror.database.app_url, &format!("SELECT {tenant} AS text FROM mirror.{view}")).await;
        assert_eq!(nobody, Vec::<String>::new(), "{view}");
    }
    // Searches need indexes that PostgreSQL uses behind no barrier.
    let open =
        "SELECT relname::text AS text FROM pg_class WHERE relnamespace = 'mirror'::regnamespace AND relkind = 'v'
        AND NOT coalesce('security_barrier=true' = ANY (reloptions), false)";
    assert_eq!(texts(&two.mirror.database.owner_url, open).await, ["shown_issues"]);
}

/// Foreign keys are checked without row security: one that does not name the tenant would tell, by success or failure,
/// which rows another tenant has, and let rows hang on them.
#[tokio::test]
async fn no_foreign_key_reaches_over_the_wall() {
    let two = Two::new().await;
    let mut tried = 0;
    for (table, tenant) in tables(&two.mirror).await {
        let parents = texts(
            &two.mirror.database.owner_url,
            &format!(
                "SELECT conname::text AS text FROM pg_constraint WHERE conrelid = 'mirror.{table}'::regclass
                AND contype = 'f' AND cardinality(conkey) > 1"
            ),
        )
        .await;
        if parents.is_empty() {
            continue;
        }
        let changed = format!(r#"{{"{tenant}":"{}"}}"#, two.mine);
        let hung = two.one_of_theirs(&table, &changed).await;
        // Only where the row has a parent at all; a line of the log need not complete another one.
        if let Err(error) = two.insert(&table, &hung).await {
            assert!(matches!(code(&error).as_str(), "23503" | "23505" | "23514"), "{table}: {error}");
            tried += usize::from(code(&error) == "23503");
        } else {
            assert_eq!(table, "audit_log", "{table} hangs on another tenant's row");
        }
    }
    assert!(tried >= 8, "{tried}");
}

#[tokio::test]
async fn without_a_tenant_there_are_no_rows() {
    let two = Two::new().await;
    for (table, _) in tables(&two.mirror).await {
        let count = format!("SELECT count(*)::text AS text FROM mirror.{table}");
        for url in [&two.mirror.database.app_url, &two.mirror.database.owner_url] {
            assert_eq!(texts(url, &count).await, ["0"], "{table}");
        }
    }
}
