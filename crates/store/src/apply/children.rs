//! What hangs on issues: comments, changelogs, links. An issue's snapshot lists all of them, so what it does not list goes.
//!
//! Rows that are held as they are told are left alone. For issues whose rows are new there is nothing to compare with.
//! The statements leave the planner no choice (a lookup by key for each issue, `OFFSET 0` keeps it so): while a table is
//! young there are no statistics, and its guesses walk everything. The issue's row is locked, so a row's place stays.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use domain::{Change, Comment, History, InstanceId, IssueId, IssueLink, RawJson};
use sea_orm::sqlx::{Postgres, postgres::PgArguments, query::Query};

use super::Sighting;
use crate::{Error, TenantTx, directory::column, orm::sql};

/// The children of a page's issues, and which of the issues may have had others.
pub(super) struct Family<'s> {
    known: Vec<i64>,
    comments: Vec<(i64, &'s Comment)>,
    changes: Vec<Row<'s>>,
    links: Vec<(i64, i32, &'s IssueLink)>,
}

/// One row of a changelog: an entry with one of its changes, or with none under the number -1.
struct Row<'s> {
    issue: i64,
    history: &'s History,
    item_no: i32,
    change: Option<&'s Change>,
}

const COMMENTS: &str = "/* comments.replace */
WITH page AS (
    SELECT p.issue_id, p.id, p.author, p.update_author, p.body::jsonb AS body, p.visibility::jsonb AS visibility,
        p.jsd_public, p.reply_to, p.created_at, p.updated_at
    FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bool[], $11::bigint[],
        $12::timestamptz[], $13::timestamptz[])
        AS p (issue_id, id, author, update_author, body, visibility, jsd_public, reply_to, created_at, updated_at)
), gone AS (
    DELETE FROM mirror.comments WHERE ctid = ANY (ARRAY (
        SELECT c.ctid FROM unnest($3::bigint[]) AS k (issue_id) CROSS JOIN LATERAL (
            SELECT ctid, issue_id, id FROM mirror.comments
            WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = k.issue_id OFFSET 0
        ) AS c
        WHERE (c.issue_id, c.id) NOT IN (SELECT issue_id, id FROM page)
    ))
)
INSERT INTO mirror.comments (tenant_id, instance_id, issue_id, id, author, update_author, body, visibility, jsd_public,
    reply_to, created_at, updated_at)
SELECT $1, $2, p.issue_id, p.id, p.author, p.update_author, p.body, p.visibility, p.jsd_public, p.reply_to, p.created_at,
    p.updated_at
FROM page p
WHERE NOT (p.issue_id = ANY ($3) AND EXISTS (
    SELECT FROM mirror.comments t
    WHERE t.tenant_id = $1 AND t.instance_id = $2 AND t.issue_id = p.issue_id AND t.id = p.id
        AND (t.author, t.update_author, t.body, t.visibility, t.jsd_public, t.reply_to, t.created_at, t.updated_at)
            IS NOT DISTINCT FROM
            (p.author, p.update_author, p.body, p.visibility, p.jsd_public, p.reply_to, p.created_at, p.updated_at)))
ORDER BY p.issue_id, p.id
ON CONFLICT (tenant_id, instance_id, issue_id, id) DO UPDATE SET
    author = excluded.author, update_author = excluded.update_author, body = excluded.body,
    visibility = excluded.visibility, jsd_public = excluded.jsd_public, reply_to = excluded.reply_to,
    created_at = excluded.created_at, updated_at = excluded.updated_at";

const CHANGELOGS: &str = "/* changelogs.replace */
WITH page AS (
    SELECT p.issue_id, p.id, p.item_no, p.author, p.created_at, p.field, p.field_id, p.field_type, p.from_value,
        p.from_text, p.to_value, p.to_text, p.more::jsonb AS more, p.history_more::jsonb AS history_more
    FROM unnest($4::bigint[], $5::bigint[], $6::integer[], $7::text[], $8::timestamptz[], $9::text[], $10::text[],
        $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[])
        AS p (issue_id, id, item_no, author, created_at, field, field_id, field_type, from_value, from_text, to_value,
            to_text, more, history_more)
), gone AS (
    DELETE FROM mirror.changelogs WHERE ctid = ANY (ARRAY (
        SELECT c.ctid FROM unnest($3::bigint[]) AS k (issue_id) CROSS JOIN LATERAL (
            SELECT ctid, issue_id, id, item_no FROM mirror.changelogs
            WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = k.issue_id OFFSET 0
        ) AS c
        WHERE (c.issue_id, c.id, c.item_no) NOT IN (SELECT issue_id, id, item_no FROM page)
    ))
)
INSERT INTO mirror.changelogs (tenant_id, instance_id, issue_id, id, item_no, author, created_at, field, field_id,
    field_type, from_value, from_text, to_value, to_text, more, history_more)
