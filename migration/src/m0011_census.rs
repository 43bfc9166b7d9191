//! The roll call of a site's issues: how far it has come, what was listed, and what it missed. And the zone an instance's
//! day is counted in.

use sea_orm_migration::prelude::*;

use crate::{
    roles::{APP, SYSTEM},
    tables::{expose, protect},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [REGISTERS, CENSUSES, &zones()] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        protect(manager, "censuses", "tenant_id").await?;
        protect(manager, "roll_calls", "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        expose(manager, "roll_calls").await?;
        expose(manager, "censuses").await?;
        let sql = format!("REVOKE SELECT (time_zone) ON mirror.jira_instances FROM {SYSTEM}; {DOWN}");
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}

/// A deletion is taken back by an issue that is seen later than it: Jira never gives an id a second time.
///
/// The index finds the few issues of a project that are hidden and not yet called deleted; the visible ones have one of
/// their own.
const REGISTERS: &str = "
ALTER TABLE mirror.issues ADD COLUMN missed_at timestamptz;
COMMENT ON COLUMN mirror.issues.missed_at IS 'when a census first missed the issue; void once it was seen later';
COMMENT ON COLUMN mirror.issues.deleted_at IS 'when it was last found to be deleted; void once it is seen later';
CREATE INDEX issues_hidden ON mirror.issues (tenant_id, instance_id, project_id, id)
    WHERE NOT visible AND deleted_at IS NULL;
";

/// One row a project: its newest census. `roll_calls` holds the ids that Jira listed and those that it did not show when it
/// was asked for them, a part of some thousands in each row, for as long as the census runs.
const CENSUSES: &str = "
CREATE TABLE mirror.censuses (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    project_id bigint NOT NULL,
    run uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('listing', 'verifying', 'marking', 'done', 'held', 'left')),
    reason text,
    fence bigint NOT NULL DEFAULT 0,
    page bigint NOT NULL DEFAULT 0,
    restarts integer NOT NULL DEFAULT 0,
    next_token text,
    verified_to bigint,
    listed bigint NOT NULL DEFAULT 0,
    expected bigint,
    absent bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0,
    began_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, instance_id, project_id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES mirror.jira_instances (tenant_id, id) ON DELETE CASCADE
);

COMMENT ON COLUMN mirror.censuses.state IS 'held: too much would go at once; left: the project is no longer listed';
COMMENT ON COLUMN mirror.censuses.absent IS 'not shown when asked for, and not marked yet';
COMMENT ON COLUMN mirror.censuses.fence IS 'counts who claimed the row; whoever has a lower number is refused';

CREATE TABLE mirror.roll_calls (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    project_id bigint NOT NULL,
    answer text NOT NULL CHECK (answer IN ('listed', 'absent')),
    part bigint NOT NULL,
    ids bigint[] NOT NULL,
    observed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, project_id, answer, part),
    FOREIGN KEY (tenant_id, instance_id, project_id)
        REFERENCES mirror.censuses (tenant_id, instance_id, project_id) ON DELETE CASCADE
);
";

/// Read before a tenant is known, like the other columns that schedulers need; a function beside the older one, so that a
/// program of yesterday finds that one unchanged.
fn zones() -> String {
    format!(
        "ALTER TABLE mirror.jira_instances ADD COLUMN time_zone text;
        COMMENT ON COLUMN mirror.jira_instances.time_zone IS 'IANA name, of the service account''s profile';
        GRANT SELECT (time_zone) ON mirror.jira_instances TO {SYSTEM};
        CREATE FUNCTION mirror.find_time_zones(by_id uuid) RETURNS TABLE (id uuid, time_zone text)
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $$
                SELECT i.id, i.time_zone FROM mirror.jira_instances i WHERE by_id IS NULL OR i.id = by_id
            $$;
        REVOKE ALL ON FUNCTION mirror.find_time_zones(uuid) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION mirror.find_time_zones(uuid) TO {APP};
        GRANT {SYSTEM} TO CURRENT_USER;
        GRANT CREATE ON SCHEMA mirror TO {SYSTEM};
        ALTER FUNCTION mirror.find_time_zones(uuid) OWNER TO {SYSTEM};
        REVOKE CREATE ON SCHEMA mirror FROM {SYSTEM};
        REVOKE {SYSTEM} FROM CURRENT_USER;"
    )
}

const DOWN: &str = "
DROP FUNCTION mirror.find_time_zones(uuid);
ALTER TABLE mirror.jira_instances DROP COLUMN time_zone;
DROP TABLE mirror.roll_calls;
DROP TABLE mirror.censuses;
DROP INDEX mirror.issues_hidden;
ALTER TABLE mirror.issues DROP COLUMN missed_at;
COMMENT ON COLUMN mirror.issues.deleted_at IS 'set once; nothing changes the row afterwards';
";
