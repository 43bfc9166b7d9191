//! Indexes beside the primary keys. Each slows every load, so each names the question that needs it.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// In order: an issue by its key (not unique: Jira uses keys again, and a move may swap two), an issue by a key it once
/// had, what changed last, what changed last in a project, issues with a label. `btree_gin` lets the tenant lead an index
/// over labels; it is left in place by the way down, since others may use it.
///
/// Where the key leads, the tenant follows: an index that begins like the primary key but goes on otherwise would cost the
/// same in the eyes of a planner without statistics, and every foreign key would be checked by walking a whole instance
/// (seen: 130 us a row after 1,200 issues, and growing).
const UP: &str = "
CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;
CREATE INDEX issues_by_key ON mirror.issues (key, tenant_id, instance_id);
CREATE INDEX issue_key_aliases_by_key ON mirror.issue_key_aliases (key, tenant_id, instance_id);
CREATE INDEX issues_by_update ON mirror.issues (tenant_id, updated_at DESC, id DESC) WHERE visible;
CREATE INDEX issues_by_project ON mirror.issues (tenant_id, instance_id, project_id, updated_at DESC, id DESC)
    WHERE visible;
CREATE INDEX issues_by_label ON mirror.issues USING gin (tenant_id, labels);
";

const DOWN: &str = "
DROP INDEX mirror.issues_by_label;
DROP INDEX mirror.issues_by_project;
DROP INDEX mirror.issues_by_update;
DROP INDEX mirror.issue_key_aliases_by_key;
DROP INDEX mirror.issues_by_key;
";