SELECT $1, $2, p.issue_id, p.id, p.item_no, p.author, p.created_at, p.field, p.field_id, p.field_type, p.from_value,
    p.from_text, p.to_value, p.to_text, p.more, p.history_more
FROM page p
WHERE NOT (p.issue_id = ANY ($3) AND EXISTS (
    SELECT FROM mirror.changelogs t
    WHERE t.tenant_id = $1 AND t.instance_id = $2 AND t.issue_id = p.issue_id AND t.id = p.id AND t.item_no = p.item_no
        AND (t.author, t.created_at, t.field, t.field_id, t.field_type, t.from_value, t.from_text, t.to_value, t.to_text,
            t.more, t.history_more)
            IS NOT DISTINCT FROM
            (p.author, p.created_at, p.field, p.field_id, p.field_type, p.from_value, p.from_text, p.to_value, p.to_text,
            p.more, p.history_more)))
ORDER BY p.issue_id, p.id, p.item_no
ON CONFLICT (tenant_id, instance_id, issue_id, id, item_no) DO UPDATE SET
    author = excluded.author, created_at = excluded.created_at, field = excluded.field, field_id = excluded.field_id,
    field_type = excluded.field_type, from_value = excluded.from_value, from_text = excluded.from_text,
    to_value = excluded.to_value, to_text = excluded.to_text, more = excluded.more,
    history_more = excluded.history_more";

const LINKS: &str = "/* links.replace */
WITH page AS (
    SELECT * FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::integer[], $8::bigint[], $9::text[], $10::bigint[],
        $11::text[]) AS p (issue_id, id, direction, position, type_id, type_name, other_id, other_key)
), gone AS (
    DELETE FROM mirror.issue_links WHERE ctid = ANY (ARRAY (
        SELECT c.ctid FROM unnest($3::bigint[]) AS k (issue_id) CROSS JOIN LATERAL (
            SELECT ctid, issue_id, id, direction FROM mirror.issue_links
            WHERE tenant_id = $1 AND instance_id = $2 AND issue_id = k.issue_id OFFSET 0
        ) AS c
        WHERE (c.issue_id, c.id, c.direction) NOT IN (SELECT issue_id, id, direction FROM page)
    ))
)
INSERT INTO mirror.issue_links (tenant_id, instance_id, issue_id, id, direction, position, type_id, type_name, other_id,
    other_key)
SELECT $1, $2, p.issue_id, p.id, p.direction, p.position, p.type_id, p.type_name, p.other_id, p.other_key
FROM page p
WHERE NOT (p.issue_id = ANY ($3) AND EXISTS (
    SELECT FROM mirror.issue_links t
    WHERE t.tenant_id = $1 AND t.instance_id = $2 AND t.issue_id = p.issue_id AND t.id = p.id
        AND t.direction = p.direction
        AND (t.position, t.type_id, t.type_name, t.other_id, t.other_key)
            IS NOT DISTINCT FROM (p.position, p.type_id, p.type_name, p.other_id, p.other_key)))
ORDER BY p.issue_id, p.id, p.direction
ON CONFLICT (tenant_id, instance_id, issue_id, id, direction) DO UPDATE SET
    position = excluded.position, type_id = excluded.type_id, type_name = excluded.type_name,
    other_id = excluded.other_id, other_key = excluded.other_key";

impl<'s> Family<'s> {
    /// The children of the issues that were written; `written` says for each whether its row is a new one.
    pub(super) fn of(news: &[&Sighting<'s>], written: &HashMap<IssueId, bool>) -> Self {
        let known = written.iter().filter(|(_, fresh)| !**fresh).map(|(id, _)| id.0).collect();
        let mut family = Self { known, comments: Vec::new(), changes: Vec::new(), links: Vec::new() };
        for sighting in news.iter().filter(|sighting| written.contains_key(&sighting.id())) {
            let (id, snapshot) = (sighting.id().0, sighting.snapshot);
            family.comments.extend(once(&snapshot.comments, |comment| comment.id).map(|comment| (id, comment)));
            family
                .changes
                .extend(once(&snapshot.changelog, |history| history.id).flat_map(|history| rows(id, history)));
            let links = once(&snapshot.links, |link| (link.id, link.direction.name()));
            family.links.extend((0..).zip(links).map(|(position, link)| (id, position, link)));
        }
        family
    }
}

/// Pages that shift while they are read can show a thing twice; a statement may write a row only once.
fn once<T, K: Eq + Hash>(all: &[T], key: impl Fn(&T) -> K) -> impl Iterator<Item = &T> {
    let mut known = HashSet::new();
    all.iter().filter(move |one| known.insert(key(one)))
}

fn rows(issue: i64, history: &History) -> Vec<Row<'_>> {
    if history.changes.is_empty() {
        return vec![Row { issue, history, item_no: -1, change: None }];
    }
    let changes = (0..).zip(&history.changes);
    changes.map(|(item_no, change)| Row { issue, history, item_no, change: Some(change) }).collect()
}

