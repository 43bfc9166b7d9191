//! The reference: a plain UNNEST upsert of whole pages, newer wins, into tables with every index a mirror is usually given.
//!
//! Default compression and storage, no row security; a GIN over the whole document, a stored tsvector with another, trigrams
//! of the summary. The tables, keys and foreign keys are the mirror's.

use std::sync::Arc;

use domain::{Change, Comment, History, IssueSnapshot, RawJson};
use sea_orm::sqlx::{self, Connection, Executor, PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::pages::Pile;

/// Whose the rows are.
const TENANT: Uuid = Uuid::from_u128(1);

pub(crate) const TABLES: &str = "
CREATE SCHEMA lab;
CREATE TABLE lab.issues (
    tenant_id uuid NOT NULL, instance_id uuid NOT NULL, id bigint NOT NULL, key text NOT NULL, project_id bigint NOT NULL,
    summary text NOT NULL, description jsonb COMPRESSION pglz, type_id bigint, type_name text, status_id bigint,
    status_name text, status_category text, priority_id bigint, priority_name text, resolution_id bigint,
    resolution_name text, assignee text, reporter text, creator text, labels text[], parent_id bigint, parent_key text,
    sprint_ids bigint[], created_at timestamptz, updated_at timestamptz, resolved_at timestamptz, due_on date,
    raw jsonb COMPRESSION pglz, content_hash bytea, observed_at timestamptz, seen_at timestamptz, gone_at timestamptz,
    deleted_at timestamptz,
    search tsvector COMPRESSION pglz GENERATED ALWAYS AS (
        to_tsvector('simple', summary) || to_tsvector('simple', coalesce(description, 'null'))) STORED,
    PRIMARY KEY (tenant_id, instance_id, id)
);
CREATE TABLE lab.comments (
    tenant_id uuid NOT NULL, instance_id uuid NOT NULL, issue_id bigint NOT NULL, id bigint NOT NULL, author text,
    update_author text, body jsonb COMPRESSION pglz NOT NULL, visibility jsonb, jsd_public boolean,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, issue_id, id),
    FOREIGN KEY (tenant_id, instance_id, issue_id) REFERENCES lab.issues (tenant_id, instance_id, id) ON DELETE CASCADE
);
CREATE TABLE lab.changelogs (
    tenant_id uuid NOT NULL, instance_id uuid NOT NULL, issue_id bigint NOT NULL, id bigint NOT NULL,
    item_no integer NOT NULL, author text, created_at timestamptz NOT NULL, field text, field_id text, field_type text,
    from_value text, from_text text, to_value text, to_text text,
    PRIMARY KEY (tenant_id, instance_id, issue_id, id, item_no),
    FOREIGN KEY (tenant_id, instance_id, issue_id) REFERENCES lab.issues (tenant_id, instance_id, id) ON DELETE CASCADE
);
CREATE INDEX ON lab.issues (tenant_id, instance_id, key);
CREATE INDEX ON lab.issues (tenant_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX ON lab.issues (tenant_id, project_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX ON lab.issues (tenant_id, project_id, status_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX ON lab.issues (tenant_id, assignee, updated_at DESC, id DESC) WHERE resolved_at IS NULL;
CREATE INDEX ON lab.issues (tenant_id, parent_id);
CREATE INDEX ON lab.issues USING gin (tenant_id, labels);
CREATE INDEX ON lab.issues USING gin (tenant_id, sprint_ids);
CREATE INDEX ON lab.issues USING gin (tenant_id, search);
CREATE INDEX ON lab.issues USING gin (tenant_id, summary gin_trgm_ops);
CREATE INDEX ON lab.issues USING gin (raw jsonb_path_ops);
CREATE INDEX ON lab.changelogs (tenant_id, instance_id, issue_id, created_at) INCLUDE (to_value) WHERE field = 'status';
";

const ISSUES: &str = "
INSERT INTO lab.issues AS t (tenant_id, instance_id, id, key, project_id, summary, description, type_id, type_name,
    status_id, status_name, status_category, priority_id, priority_name, resolution_id, resolution_name, assignee,
    reporter, creator, labels, parent_id, parent_key, sprint_ids, created_at, updated_at, resolved_at, due_on, raw,
    content_hash, observed_at, seen_at)
SELECT $1, $1, p.id, p.key, p.project_id, p.summary, p.description::jsonb, p.type_id, p.type_name, p.status_id,
    p.status_name, p.status_category, p.priority_id, p.priority_name, p.resolution_id, p.resolution_name, p.assignee,
    p.reporter, p.creator, p.labels::text[], p.parent_id, p.parent_key, p.sprint_ids::bigint[], p.created_at,
    p.updated_at, p.resolved_at, p.due_on, p.raw::jsonb, p.content_hash, p.observed_at, p.observed_at
FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::bigint[],
    $10::text[], $11::text[], $12::bigint[], $13::text[], $14::bigint[], $15::text[], $16::text[], $17::text[],
    $18::text[], $19::text[], $20::bigint[], $21::text[], $22::text[], $23::timestamptz[], $24::timestamptz[],
    $25::timestamptz[], $26::date[], $27::text[], $28::bytea[], $29::timestamptz[])
    AS p (id, key, project_id, summary, description, type_id, type_name, status_id, status_name, status_category,
        priority_id, priority_name, resolution_id, resolution_name, assignee, reporter, creator, labels, parent_id,
        parent_key, sprint_ids, created_at, updated_at, resolved_at, due_on, raw, content_hash, observed_at)
ORDER BY p.id
ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET
    key = excluded.key, project_id = excluded.project_id, summary = excluded.summary,
    description = excluded.description, status_id = excluded.status_id, status_name = excluded.status_name,
    status_category = excluded.status_category, assignee = excluded.assignee, labels = excluded.labels,
    updated_at = excluded.updated_at, resolved_at = excluded.resolved_at, raw = excluded.raw,
    content_hash = excluded.content_hash, observed_at = excluded.observed_at, seen_at = excluded.seen_at
WHERE (excluded.updated_at, excluded.observed_at) > (t.updated_at, t.observed_at)";

const COMMENTS: &str = "
INSERT INTO lab.comments (tenant_id, instance_id, issue_id, id, author, update_author, body, visibility, jsd_public,
    created_at, updated_at)
SELECT $1, $1, p.issue_id, p.id, p.author, p.update_author, p.body::jsonb, p.visibility::jsonb, p.jsd_public,
    p.created_at, p.updated_at
FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bool[], $9::timestamptz[],
    $10::timestamptz[])
    AS p (issue_id, id, author, update_author, body, visibility, jsd_public, created_at, updated_at)
ORDER BY p.issue_id, p.id
ON CONFLICT (tenant_id, instance_id, issue_id, id) DO UPDATE SET
    body = excluded.body, update_author = excluded.update_author, updated_at = excluded.updated_at";

const CHANGELOGS: &str = "
INSERT INTO lab.changelogs (tenant_id, instance_id, issue_id, id, item_no, author, created_at, field, field_id,
    field_type, from_value, from_text, to_value, to_text)
SELECT $1, $1, p.* FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::timestamptz[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
    AS p (issue_id, id, item_no, author, created_at, field, field_id, field_type, from_value, from_text, to_value,
        to_text)
ORDER BY p.issue_id, p.id, p.item_no
ON CONFLICT (tenant_id, instance_id, issue_id, id, item_no) DO UPDATE SET field = excluded.field";

/// Without statistics an index that begins as the primary key does looks as good to the planner, and every foreign key
/// would be checked by walking the whole instance: a trap that says nothing about UNNEST.
const ANALYZE: &str = "ANALYZE lab.issues";

/// One of several writers: a transaction a page.
pub(crate) async fn write(mut connection: PgConnection, pile: Arc<Pile>) {
    let mut first = true;
    while let Some(page) = pile.take() {
        let mut tx = connection.begin().await.expect("a transaction begins");
        issues(&mut tx, page).await;
        comments(&mut tx, page).await;
        changelogs(&mut tx, page).await;
        tx.commit().await.expect("a page is committed");
        if std::mem::take(&mut first) {
            connection.execute(ANALYZE).await.expect("statistics are made");
        }
    }
}

async fn issues(tx: &mut Transaction<'_, Postgres>, page: &[IssueSnapshot]) {
    let issues: Vec<_> = page.iter().map(|snapshot| &snapshot.issue).collect();
    let done = sqlx::query(ISSUES)
        .bind(TENANT)
        .bind(column(&issues, |issue| issue.id.0))
        .bind(column(&issues, |issue| issue.key.as_str()))
        .bind(column(&issues, |issue| issue.project.0))
        .bind(column(&issues, |issue| issue.summary.as_str()))
        .bind(column(&issues, |issue| issue.description.as_ref().map(RawJson::as_str)))
        .bind(column(&issues, |issue| issue.issue_type.id))
        .bind(column(&issues, |issue| issue.issue_type.name.as_str()))
        .bind(column(&issues, |issue| issue.status.id))
        .bind(column(&issues, |issue| issue.status.name.as_str()))
        .bind(column(&issues, |issue| issue.status.category.name()))
        .bind(column(&issues, |issue| issue.priority.as_ref().map(|priority| priority.id)))
        .bind(column(&issues, |issue| issue.priority.as_ref().map(|priority| priority.name.as_str())))
        .bind(column(&issues, |issue| issue.resolution.as_ref().map(|resolution| resolution.id)))
        .bind(column(&issues, |issue| issue.resolution.as_ref().map(|resolution| resolution.name.as_str())))
        .bind(column(&issues, |issue| issue.assignee.as_ref().map(|account| account.0.as_str())))
        .bind(column(&issues, |issue| issue.reporter.as_ref().map(|account| account.0.as_str())))
        .bind(column(&issues, |issue| issue.creator.as_ref().map(|account| account.0.as_str())))
        .bind(column(&issues, |issue| texts(&issue.labels)))
        .bind(column(&issues, |issue| issue.parent.as_ref().map(|parent| parent.id.0)))
        .bind(column(&issues, |issue| issue.parent.as_ref().map(|parent| parent.key.as_str())))
        .bind(column(&issues, |issue| numbers(issue.sprints.iter().map(|sprint| sprint.0))))
        .bind(column(&issues, |issue| issue.created_at))
        .bind(column(&issues, |issue| issue.updated_at))
        .bind(column(&issues, |issue| issue.resolved_at))
        .bind(column(&issues, |issue| issue.due_on))
        .bind(column(page, |snapshot| snapshot.raw.as_str()))
        .bind(column(page, |snapshot| snapshot.content_hash.as_slice()))
        .bind(column(page, |snapshot| snapshot.observed_at))
        .execute(&mut **tx)
        .await;
    done.expect("issues are written");
}

async fn comments(tx: &mut Transaction<'_, Postgres>, page: &[IssueSnapshot]) {
    let rows: Vec<(i64, &Comment)> = comments_of(page).collect();
    let done = sqlx::query(COMMENTS)
        .bind(TENANT)
        .bind(column(&rows, |(issue, _)| *issue))
        .bind(column(&rows, |(_, comment)| comment.id.0))
        .bind(column(&rows, |(_, comment)| comment.author.as_ref().map(|account| account.0.as_str())))
        .bind(column(&rows, |(_, comment)| comment.update_author.as_ref().map(|account| account.0.as_str())))
        .bind(column(&rows, |(_, comment)| comment.body.as_str()))
        .bind(column(&rows, |(_, comment)| comment.visibility.as_ref().map(RawJson::as_str)))
        .bind(column(&rows, |(_, comment)| comment.jsd_public))
        .bind(column(&rows, |(_, comment)| comment.created_at))
        .bind(column(&rows, |(_, comment)| comment.updated_at))
        .execute(&mut **tx)
        .await;
    done.expect("comments are written");
}

async fn changelogs(tx: &mut Transaction<'_, Postgres>, page: &[IssueSnapshot]) {
    let rows: Vec<(i64, &History, i32, &Change)> = changes_of(page).collect();
    let done = sqlx::query(CHANGELOGS)
        .bind(TENANT)
        .bind(column(&rows, |(issue, ..)| *issue))
        .bind(column(&rows, |(_, history, ..)| history.id.0))
        .bind(column(&rows, |(_, _, item_no, _)| *item_no))
        .bind(column(&rows, |(_, history, ..)| history.author.as_ref().map(|account| account.0.as_str())))
        .bind(column(&rows, |(_, history, ..)| history.created_at))
        .bind(column(&rows, |(.., change)| change.field.as_str()))
        .bind(column(&rows, |(.., change)| change.field_id.as_deref()))
        .bind(column(&rows, |(.., change)| change.field_type.as_deref()))
        .bind(column(&rows, |(.., change)| change.from.as_deref()))
        .bind(column(&rows, |(.., change)| change.from_text.as_deref()))
        .bind(column(&rows, |(.., change)| change.to.as_deref()))
        .bind(column(&rows, |(.., change)| change.to_text.as_deref()))
        .execute(&mut **tx)
        .await;
    done.expect("changelogs are written");
}

/// Comments and whose they are.
pub(crate) fn comments_of(page: &[IssueSnapshot]) -> impl Iterator<Item = (i64, &Comment)> {
    page.iter().flat_map(|snapshot| snapshot.comments.iter().map(|comment| (snapshot.issue.id.0, comment)))
}

/// Changes, their entries, their numbers within these, and whose they are.
pub(crate) fn changes_of(page: &[IssueSnapshot]) -> impl Iterator<Item = (i64, &History, i32, &Change)> {
    page.iter().flat_map(|snapshot| {
        let histories = snapshot.changelog.iter();
        histories.flat_map(|history| changes_in(snapshot.issue.id.0, history))
    })
}

fn changes_in(issue: i64, history: &History) -> impl Iterator<Item = (i64, &History, i32, &Change)> {
    (0..).zip(&history.changes).map(move |(item_no, change)| (issue, history, item_no, change))
}

/// PostgreSQL's notation of an array.
pub(crate) fn texts(texts: &[String]) -> String {
    let quoted = texts.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
}

/// The same of numbers.
pub(crate) fn numbers(numbers: impl Iterator<Item = i64>) -> String {
    format!("{{{}}}", numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(","))
}

fn column<'r, R, T>(rows: &'r [R], of: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}
