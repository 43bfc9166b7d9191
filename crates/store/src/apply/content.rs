//! The issues' own rows: what is held, what is written, which registers move.

use std::collections::HashMap;

use domain::{
    InstanceId, IssueId, IssueSnapshot, TenantId,
    search::{StoredDocument, search_document},
    storable_json,
};
use sea_orm::sqlx::{Row, postgres::PgRow};

use super::{Asked, Held, HeldById, Sighting, children::Ready, storable::storable_time};
use crate::{
    Error, TenantTx,
    directory::column,
    orm::{sql, sql_with_room},
};

/// A row for each issue of which not all is known. `OFFSET 0` has each looked up by its key, whatever PostgreSQL guesses of a
/// table without statistics, and the view asks for the tenant once, not for each issue.
const ASK: &str = "/* issues.ask */
SELECT p.id, i.* FROM (
    SELECT unnest($3::bigint[]) AS id, unnest($4::timestamptz[]) AS updated_at, unnest($5::bytea[]) AS content_hash
) AS p
LEFT JOIN LATERAL (
    SELECT id AS held, key, updated_at, observed_at, seen_at, content_hash, deleted_at
    FROM mirror.held_issues WHERE instance_id = $1 AND id = p.id OFFSET 0
) AS i ON true
WHERE (i.content_hash = p.content_hash AND i.updated_at = p.updated_at AND i.observed_at >= $2 AND i.seen_at >= $2
    AND i.deleted_at IS NULL) IS NOT TRUE";

/// Rows come in the order of the arrays, by ascending id, so that two writers lock in one order. `unnest` stands in the list of
/// columns, here and for what hangs on issues: in `FROM` PostgreSQL would first put each array away row by row, which took a
/// twentieth of all the time of a load. The description is taken out of the document rather than sent and parsed a second time.
const WRITE: &str = "/* issues.write */
INSERT INTO mirror.issues AS t (tenant_id, instance_id, id, key, project_id, summary, type_id, type_name, type_subtask,
    status_id, status_name, status_category, priority_id, priority_name, resolution_id, resolution_name, assignee, reporter,
    creator, labels, parent_id, parent_key, sprint_ids, created_at, updated_at, resolved_at, due_on, content_hash,
    observed_at, seen_at, raw_exact, search, custom, raw, description)
