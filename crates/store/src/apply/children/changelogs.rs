//! Changelogs: an entry is a row for each of its changes.

use domain::{Change, RawJson};

use super::{Ready, Row};
use crate::directory::column;

const ADD: &str = "/* changelogs.add */
INSERT INTO mirror.changelogs (tenant_id, instance_id, issue_id, id, item_no, author, created_at, field, field_id,
    field_type, from_value, from_text, to_value, to_text, more, history_more)
SELECT $1, $2, unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::integer[]), unnest($7::text[]),
    unnest($8::timestamptz[]), unnest($9::text[]), unnest($10::text[]), unnest($11::text[]), unnest($12::text[]),
    unnest($13::text[]), unnest($14::text[]), unnest($15::text[]), unnest($16::text[])::jsonb,
    unnest($17::text[])::jsonb
WHERE cardinality($3::bigint[]) = 0";

const REPLACE: &str = "/* changelogs.replace */
WITH page AS (
    SELECT unnest($4::bigint[]) AS issue_id, unnest($5::bigint[]) AS id, unnest($6::integer[]) AS item_no,
        unnest($7::text[]) AS author, unnest($8::timestamptz[]) AS created_at, unnest($9::text[]) AS field,
        unnest($10::text[]) AS field_id, unnest($11::text[]) AS field_type, unnest($12::text[]) AS from_value,
        unnest($13::text[]) AS from_text, unnest($14::text[]) AS to_value, unnest($15::text[]) AS to_text,
        unnest($16::text[])::jsonb AS more, unnest($17::text[])::jsonb AS history_more
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

/// The statements, for issues whose rows are new and for others.
pub(super) const TEXTS: [&str; 2] = [ADD, REPLACE];

pub(super) fn rows(begun: Ready, rows: &[Row<'_>]) -> Ready {
    let text = |of: for<'c> fn(&'c Change) -> Option<&'c str>| column(rows, |row| row.change.and_then(of));
    begun
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
}
