//! Time that was written down, and sprints.

use sea_orm_migration::prelude::*;

use crate::tables::{expose, protect};

const TABLES: [&str; 2] = ["worklogs", "sprints"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        for table in TABLES {
            protect(manager, table, "tenant_id").await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            expose(manager, table).await?;
        }
        manager.get_connection().execute_unprepared("DROP TABLE mirror.sprints; DROP TABLE mirror.worklogs").await?;
        Ok(())
    }
}

/// A sprint belongs to a board and not to a project or an issue: `issues.sprint_ids` points at it softly.
const UP: &str = "
CREATE TABLE mirror.worklogs (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    issue_id bigint NOT NULL,
    id bigint NOT NULL,
    author text,
    update_author text,
    started_at timestamptz,
    seconds bigint NOT NULL,
    comment jsonb,
    visibility jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    PRIMARY KEY (tenant_id, instance_id, issue_id, id),
    FOREIGN KEY (tenant_id, instance_id, issue_id) REFERENCES mirror.issues (tenant_id, instance_id, id) ON DELETE CASCADE
);

CREATE TABLE mirror.sprints (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    id bigint NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    board_id bigint,
    goal text,
    starts_at timestamptz,
    ends_at timestamptz,
    completed_at timestamptz,
    observed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES mirror.jira_instances (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN mirror.sprints.observed_at IS 'no later than when this was true';
";