SELECT $1, $2, p.*, nullif(p.raw #> '{fields,description}', 'null')
FROM (SELECT unnest($3::bigint[]), unnest($4::text[]), unnest($5::bigint[]), unnest($6::text[]), unnest($7::bigint[]),
    unnest($8::text[]), unnest($9::bool[]), unnest($10::bigint[]), unnest($11::text[]), unnest($12::text[]),
    unnest($13::bigint[]), unnest($14::text[]), unnest($15::bigint[]), unnest($16::text[]), unnest($17::text[]),
    unnest($18::text[]), unnest($19::text[]), unnest($20::text[])::text[], unnest($21::bigint[]), unnest($22::text[]),
    unnest($23::text[])::bigint[], unnest($24::timestamptz[]), unnest($25::timestamptz[]), unnest($26::timestamptz[]),
    unnest($27::date[]), unnest($28::bytea[]), unnest($29::timestamptz[]), unnest($30::timestamptz[]),
    unnest($31::text[]), unnest($32::text[])::tsvector, unnest($33::text[])::jsonb, unnest($34::text[])::jsonb AS raw
) AS p
ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET
    key = excluded.key, project_id = excluded.project_id, summary = excluded.summary,
    description = excluded.description, type_id = excluded.type_id, type_name = excluded.type_name,
    type_subtask = excluded.type_subtask, status_id = excluded.status_id, status_name = excluded.status_name,
    status_category = excluded.status_category, priority_id = excluded.priority_id,
    priority_name = excluded.priority_name, resolution_id = excluded.resolution_id,
    resolution_name = excluded.resolution_name, assignee = excluded.assignee, reporter = excluded.reporter,
    creator = excluded.creator, labels = excluded.labels, parent_id = excluded.parent_id,
    parent_key = excluded.parent_key, sprint_ids = excluded.sprint_ids, created_at = excluded.created_at,
    updated_at = excluded.updated_at, resolved_at = excluded.resolved_at, due_on = excluded.due_on, raw = excluded.raw,
    raw_exact = excluded.raw_exact, content_hash = excluded.content_hash, search = excluded.search,
    custom = excluded.custom, observed_at = excluded.observed_at,
    seen_at = greatest(t.seen_at, excluded.seen_at), deleted_at = NULL
WHERE (t.deleted_at IS NULL OR t.deleted_at < excluded.seen_at)
    AND (t.observed_at IS NULL OR (excluded.updated_at, excluded.observed_at) > (t.updated_at, t.observed_at))
RETURNING t.id, t.xmax = 0 AS fresh";

/// Bytes that most issues take beside their document and their words.
const OTHERS: usize = 1_000;

impl TenantTx {
    /// What is held of these issues, without those of which PostgreSQL finds that they tell what is known: it compares, so that
    /// most pages have no row for an answer. Of a page seen at several times all are compared with the latest of them, and
    /// some are answered that are known after all.
    pub(super) async fn ask(&mut self, instance: InstanceId, page: &[Sighting<'_>]) -> Result<Asked, Error> {
        let rows = sql(ASK)
            .bind(instance.0)
            .bind(page.iter().map(|sighting| sighting.seen_at).max())
            .bind(column(page, |sighting| sighting.id().0))
            .bind(column(page, |sighting| storable_time(sighting.snapshot.issue.updated_at)))
            .bind(column(page, |sighting| sighting.snapshot.content_hash.as_slice()))
            .fetch_all(self.connection())
            .await?;
        rows.iter().map(read_asked).collect()
    }

    /// Locks the rows that are about to change, in the order of their ids, and corrects what is held of them: a key that
    /// somebody else changed since it was asked for must be remembered, too.
    pub(super) async fn lock(&mut self, instance: InstanceId, ids: &[i64], held: &mut HeldById) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = sql("/* issues.lock */
            SELECT i.* FROM unnest($3::bigint[]) AS p (id) CROSS JOIN LATERAL (
                SELECT id, key, observed_at FROM mirror.issues
                WHERE tenant_id = $1 AND instance_id = $2 AND id = p.id
                FOR NO KEY UPDATE
            ) AS i")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(ids)
        .fetch_all(self.connection())
        .await?;
        for row in &rows {
            if let Some(held) = held.get_mut(&IssueId(row.try_get("id")?)) {
                held.key = row.try_get("key")?;
                held.observed_at = row.try_get("observed_at")?;
            }
        }
        Ok(())
    }

    /// Writes new content; says which issues it was written for, and for each whether its row is a new one.
    pub(super) async fn write_content(&mut self, rows: Ready) -> Result<HashMap<IssueId, bool>, Error> {
        let rows = rows.fetch_all(self.connection()).await?;
        rows.iter().map(|row| Ok((IssueId(row.try_get("id")?), row.try_get("fresh")?))).collect()
    }

    /// Moves when issues were seen, and when the content that is held was last true. The insert never inserts: every row
    /// exists, and its conflict is what locks rows in the order of their keys.
    pub(super) async fn move_registers(&mut self, instance: InstanceId, seen: &[&Sighting<'_>]) -> Result<(), Error> {
        if seen.is_empty() {
            return Ok(());
        }
        let mut seen = seen.to_vec();
        seen.sort_by_key(|sighting| sighting.id());
        let moved = sql("/* issues.seen */
            INSERT INTO mirror.issues AS t (tenant_id, instance_id, id, updated_at, observed_at, seen_at, content_hash)
            SELECT $1, $2, unnest($3::bigint[]), unnest($4::timestamptz[]), unnest($5::timestamptz[]),
                unnest($6::timestamptz[]), unnest($7::bytea[])
            ON CONFLICT (tenant_id, instance_id, id) DO UPDATE SET
                seen_at = greatest(t.seen_at, excluded.seen_at), deleted_at = NULL,
                observed_at = CASE
                    WHEN t.content_hash = excluded.content_hash AND t.updated_at = excluded.updated_at
                    THEN greatest(t.observed_at, excluded.observed_at) ELSE t.observed_at END
            WHERE t.deleted_at IS NULL OR t.deleted_at < excluded.seen_at
            RETURNING t.id, t.key")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(column(&seen, |sighting| sighting.id().0))
        .bind(column(&seen, |sighting| sighting.snapshot.issue.updated_at))
        .bind(column(&seen, |sighting| sighting.observed_at))
        .bind(column(&seen, |sighting| sighting.seen_at))
        .bind(column(&seen, |sighting| sighting.snapshot.content_hash.as_slice()))
        .fetch_all(self.connection())
        .await?;
        self.moved(instance, &moved).await
    }
}

/// The statement that writes these issues' rows. Making the rows takes a part of the time in which PostgreSQL writes them, and
/// gives way to a statement that is being said meanwhile.
pub(super) async fn content(tenant: TenantId, instance: InstanceId, news: &[&Sighting<'_>]) -> Ready {
    let issues = column(news, |sighting| &sighting.snapshot.issue);
    let made = Made::of(news).await;
    let documents: usize = made.raws.iter().chain(&made.search).map(String::len).sum();
    sql_with_room(WRITE, documents + news.len() * OTHERS)
        .bind(tenant.0)
        .bind(instance.0)
        .bind(column(&issues, |issue| issue.id.0))
        .bind(column(&issues, |issue| issue.key.as_str()))
        .bind(column(&issues, |issue| issue.project.0))
        .bind(column(&issues, |issue| issue.summary.as_str()))
        .bind(column(&issues, |issue| issue.issue_type.id))
        .bind(column(&issues, |issue| issue.issue_type.name.as_str()))
        .bind(column(&issues, |issue| issue.issue_type.subtask))
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
        .bind(column(&issues, |issue| array_of_texts(&issue.labels)))
        .bind(column(&issues, |issue| issue.parent.as_ref().map(|parent| parent.id.0)))
        .bind(column(&issues, |issue| issue.parent.as_ref().map(|parent| parent.key.as_str())))
        .bind(column(&issues, |issue| array_of_numbers(issue.sprints.iter().map(|sprint| sprint.0))))
        .bind(column(&issues, |issue| issue.created_at))
        .bind(column(&issues, |issue| issue.updated_at))
        .bind(column(&issues, |issue| issue.resolved_at))
        .bind(column(&issues, |issue| issue.due_on))
        .bind(column(news, |sighting| sighting.snapshot.content_hash.as_slice()))
        .bind(column(news, |sighting| sighting.observed_at))
        .bind(column(news, |sighting| sighting.seen_at))
        .bind(made.exact)
        .bind(made.search)
        .bind(made.custom)
        .bind(made.raws)
}

/// What of the rows is made of documents.
struct Made<'s> {
    raws: Vec<String>,
    exact: Vec<Option<&'s str>>,
    search: Vec<String>,
    custom: Vec<Option<String>>,
}

impl<'s> Made<'s> {
    /// Issues between which it gives way: some half a millisecond.
    const STEP: usize = 16;

    async fn of(news: &[&Sighting<'s>]) -> Self {
        let mut made = Self { raws: Vec::new(), exact: Vec::new(), search: Vec::new(), custom: Vec::new() };
        for part in news.chunks(Self::STEP) {
            part.iter().for_each(|sighting| made.add(sighting.snapshot));
            tokio::task::yield_now().await;
        }
        made
    }

    fn add(&mut self, snapshot: &'s IssueSnapshot) {
        let (issue, raw) = (&snapshot.issue, snapshot.raw.as_str());
        let storable = storable_json(raw);
        self.exact.push(storable.as_ref().map(|_| raw));
        let stored = StoredDocument::of(storable.as_deref().unwrap_or(raw));
        self.custom.push(stored.custom);
        self.raws.push(stored.raw);
        self.search.push(search_document(&issue.summary, issue.description.as_ref()));
    }
}

/// By place rather than by name: it is done for each issue of a page of news.
fn read_asked(row: &PgRow) -> Result<(IssueId, Option<Held>), Error> {
    let held: Option<i64> = row.try_get(1)?;
    Ok((IssueId(row.try_get(0)?), held.map(|_| read_held(row)).transpose()?))
}

fn read_held(row: &PgRow) -> Result<Held, Error> {
    Ok(Held {
        key: row.try_get(2)?,
        updated_at: row.try_get(3)?,
        observed_at: row.try_get(4)?,
        seen_at: row.try_get(5)?,
        content_hash: row.try_get(6)?,
        deleted_at: row.try_get(7)?,
    })
}

/// PostgreSQL's notation of an array; arrays of arrays cannot be unnested by one level.
fn array_of_texts(texts: &[String]) -> String {
    let mut array = String::from("{");
    for (n, text) in texts.iter().enumerate() {
        array.push_str(if n > 0 { ",\"" } else { "\"" });
        for letter in text.chars() {
            if matches!(letter, '\\' | '"') {
                array.push('\\');
            }
            array.push(letter);
        }
        array.push('"');
    }
    array.push('}');
    array
}

fn array_of_numbers(numbers: impl Iterator<Item = i64>) -> String {
    format!("{{{}}}", numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_written_as_postgres_reads_them() {
        let texts = ["a", "", "NULL", "x,y", "{}", "say \"hi\"", "back\\slash", "größe"].map(str::to_owned);
        let expected = r#"{"a","","NULL","x,y","{}","say \"hi\"","back\\slash","größe"}"#;
        assert_eq!(array_of_texts(&texts), expected);
        assert_eq!(array_of_texts(&[]), "{}");
        assert_eq!(array_of_numbers([1, -2].into_iter()), "{1,-2}");
    }
}
