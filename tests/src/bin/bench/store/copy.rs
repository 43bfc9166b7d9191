//! The other reference: plain COPY into bare tables, without a key or an index, documents as JSONB compressed by lz4. Nothing
//! can be found in them, nothing is compared, nothing is written twice: as fast as PostgreSQL takes rows.

use std::fmt::{Display, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use domain::{IssueSnapshot, RawJson};
use sea_orm::sqlx::PgConnection;

use super::{
    pages::Pages,
    unnest::{changes_of, comments_of, numbers, texts},
};

pub(crate) const TABLES: &str = "
CREATE SCHEMA bare;
CREATE TABLE bare.issues (
    id bigint, key text, project_id bigint, summary text, description jsonb COMPRESSION lz4, type_id bigint,
    type_name text, status_id bigint, status_name text, status_category text, priority_id bigint, priority_name text,
    resolution_id bigint, resolution_name text, assignee text, reporter text, creator text, labels text[],
    parent_id bigint, parent_key text, sprint_ids bigint[], created_at timestamptz, updated_at timestamptz,
    resolved_at timestamptz, due_on date, raw jsonb COMPRESSION lz4, content_hash bytea, observed_at timestamptz,
    tenant_id uuid DEFAULT '00000000-0000-0000-0000-000000000001',
    instance_id uuid DEFAULT '00000000-0000-0000-0000-000000000001'
);
CREATE TABLE bare.comments (
    issue_id bigint, id bigint, author text, update_author text, body jsonb COMPRESSION lz4, visibility jsonb,
    jsd_public boolean, created_at timestamptz, updated_at timestamptz,
    tenant_id uuid DEFAULT '00000000-0000-0000-0000-000000000001',
    instance_id uuid DEFAULT '00000000-0000-0000-0000-000000000001'
);
CREATE TABLE bare.changelogs (
    issue_id bigint, id bigint, item_no integer, author text, created_at timestamptz, field text, field_id text,
    field_type text, from_value text, from_text text, to_value text, to_text text,
    tenant_id uuid DEFAULT '00000000-0000-0000-0000-000000000001',
    instance_id uuid DEFAULT '00000000-0000-0000-0000-000000000001'
);
";

const ISSUES: &str = "COPY bare.issues (id, key, project_id, summary, description, type_id, type_name, status_id,
    status_name, status_category, priority_id, priority_name, resolution_id, resolution_name, assignee, reporter, creator,
    labels, parent_id, parent_key, sprint_ids, created_at, updated_at, resolved_at, due_on, raw, content_hash, observed_at)
    FROM STDIN";
const COMMENTS: &str =
    "COPY bare.comments (issue_id, id, author, update_author, body, visibility, jsd_public, created_at,
    updated_at) FROM STDIN";
const CHANGELOGS: &str = "COPY bare.changelogs (issue_id, id, item_no, author, created_at, field, field_id, field_type,
    from_value, from_text, to_value, to_text) FROM STDIN";

/// One of several writers: one COPY a table.
pub(crate) async fn write(mut connection: PgConnection, pages: Pages, writer: usize, writers: usize) {
    copy(&mut connection, ISSUES, issues, &pages, (writer, writers)).await;
    copy(&mut connection, COMMENTS, comments, &pages, (writer, writers)).await;
    copy(&mut connection, CHANGELOGS, changelogs, &pages, (writer, writers)).await;
}

async fn copy(
    connection: &mut PgConnection,
    statement: &'static str,
    lines: fn(&[IssueSnapshot], &mut Lines),
    pages: &Pages,
    (writer, writers): (usize, usize),
) {
    let mut copying = connection.copy_in_raw(statement).await.expect("copying begins");
    for page in pages.share(writer, writers) {
        let mut text = Lines(String::new());
        lines(page, &mut text);
        copying.send(text.0.into_bytes()).await.expect("rows are sent");
    }
    copying.finish().await.expect("rows are taken");
}

fn issues(page: &[IssueSnapshot], lines: &mut Lines) {
    for IssueSnapshot { issue, raw, content_hash, observed_at, .. } in page {
        lines.value(issue.id.0);
        lines.text(issue.key.as_str());
        lines.value(issue.project.0);
        lines.text(&issue.summary);
        lines.optional(issue.description.as_ref().map(RawJson::as_str));
        lines.value(issue.issue_type.id);
        lines.text(&issue.issue_type.name);
        lines.value(issue.status.id);
        lines.text(&issue.status.name);
        lines.text(issue.status.category.name());
        for named in [&issue.priority, &issue.resolution] {
            lines.optional(named.as_ref().map(|named| named.id.to_string()).as_deref());
            lines.optional(named.as_ref().map(|named| named.name.as_str()));
        }
        for account in [&issue.assignee, &issue.reporter, &issue.creator] {
            lines.optional(account.as_ref().map(|account| account.0.as_str()));
        }
        lines.text(&texts(&issue.labels));
        lines.optional(issue.parent.as_ref().map(|parent| parent.id.0.to_string()).as_deref());
        lines.optional(issue.parent.as_ref().map(|parent| parent.key.as_str()));
        lines.value(numbers(issue.sprints.iter().map(|sprint| sprint.0)));
        lines.time(issue.created_at);
        lines.time(issue.updated_at);
        lines.optional(issue.resolved_at.map(|at| at.to_rfc3339()).as_deref());
        lines.optional(issue.due_on.map(|day| day.to_string()).as_deref());
        lines.text(raw.as_str());
        lines.bytes(content_hash);
        lines.time(*observed_at);
        lines.end();
    }
}

fn comments(page: &[IssueSnapshot], lines: &mut Lines) {
    for (issue, comment) in comments_of(page) {
        lines.value(issue);
        lines.value(comment.id.0);
        lines.optional(comment.author.as_ref().map(|account| account.0.as_str()));
        lines.optional(comment.update_author.as_ref().map(|account| account.0.as_str()));
        lines.text(comment.body.as_str());
        lines.optional(comment.visibility.as_ref().map(RawJson::as_str));
        lines.optional(comment.jsd_public.map(|public| if public { "t" } else { "f" }));
        lines.time(comment.created_at);
        lines.time(comment.updated_at);
        lines.end();
    }
}

fn changelogs(page: &[IssueSnapshot], lines: &mut Lines) {
    for (issue, history, item_no, change) in changes_of(page) {
        lines.value(issue);
        lines.value(history.id.0);
        lines.value(item_no);
        lines.optional(history.author.as_ref().map(|account| account.0.as_str()));
        lines.time(history.created_at);
        lines.text(&change.field);
        for text in [&change.field_id, &change.field_type, &change.from, &change.from_text, &change.to, &change.to_text]
        {
            lines.optional(text.as_deref());
        }
        lines.end();
    }
}

/// COPY's own format of rows: a tab behind each value but the last of a line.
struct Lines(String);

impl Lines {
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                c => self.0.push(c),
            }
        }
        self.0.push('\t');
    }

    fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.push_str("\\N\t"),
        }
    }

    /// What needs no escaping.
    fn value(&mut self, value: impl Display) {
        let _ = write!(self.0, "{value}\t");
    }

    fn time(&mut self, at: DateTime<Utc>) {
        self.value(at.to_rfc3339_opts(SecondsFormat::Millis, true));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.push_str("\\\\x");
        for byte in bytes {
            let _ = write!(self.0, "{byte:02x}");
        }
        self.0.push('\t');
    }

    fn end(&mut self) {
        self.0.pop();
        self.0.push('\n');
    }
}
