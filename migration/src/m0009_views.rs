//! What is counted rather than looked up: three materialized views, who may refresh them, and what of them a tenant sees.
//!
//! Materialized views know no row security. So they lie in a schema of their own without grants for processes, belong to a
//! role that reads all tenants' rows and can do nothing else, and are shown through windows that filter by tenant.

use sea_orm_migration::prelude::*;

use crate::roles::{APP, VIEWS};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [reading().as_str(), METRICS, LEAD_TIMES, WORKLOAD, REFRESHES, WINDOWS, FUNCTIONS, &handing_over()] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(&down()).await?;
        Ok(())
    }
}

/// The columns that the views need, for all tenants. `own_tenant` is a policy for everybody, so its function is called.
fn reading() -> String {
    format!(
        "CREATE SCHEMA mirror_views;
        GRANT USAGE ON SCHEMA mirror, mirror_views TO {VIEWS};
        GRANT EXECUTE ON FUNCTION mirror.current_tenant() TO {VIEWS};
        GRANT SELECT (tenant_id, instance_id, id, key, project_id, status_id, status_category, assignee, created_at,
            resolved_at, due_on, observed_at, visible) ON mirror.issues TO {VIEWS};
        GRANT SELECT (tenant_id, instance_id, issue_id, created_at, field_id, from_value, to_value)
            ON mirror.changelogs TO {VIEWS};
        CREATE POLICY views_read ON mirror.issues FOR SELECT TO {VIEWS} USING (true);
        CREATE POLICY views_read ON mirror.changelogs FOR SELECT TO {VIEWS} USING (true);"
    )
}

/// Of a project's visible issues. Every view is filled as it is made, by an owner who sees no rows: empty, but never an
/// error for a reader.
const METRICS: &str = "
CREATE MATERIALIZED VIEW mirror_views.issue_metrics AS
WITH statuses AS (
    SELECT tenant_id, instance_id, project_id, status_id, count(*) AS n
    FROM mirror.issues WHERE visible AND project_id IS NOT NULL AND status_id IS NOT NULL
    GROUP BY tenant_id, instance_id, project_id, status_id
), by_status AS (
    SELECT tenant_id, instance_id, project_id, jsonb_object_agg(status_id::text, n) AS by_status
    FROM statuses GROUP BY tenant_id, instance_id, project_id
), counted AS (
    SELECT tenant_id, instance_id, project_id,
        count(*) AS issues,
        count(*) FILTER (WHERE status_category = 'new') AS new,
        count(*) FILTER (WHERE status_category = 'indeterminate') AS indeterminate,
        count(*) FILTER (WHERE status_category = 'done') AS done,
        count(*) FILTER (WHERE created_at >= now() - interval '7 days') AS created_7d,
        count(*) FILTER (WHERE created_at >= now() - interval '30 days') AS created_30d,
        count(*) FILTER (WHERE resolved_at >= now() - interval '7 days') AS resolved_7d,
        count(*) FILTER (WHERE resolved_at >= now() - interval '30 days') AS resolved_30d,
        min(created_at) FILTER (WHERE status_category <> 'done') AS oldest_open_at,
        (sum(extract(epoch FROM resolved_at - created_at)) FILTER (WHERE resolved_at >= now() - interval '30 days'))
            ::double precision
            / nullif(count(*) FILTER (WHERE resolved_at >= now() - interval '30 days'), 0) AS lead_seconds_30d
    FROM mirror.issues WHERE visible AND project_id IS NOT NULL
    GROUP BY tenant_id, instance_id, project_id
)
SELECT c.*, coalesce(s.by_status, '{}') AS by_status
FROM counted c LEFT JOIN by_status s USING (tenant_id, instance_id, project_id);

CREATE UNIQUE INDEX issue_metrics_key ON mirror_views.issue_metrics (tenant_id, instance_id, project_id);
";

