//! What searches need: the words and custom fields of issues, a view that lets every index be used, and the indexes.
//!
//! Existing issues are given their words and fields here, in SQL, from what their rows hold. Their words are what
//! PostgreSQL takes for words, which differs from the store's only in scripts without blanks, until they change next.

use sea_orm_migration::prelude::*;

use crate::roles::{APP, SYSTEM};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [COLUMNS, FILL, INDEXES, &view()] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = format!(
            "DROP VIEW mirror.shown_issues;
            DROP POLICY search_reads ON mirror.issues;
            REVOKE SELECT ({COLUMNS_SHOWN}, tenant_id) ON mirror.issues FROM {SYSTEM};
            {DOWN}"
        );
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}

/// Both are written by the store with the rest of the row. Neither repeats what it does not search, so that a row stays
/// short; see `domain::search` for what they hold. PostgreSQL may be built without lz4; then it keeps its own compression.
const COLUMNS: &str = "
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
ALTER TABLE mirror.issues ADD COLUMN search tsvector, ADD COLUMN custom jsonb;
DO $$ BEGIN
    ALTER TABLE mirror.issues ALTER COLUMN search SET COMPRESSION lz4, ALTER COLUMN custom SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
COMMENT ON COLUMN mirror.issues.search IS 'words of the summary, marked with =, and of the first part of the description';
COMMENT ON COLUMN mirror.issues.custom IS 'custom fields that have a value; null stands for one too long to be searched';
";

/// The policy is lifted for the owner while the rows are filled: it hides them from the owner, too.
const FILL: &str = "
ALTER TABLE mirror.issues NO FORCE ROW LEVEL SECURITY;
UPDATE mirror.issues i SET
    search = array_to_tsvector(ARRAY (
        SELECT '=' || left(word, 40) FROM regexp_split_to_table(lower(i.summary), '[^[:alnum:]]+') AS word WHERE word <> ''
        UNION
        SELECT left(word, 40) FROM regexp_split_to_table(lower(left((
            SELECT string_agg(piece #>> '{}', ' ') FROM jsonb_path_query(i.description, 'lax $.**.text') AS piece
            WHERE jsonb_typeof(piece) = 'string'
        ), 2000)), '[^[:alnum:]]+') AS word WHERE word <> ''
    )),
    custom = (
        SELECT jsonb_object_agg(key, CASE WHEN octet_length(value::text) <= 1000 THEN value ELSE 'null' END)
        FROM jsonb_each(CASE WHEN jsonb_typeof(i.raw -> 'fields') = 'object' THEN i.raw -> 'fields' END)
        WHERE key LIKE 'customfield\\_%' AND value <> 'null'
    )
WHERE i.summary IS NOT NULL;
ALTER TABLE mirror.issues FORCE ROW LEVEL SECURITY;
";

/// In order, each with the question it serves:
/// - issues in a status, newest change first: `lower(status_name) = lower($1) .. ORDER BY updated_at DESC, id DESC`;
/// - a person's issues, newest change first: `assignee = $1 .. ORDER BY updated_at DESC, id DESC`;
/// - all issues in the order of their creation: `.. ORDER BY created_at, id`;
/// - everything that is looked up by its content: words (`search @@ $1`), labels (`labels && $1`), sprints
///   (`sprint_ids && $1`), custom fields (`custom @> $1`), sub-tasks and stories (`parent_id = $1`), who asked for it
///   (`reporter = $1`). One index rather than six: the tenant's own list is kept once, and one pending list is sorted in;
/// - when an issue entered a status: `issue_id = $1 AND field = 'status' ORDER BY created_at`, for lead times.
///
/// Where a name is searched, it is without regard to case. Labels had an index of their own.
const INDEXES: &str = "
CREATE INDEX issues_by_status ON mirror.issues (tenant_id, lower(status_name), updated_at DESC, id DESC) WHERE visible;
CREATE INDEX issues_by_assignee ON mirror.issues (tenant_id, assignee, updated_at DESC, id DESC)
    WHERE visible AND assignee IS NOT NULL;
CREATE INDEX issues_by_creation ON mirror.issues (tenant_id, created_at, id) WHERE visible;
CREATE INDEX issues_by_content ON mirror.issues
    USING gin (tenant_id, search, labels, sprint_ids, custom jsonb_path_ops, parent_id, reporter);
CREATE INDEX changelogs_by_status ON mirror.changelogs (tenant_id, instance_id, issue_id, created_at) INCLUDE (to_value)
    WHERE field = 'status';
DROP INDEX mirror.issues_by_label;
";

const DOWN: &str = "
CREATE INDEX issues_by_label ON mirror.issues USING gin (tenant_id, labels);
DROP INDEX mirror.changelogs_by_status;
DROP INDEX mirror.issues_by_content;
DROP INDEX mirror.issues_by_creation;
DROP INDEX mirror.issues_by_assignee;
DROP INDEX mirror.issues_by_status;
ALTER TABLE mirror.issues DROP COLUMN search, DROP COLUMN custom;
";

/// What a search reads. The raw document is not among it.
const COLUMNS_SHOWN: &str = "instance_id, id, key, project_id, summary, description, type_id, type_name, type_subtask,
    status_id, status_name, status_category, priority_id, priority_name, resolution_id, resolution_name, assignee,
    reporter, creator, labels, parent_id, parent_key, sprint_ids, created_at, updated_at, resolved_at, due_on,
    content_hash, observed_at, seen_at, gone_at, deleted_at, visible, search, custom";

/// Under a row policy PostgreSQL uses no index whose operators it does not trust to keep secrets, and of those of words,
/// lists and JSON it trusts none. The view is read with its owner's rights, whom the table's policy lets see
/// everything, and it shows the current tenant's issues and no others: the same wall, but a plain condition to the planner.
/// It must not be opened to anybody who writes SQL of their own.
fn view() -> String {
    format!(
        "GRANT SELECT ({COLUMNS_SHOWN}, tenant_id) ON mirror.issues TO {SYSTEM};
        CREATE POLICY search_reads ON mirror.issues FOR SELECT TO {SYSTEM} USING (true);
        CREATE VIEW mirror.shown_issues AS
            SELECT tenant_id AS tenant, {COLUMNS_SHOWN}
            FROM mirror.issues WHERE tenant_id = (SELECT mirror.current_tenant()) AND visible;
        GRANT {SYSTEM} TO CURRENT_USER;
        GRANT CREATE ON SCHEMA mirror TO {SYSTEM};
        ALTER VIEW mirror.shown_issues OWNER TO {SYSTEM};
        GRANT SELECT ON mirror.shown_issues TO {APP};
        REVOKE CREATE ON SCHEMA mirror FROM {SYSTEM};
        REVOKE {SYSTEM} FROM CURRENT_USER;"
    )
}
