//! A million issues in twenty tenants: made once, kept in `target/bench` and used again while the schema is the same.
//!
//! The first tenant's issues go through the one door, with comments and changelogs. The others get copies of its issues,
//! projects, people and fields by SQL, without what hangs on issues, which no search reads. The indexes are made afterwards.

use std::path::Path;

use domain::InstanceId;
use sea_orm::sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use simulator::Parts;
use store::{Store, TenantStore};

use super::{
    load::register,
    pages::{PAGE, site},
    server::{Server, run},
};

/// How many tenants there are.
pub(crate) const TENANTS: usize = 20;
/// Issues of each project, of which each tenant has ten.
const OF_A_PROJECT: usize = 5_000;

/// Counted up when other rows are made.
const VERSION: u32 = 1;
pub(crate) const DATABASE: &str = "jirafleet";
/// Copied to every tenant, in this order.
const TABLES: [&str; 5] = ["projects", "users", "custom_fields", "sprints", "issues"];

/// The million, ready to be read.
pub(crate) struct Million {
    pub(crate) server: Server,
    pub(crate) store: Store,
    /// Every tenant with its one instance.
    pub(crate) tenants: Vec<(TenantStore, InstanceId)>,
}

impl Million {
    pub(crate) async fn open(folder: &Path) -> Self {
        let name = format!("store-million-{VERSION}-{}", store::SCHEMA);
        let (data, complete) = (folder.join(&name), folder.join(format!("{name}.complete")));
        if !complete.exists() {
            let _ = std::fs::remove_dir_all(&data);
        }
        std::fs::create_dir_all(folder).expect("the folder can be made");
        let server = Server::kept(data).await;
        if !complete.exists() {
            build(&server).await;
            std::fs::write(&complete, "").expect("the folder can be written");
        }
        // A run that was interrupted may have left them unbound, and then the store does not open.
        bind(&server, Bound::ByPolicies).await;
        let store = server.store(DATABASE, 2).await;
        let instances = store.system().instances().await.expect("instances are listed");
        let tenants = instances.iter().map(|instance| (store.tenant(instance.tenant), instance.id)).collect();
        Self { server, store, tenants }
    }

    /// Lets the processes' roles see everything, or only what their tenant may. Their next statements obey.
    pub(crate) async fn bind_by_policies(&self, bound: Bound) {
        bind(&self.server, bound).await;
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
        self.server.stop().await;
    }
}

/// Whether row security binds the processes' roles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    ByPolicies,
    ByNothing,
}

async fn bind(server: &Server, bound: Bound) {
    let word = if bound == Bound::ByPolicies { "NOBYPASSRLS" } else { "BYPASSRLS" };
    let sql = format!("ALTER ROLE jirafleet {word}; ALTER ROLE jirafleet_system {word}");
    run(&mut server.superuser(DATABASE).await, &sql).await;
}

async fn build(server: &Server) {
    eprintln!("a million issues are made, once ..");
    server.migrate(DATABASE).await;
    let store = server.store(DATABASE, 2).await;
    let mut tenants = Vec::new();
    for number in 1..=TENANTS {
        tenants.push(register(&store, &format!("million-{number}")).await);
    }
    let (first, others) = tenants.split_first().expect("there is more than one");
    fill(first).await;
    store.close().await;
    let mut connection = server.superuser(DATABASE).await;
    // Foreign keys need not be asked for copies of rows that satisfied them.
    run(&mut connection, "SET session_replication_role = replica; SET maintenance_work_mem = '1GB'").await;
    let indexes = take_indexes(&mut connection).await;
    for table in TABLES {
        eprintln!("  {table} ..");
        copy(&mut connection, table, first, others).await;
    }
    for index in indexes {
        eprintln!("  {index}");
        run(&mut connection, &index).await;
    }
    run(&mut connection, "VACUUM (ANALYZE)").await;
    run(&mut connection, "CHECKPOINT").await;
}

async fn fill((tenant, instance): &(TenantStore, InstanceId)) {
    let parts = Parts::new(site(OF_A_PROJECT));
    let mut tx = tenant.begin().await.expect("a transaction begins");
    let text = |value: &serde_json::Value| value.to_string();
    let projects =
        parts.projects().iter().map(|one| jira::project_from_json(&text(one))).collect::<Result<Vec<_>, _>>();
    tx.apply_projects(*instance, &projects.expect("projects as Jira writes them")).await.expect("projects are applied");
    let people = parts.people().iter().map(|one| jira::person_from_json(&text(one))).collect::<Result<Vec<_>, _>>();
    tx.apply_users(*instance, &people.expect("people as Jira writes them")).await.expect("people are applied");
    let fields = parts.fields().iter().map(|one| jira::field_from_json(&text(one))).collect::<Result<Vec<_>, _>>();
    tx.apply_fields(*instance, &fields.expect("fields as Jira writes them")).await.expect("fields are applied");
    tx.commit().await.expect("the directory is committed");
    for part in parts.all(PAGE) {
        let read = |text: &String| jira::snapshot_from_json(text, parts.end()).expect("an issue as Jira writes it");
        let page: Vec<_> = parts.issues(&part).iter().map(read).collect();
        let mut tx = tenant.begin().await.expect("a transaction begins");
        tx.apply(*instance, &page).await.expect("a page is applied");
        tx.commit().await.expect("a page is committed");
    }
}

/// Drops what would be kept up to date row by row; how each is made again.
async fn take_indexes(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT indexname::text AS name, indexdef AS definition FROM pg_indexes
        WHERE schemaname = 'mirror' AND tablename = 'issues' AND indexname <> 'issues_pkey'";
    let mut definitions = Vec::new();
    for row in connection.fetch_all(sql).await.expect("indexes are listed") {
        definitions.push(row.try_get("definition").expect("a text"));
        let name: String = row.try_get("name").expect("a text");
        run(connection, &format!("DROP INDEX mirror.{name}")).await;
    }
    definitions
}

async fn copy(
    connection: &mut PgConnection,
    table: &str,
    (tenant, instance): &(TenantStore, InstanceId),
    others: &[(TenantStore, InstanceId)],
) {
    let sql = format!(
        "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
        WHERE table_schema = 'mirror' AND table_name = '{table}' AND is_generated = 'NEVER'
            AND column_name NOT IN ('tenant_id', 'instance_id')"
    );
    let row = connection.fetch_one(AssertSqlSafe(sql)).await.expect("columns are listed");
    let columns: String = row.try_get(0).expect("a text");
    for (to, into) in others {
        let sql = format!(
            "INSERT INTO mirror.{table} (tenant_id, instance_id, {columns})
            SELECT '{}', '{into}', {columns} FROM mirror.{table}
            WHERE tenant_id = '{}' AND instance_id = '{instance}'",
            to.id(),
            tenant.id()
        );
        run(connection, &sql).await;
    }
}