impl TenantTx {
    pub(super) async fn replace_children(&mut self, instance: InstanceId, family: &Family<'_>) -> Result<(), Error> {
        if !family.comments.is_empty() || !family.known.is_empty() {
            self.replace_comments(instance, family).await?;
        }
        if !family.changes.is_empty() || !family.known.is_empty() {
            self.replace_changelogs(instance, family).await?;
        }
        if !family.links.is_empty() || !family.known.is_empty() {
            self.replace_links(instance, family).await?;
        }
        Ok(())
    }

    async fn replace_comments(&mut self, instance: InstanceId, family: &Family<'_>) -> Result<(), Error> {
        let rows = &family.comments;
        self.replace(COMMENTS, instance, family)
            .bind(column(rows, |(issue, _)| *issue))
            .bind(column(rows, |(_, comment)| comment.id.0))
            .bind(column(rows, |(_, comment)| comment.author.as_ref().map(|account| account.0.as_str())))
            .bind(column(rows, |(_, comment)| comment.update_author.as_ref().map(|account| account.0.as_str())))
            .bind(column(rows, |(_, comment)| comment.body.as_str()))
            .bind(column(rows, |(_, comment)| comment.visibility.as_ref().map(RawJson::as_str)))
            .bind(column(rows, |(_, comment)| comment.jsd_public))
            .bind(column(rows, |(_, comment)| comment.reply_to.map(|id| id.0)))
            .bind(column(rows, |(_, comment)| comment.created_at))
            .bind(column(rows, |(_, comment)| comment.updated_at))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn replace_changelogs(&mut self, instance: InstanceId, family: &Family<'_>) -> Result<(), Error> {
        let rows = &family.changes;
        let text = |of: for<'c> fn(&'c Change) -> Option<&'c str>| column(rows, |row| row.change.and_then(of));
        self.replace(CHANGELOGS, instance, family)
            .bind(column(rows, |row| row.issue))
            .bind(column(rows, |row| row.history.id.0))
            .bind(column(rows, |row| row.item_no))
            .bind(column(rows, |row| row.history.author.as_ref().map(|account| account.0.as_str())))
            .bind(column(rows, |row| row.history.created_at))
            .bind(text(|change| Some(change.field.as_str())))
            .bind(text(|change| change.field_id.as_deref()))
            .bind(text(|change| change.field_type.as_deref()))
            .bind(text(|change| change.from.as_deref()))
            .bind(text(|change| change.from_text.as_deref()))
            .bind(text(|change| change.to.as_deref()))
            .bind(text(|change| change.to_text.as_deref()))
            .bind(text(|change| change.more.as_ref().map(RawJson::as_str)))
            .bind(column(rows, |row| row.history.more.as_ref().filter(|_| row.item_no <= 0).map(RawJson::as_str)))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn replace_links(&mut self, instance: InstanceId, family: &Family<'_>) -> Result<(), Error> {
        let rows = &family.links;
        self.replace(LINKS, instance, family)
            .bind(column(rows, |(issue, ..)| *issue))
            .bind(column(rows, |(.., link)| link.id))
            .bind(column(rows, |(.., link)| link.direction.name()))
            .bind(column(rows, |(_, position, _)| *position))
            .bind(column(rows, |(.., link)| link.type_id))
            .bind(column(rows, |(.., link)| link.type_name.as_str()))
            .bind(column(rows, |(.., link)| link.other.id.0))
            .bind(column(rows, |(.., link)| link.other.key.as_str()))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// The three parameters that all three statements begin with.
    fn replace(
        &self,
        text: &'static str,
        instance: InstanceId,
        family: &Family<'_>,
    ) -> Query<'static, Postgres, PgArguments> {
        sql(text).bind(self.tenant.0).bind(instance.0).bind(family.known.as_slice())
    }
}