/// A changelog tells a status by its id, and not its category. That is the one in which the newest observed issue with
/// this status shows it; of a status in which no mirrored issue is, it is not known, and entering it counts as nothing.
///
/// `started_at`: when work first began, by entering a status in progress or, where the first move led out of one or there
/// is no move, by having been created in one. `done_at`: when an issue
/// that is done became so for the last time; where no change tells, when it was resolved.
const LEAD_TIMES: &str = "
CREATE MATERIALIZED VIEW mirror_views.lead_time_view AS
WITH seen AS (
    SELECT tenant_id, instance_id, status_id, status_category, max(observed_at) AS at
    FROM mirror.issues WHERE status_id IS NOT NULL
    GROUP BY tenant_id, instance_id, status_id, status_category
), statuses AS (
    SELECT DISTINCT ON (tenant_id, instance_id, status_id)
        tenant_id, instance_id, status_id::text AS id, status_category AS category
    FROM seen ORDER BY tenant_id, instance_id, status_id, at DESC NULLS LAST, status_category
), moves AS (
    SELECT c.tenant_id, c.instance_id, c.issue_id,
        min(c.created_at) FILTER (WHERE t.category = 'indeterminate') AS started_at,
        max(c.created_at) FILTER (WHERE t.category = 'done' AND f.category IS DISTINCT FROM 'done') AS done_at,
        min(c.created_at) AS moved_at,
        min(c.created_at) FILTER (WHERE f.category = 'indeterminate') AS paused_at
    FROM mirror.changelogs c
    LEFT JOIN statuses f ON (f.tenant_id, f.instance_id, f.id) = (c.tenant_id, c.instance_id, c.from_value)
    LEFT JOIN statuses t ON (t.tenant_id, t.instance_id, t.id) = (c.tenant_id, c.instance_id, c.to_value)
    WHERE c.field_id = 'status'
    GROUP BY c.tenant_id, c.instance_id, c.issue_id
), times AS (
    SELECT i.tenant_id, i.instance_id, i.id AS issue_id, i.key, i.project_id, i.assignee,
        i.status_category AS category, i.created_at,
        CASE WHEN m.moved_at = m.paused_at OR (m.moved_at IS NULL AND i.status_category = 'indeterminate')
            THEN i.created_at ELSE m.started_at END AS started_at,
        CASE WHEN i.status_category = 'done' THEN coalesce(m.done_at, i.resolved_at) END AS done_at
    FROM mirror.issues i
    LEFT JOIN moves m ON (m.tenant_id, m.instance_id, m.issue_id) = (i.tenant_id, i.instance_id, i.id)
    WHERE i.visible AND i.project_id IS NOT NULL
)
SELECT t.*,
    extract(epoch FROM done_at - created_at)::double precision AS lead_seconds,
    CASE WHEN started_at <= done_at THEN extract(epoch FROM done_at - started_at)::double precision END AS cycle_seconds
FROM times t;

CREATE UNIQUE INDEX lead_time_view_key ON mirror_views.lead_time_view (tenant_id, instance_id, issue_id);
CREATE INDEX lead_time_view_by_end ON mirror_views.lead_time_view
    (tenant_id, instance_id, done_at DESC, issue_id DESC) WHERE done_at IS NOT NULL;
";

/// A due date has no zone; it is over when its day is, in UTC.
const WORKLOAD: &str = "
CREATE MATERIALIZED VIEW mirror_views.user_workload_view AS
SELECT tenant_id, instance_id, assignee,
    count(*) FILTER (WHERE status_category <> 'done') AS open,
    count(*) FILTER (WHERE status_category = 'new') AS new,
    count(*) FILTER (WHERE status_category = 'indeterminate') AS indeterminate,
    count(*) FILTER (WHERE status_category <> 'done' AND due_on < (now() AT TIME ZONE 'UTC')::date) AS overdue,
    count(*) FILTER (WHERE resolved_at >= now() - interval '30 days') AS resolved_30d,
    min(created_at) FILTER (WHERE status_category <> 'done') AS oldest_open_at
FROM mirror.issues WHERE visible AND assignee IS NOT NULL
GROUP BY tenant_id, instance_id, assignee;

CREATE UNIQUE INDEX user_workload_view_key ON mirror_views.user_workload_view (tenant_id, instance_id, assignee);
";

/// As old as the view is before its first refresh.
const REFRESHES: &str = "
CREATE TABLE mirror_views.refreshes (
    view text PRIMARY KEY,
    refreshed_at timestamptz NOT NULL,
    took interval NOT NULL
);

COMMENT ON COLUMN mirror_views.refreshes.refreshed_at IS 'no later than when these figures were true';

INSERT INTO mirror_views.refreshes (view, refreshed_at, took)
SELECT view, now(), interval '0' FROM unnest(ARRAY['issue_metrics', 'lead_time_view', 'user_workload_view']) AS view;
";

/// A condition that could tell of a row before the tenant is compared waits behind a security barrier.
const WINDOWS: &str = "
CREATE VIEW mirror.issue_metrics WITH (security_barrier) AS
SELECT * FROM mirror_views.issue_metrics WHERE tenant_id = (SELECT mirror.current_tenant());

CREATE VIEW mirror.lead_time_view WITH (security_barrier) AS
SELECT * FROM mirror_views.lead_time_view WHERE tenant_id = (SELECT mirror.current_tenant());

CREATE VIEW mirror.user_workload_view WITH (security_barrier) AS
SELECT * FROM mirror_views.user_workload_view WHERE tenant_id = (SELECT mirror.current_tenant());
";

