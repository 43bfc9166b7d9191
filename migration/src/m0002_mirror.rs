//! What is mirrored: projects, people, issues and what hangs on them, and how far each reading has come.
//!
//! The tenant leads every key. Foreign keys are checked without row security, so one without the tenant would reach into
//! another tenant's rows. A child's key starts with its parent's, so that deleting the parent needs no further index.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [DIRECTORY, ISSUES, CHILDREN, WATERMARKS, COMPRESSION] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

const DIRECTORY: &str = "
CREATE TABLE mirror.projects (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    id bigint NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    project_type text,
    lifecycle text NOT NULL,
    lead_account_id text,
    issue_count bigint,
    raw jsonb NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES mirror.jira_instances (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE mirror.users (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    account_id text NOT NULL,
    display_name text,
    active boolean,
    account_type text,
    time_zone text,
    email_hash bytea,
    observed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, account_id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES mirror.jira_instances (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE mirror.custom_fields (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    custom boolean NOT NULL,
    custom_type text,
    raw jsonb NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES mirror.jira_instances (tenant_id, id) ON DELETE CASCADE
);
";

/// Content is absent in the row of an issue of which nothing is known but that it is gone.
///
/// Some room is left on each page: confirming an unchanged issue moves only `observed_at` and `seen_at`, which no index
/// contains, so the row's new version stays on its page and no index is touched.
const ISSUES: &str = "
CREATE TABLE mirror.issues (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    id bigint NOT NULL,
    key text,
    project_id bigint,
    summary text,
    description jsonb,
    type_id bigint,
    type_name text,
    type_subtask boolean,
    status_id bigint,
    status_name text,
    status_category text,
    priority_id bigint,
    priority_name text,
    resolution_id bigint,
    resolution_name text,
    assignee text,
    reporter text,
    creator text,
    labels text[],
    parent_id bigint,
    parent_key text,
    sprint_ids bigint[],
    created_at timestamptz,
    updated_at timestamptz,
    resolved_at timestamptz,
    due_on date,
    raw jsonb,
    raw_exact text,
    content_hash bytea,
    observed_at timestamptz,
    seen_at timestamptz,
    gone_at timestamptz,
    deleted_at timestamptz,
    visible boolean NOT NULL GENERATED ALWAYS AS (
        deleted_at IS NULL AND seen_at IS NOT NULL AND (gone_at IS NULL OR seen_at > gone_at)
    ) STORED,
    PRIMARY KEY (tenant_id, instance_id, id),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES mirror.jira_instances (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 85);

COMMENT ON COLUMN mirror.issues.raw_exact IS 'the document as Jira wrote it, where raw could not hold it: NUL in a text';
COMMENT ON COLUMN mirror.issues.observed_at IS 'no later than when this content was true';
COMMENT ON COLUMN mirror.issues.seen_at IS 'the latest time at which Jira showed the issue';
COMMENT ON COLUMN mirror.issues.gone_at IS 'the latest time at which Jira did not show the issue';
COMMENT ON COLUMN mirror.issues.deleted_at IS 'set once; nothing changes the row afterwards';

CREATE TABLE mirror.issue_key_aliases (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    issue_id bigint NOT NULL,
    key text NOT NULL,
    last_had_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, issue_id, key),
    FOREIGN KEY (tenant_id, instance_id, issue_id) REFERENCES mirror.issues (tenant_id, instance_id, id) ON DELETE CASCADE
);
";

/// An entry of a changelog is a row for each of its changes; an entry without changes is one row numbered -1.
/// `history_more` belongs to the entry and stands in the first of its rows. The far end
/// of a link need not be mirrored.
const CHILDREN: &str = "
CREATE TABLE mirror.comments (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    issue_id bigint NOT NULL,
    id bigint NOT NULL,
    author text,
    update_author text,
    body jsonb NOT NULL,
    visibility jsonb,
    jsd_public boolean,
    reply_to bigint,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, issue_id, id),
    FOREIGN KEY (tenant_id, instance_id, issue_id) REFERENCES mirror.issues (tenant_id, instance_id, id) ON DELETE CASCADE
);

CREATE TABLE mirror.changelogs (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    issue_id bigint NOT NULL,
    id bigint NOT NULL,
    item_no integer NOT NULL,
    author text,
    created_at timestamptz NOT NULL,
    field text,
    field_id text,
    field_type text,
    from_value text,
    from_text text,
    to_value text,
    to_text text,
    more jsonb,
    history_more jsonb,
    PRIMARY KEY (tenant_id, instance_id, issue_id, id, item_no),
    FOREIGN KEY (tenant_id, instance_id, issue_id) REFERENCES mirror.issues (tenant_id, instance_id, id) ON DELETE CASCADE
);

CREATE TABLE mirror.issue_links (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    issue_id bigint NOT NULL,
    id bigint NOT NULL,
    direction text NOT NULL,
    position integer NOT NULL,
    type_id bigint NOT NULL,
    type_name text NOT NULL,
    other_id bigint NOT NULL,
    other_key text NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, issue_id, id, direction),
    FOREIGN KEY (tenant_id, instance_id, issue_id) REFERENCES mirror.issues (tenant_id, instance_id, id) ON DELETE CASCADE
);
";

/// Streams are `poll` and `backfill:<project id>`. `listing` holds the ids of the page that is being fetched, of which
/// `done` are applied; it is stored out of line, so moving `done` does not copy it.
const WATERMARKS: &str = "
CREATE TABLE mirror.sync_watermarks (
    tenant_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    stream text NOT NULL,
    mark timestamptz,
    project_id bigint,
    run uuid,
    state text CHECK (state IN ('waiting', 'running', 'done', 'cancelled', 'failed')),
    reason text,
    restarts integer NOT NULL DEFAULT 0,
    since date,
    listing bigint[],
    done integer NOT NULL DEFAULT 0,
    next_token text,
    listed_all boolean NOT NULL DEFAULT false,
    synced bigint NOT NULL DEFAULT 0,
    expected bigint,
    page bigint NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,
    began_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, instance_id, stream),
    FOREIGN KEY (tenant_id, instance_id) REFERENCES mirror.jira_instances (tenant_id, id) ON DELETE CASCADE
);
";

/// lz4 compresses documents several times faster than PostgreSQL's own method. A server built without it refuses, and
/// keeps its own.
const COMPRESSION: &str = "
DO $$ BEGIN
    ALTER TABLE mirror.issues
        ALTER COLUMN raw SET COMPRESSION lz4,
        ALTER COLUMN description SET COMPRESSION lz4;
    ALTER TABLE mirror.comments ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
";

const DOWN: &str = "
DROP TABLE mirror.sync_watermarks;
DROP TABLE mirror.issue_links;
DROP TABLE mirror.changelogs;
DROP TABLE mirror.comments;
DROP TABLE mirror.issue_key_aliases;
DROP TABLE mirror.issues;
DROP TABLE mirror.custom_fields;
DROP TABLE mirror.users;
DROP TABLE mirror.projects;
";