/// Refreshing beside readers needs a unique index and a view that was filled; one that was restored from a dump may not be.
/// Whoever comes while a view is being refreshed is told so and does not wait.
const FUNCTIONS: &str = "
CREATE FUNCTION mirror.refresh_view(wanted text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET work_mem = '64MB'
    AS $$
    DECLARE
        began timestamptz;
        filled boolean;
    BEGIN
        IF NOT pg_try_advisory_xact_lock(hashtextextended('mirror_views.' || wanted, 0)) THEN
            RETURN false;
        END IF;
        SELECT ispopulated INTO filled FROM pg_matviews WHERE schemaname = 'mirror_views' AND matviewname = wanted;
        IF NOT FOUND THEN
            RAISE undefined_table;
        END IF;
        began := clock_timestamp();
        IF filled THEN
            EXECUTE format('REFRESH MATERIALIZED VIEW CONCURRENTLY mirror_views.%I', wanted);
        ELSE
            EXECUTE format('REFRESH MATERIALIZED VIEW mirror_views.%I', wanted);
        END IF;
        UPDATE mirror_views.refreshes SET refreshed_at = began, took = clock_timestamp() - began WHERE view = wanted;
        RETURN true;
    END
    $$;

CREATE FUNCTION mirror.view_ages() RETURNS TABLE (view text, refreshed_at timestamptz, age_seconds double precision,
        refresh_seconds double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT r.view, r.refreshed_at, extract(epoch FROM clock_timestamp() - r.refreshed_at)::double precision,
            extract(epoch FROM r.took)::double precision
        FROM mirror_views.refreshes r ORDER BY r.view
    $$;

REVOKE ALL ON FUNCTION mirror.refresh_view(text), mirror.view_ages() FROM PUBLIC;
";

/// A refresh beside readers compares in a temporary table. Membership and the right to create are taken back at once: a
/// member would see what the role sees.
fn handing_over() -> String {
    let owned = [
        "MATERIALIZED VIEW mirror_views.issue_metrics",
        "MATERIALIZED VIEW mirror_views.lead_time_view",
        "MATERIALIZED VIEW mirror_views.user_workload_view",
        "TABLE mirror_views.refreshes",
        "VIEW mirror.issue_metrics",
        "VIEW mirror.lead_time_view",
        "VIEW mirror.user_workload_view",
        "FUNCTION mirror.refresh_view(text)",
        "FUNCTION mirror.view_ages()",
    ];
    let owned = owned.map(|thing| format!("ALTER {thing} OWNER TO {VIEWS};")).join("\n");
    format!(
        "GRANT SELECT ON mirror.issue_metrics, mirror.lead_time_view, mirror.user_workload_view TO {APP};
        GRANT EXECUTE ON FUNCTION mirror.refresh_view(text), mirror.view_ages() TO {APP};
        DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO {VIEWS}', current_database()); END $$;
        GRANT {VIEWS} TO CURRENT_USER;
        GRANT CREATE ON SCHEMA mirror, mirror_views TO {VIEWS};
        {owned}
        REVOKE CREATE ON SCHEMA mirror, mirror_views FROM {VIEWS};
        REVOKE {VIEWS} FROM CURRENT_USER;"
    )
}

fn down() -> String {
    format!(
        "DROP FUNCTION mirror.view_ages();
        DROP FUNCTION mirror.refresh_view(text);
        DROP VIEW mirror.user_workload_view;
        DROP VIEW mirror.lead_time_view;
        DROP VIEW mirror.issue_metrics;
        DROP TABLE mirror_views.refreshes;
        DROP MATERIALIZED VIEW mirror_views.user_workload_view;
        DROP MATERIALIZED VIEW mirror_views.lead_time_view;
        DROP MATERIALIZED VIEW mirror_views.issue_metrics;
        DROP POLICY views_read ON mirror.changelogs;
        DROP POLICY views_read ON mirror.issues;
        REVOKE ALL ON mirror.issues, mirror.changelogs FROM {VIEWS};
        REVOKE ALL (tenant_id, instance_id, id, key, project_id, status_id, status_category, assignee, created_at,
            resolved_at, due_on, observed_at, visible) ON mirror.issues FROM {VIEWS};
        REVOKE ALL (tenant_id, instance_id, issue_id, created_at, field_id, from_value, to_value)
            ON mirror.changelogs FROM {VIEWS};
        REVOKE ALL ON FUNCTION mirror.current_tenant() FROM {VIEWS};
        REVOKE ALL ON SCHEMA mirror FROM {VIEWS};
        DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM {VIEWS}', current_database()); END $$;
        DROP SCHEMA mirror_views;"
    )
}
